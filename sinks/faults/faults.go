// Package faults wraps a working sink so that a test decides which call fails, and how.
//
//	sink := faults.Watch(t, working)
//	sink.Queue(faults.Put, faults.Truncate(100).On("part-00003"))
//
// A queued fault strikes once. One that never struck is reported, since it tested nothing.
package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"

	"migrate/sinks"
)

// Method is a method of a sink.
type Method string

// The methods that faults are queued for.
const (
	Put    Method = "put"
	Open   Method = "open"
	List   Method = "list"
	Delete Method = "delete"
	Copy   Method = "copy" // CopyFrom, by the name of the copy
	Load   Method = "load"
	Swap   Method = "swap"
)

// Faults is a sink that behaves as the one it wraps, but for the faults queued.
type Faults struct {
	sink sinks.Sink

	mu     sync.Mutex
	queued []*queued
}

var (
	_ sinks.Sink    = (*Faults)(nil)
	_ sinks.Copier  = (*Faults)(nil)
	_ sinks.Swapper = (*Faults)(nil)
)

// queued is a fault in the queue of a method. A nil one is none.
type queued struct {
	faults *Faults
	method Method
	fault  Fault
	taken  bool // by a call
	struck bool
}

// Wrap returns sink with no faults queued.
func Wrap(sink sinks.Sink) *Faults { return &Faults{sink: sink} }

// Watch is Wrap for a test, which fails at its end where a queued fault never struck.
func Watch(t interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
}, sink sinks.Sink) *Faults {
	t.Helper()
	f := Wrap(sink)
	t.Cleanup(func() {
		t.Helper()
		if unused := f.Unused(); len(unused) > 0 {
			t.Errorf("faults that never struck: %s", strings.Join(unused, "; "))
		}
	})
	return f
}

// Queue has coming calls of method meet the faults, one each, in this order.
func (f *Faults) Queue(method Method, faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range faults {
		f.queued = append(f.queued, &queued{faults: f, method: method, fault: fault})
	}
}

// Unused describes the faults that have not struck: whose call never came, or ended before the fault's place.
func (f *Faults) Unused() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var unused []string
	for _, q := range f.queued {
		if !q.struck {
			unused = append(unused, q.String())
		}
	}
	return unused
}

// Unwrap returns the working sink.
func (f *Faults) Unwrap() sinks.Sink { return f.sink }

// Put implements sinks.Sink.
func (f *Faults) Put(ctx context.Context, name string, write func(io.Writer) error) (sinks.Info, error) {
	q := f.take(Put, name)
	if err := q.before(ctx); err != nil {
		return sinks.Info{}, err
	}
	var written int64
	info, err := f.sink.Put(ctx, name, func(w io.Writer) error {
		d := &damagingWriter{to: w, queued: q}
		err := write(d)
		written = d.offset
		return err
	})
	if err := q.after(err); err != nil {
		return sinks.Info{}, err
	}
	info.Size = written // damage is silent
	return info, nil
}

// Open implements sinks.Sink.
func (f *Faults) Open(ctx context.Context, name string) (sinks.Object, error) {
	if err := f.take(Open, name).before(ctx); err != nil {
		return nil, err
	}
	return f.sink.Open(ctx, name)
}

// List implements sinks.Sink.
func (f *Faults) List(ctx context.Context, prefix string) iter.Seq2[sinks.Info, error] {
	return func(yield func(sinks.Info, error) bool) {
		if err := f.take(List, prefix).before(ctx); err != nil {
			yield(sinks.Info{}, err)
			return
		}
		f.sink.List(ctx, prefix)(yield)
	}
}

// Delete implements sinks.Sink.
func (f *Faults) Delete(ctx context.Context, name string) error {
	q := f.take(Delete, name)
	if err := q.before(ctx); err != nil {
		return err
	}
	return q.after(f.sink.Delete(ctx, name))
}

// CopyFrom implements sinks.Copier where the working sink does.
func (f *Faults) CopyFrom(ctx context.Context, name string, src sinks.Sink, srcName string) (bool, error) {
	copier, ok := sinks.As[sinks.Copier](f.sink)
	if !ok {
		return false, nil
	}
	q := f.take(Copy, name)
	if err := q.before(ctx); err != nil {
		return true, err
	}
	copied, err := copier.CopyFrom(ctx, name, src, srcName)
	return copied, q.after(err)
}

// Load implements sinks.Swapper where the working sink does, and otherwise returns errors.ErrUnsupported.
func (f *Faults) Load(ctx context.Context, name string) ([]byte, sinks.Version, error) {
	swapper, err := f.swapper()
	if err != nil {
		return nil, "", err
	}
	q := f.take(Load, name)
	if err := q.before(ctx); err != nil {
		return nil, "", err
	}
	data, version, err := swapper.Load(ctx, name)
	if err := q.after(err); err != nil {
		return nil, "", err
	}
	return data, version, nil
}

// Swap implements sinks.Swapper where the working sink does, and otherwise returns errors.ErrUnsupported.
func (f *Faults) Swap(ctx context.Context, name string, old sinks.Version, data []byte) (sinks.Version, error) {
	swapper, err := f.swapper()
	if err != nil {
		return "", err
	}
	q := f.take(Swap, name)
	if err := q.before(ctx); err != nil {
		return "", err
	}
	version, err := swapper.Swap(ctx, name, old, data)
	if err := q.after(err); err != nil {
		return "", err
	}
	return version, nil
}

func (f *Faults) swapper() (sinks.Swapper, error) {
	swapper, ok := sinks.As[sinks.Swapper](f.sink)
	if !ok {
		return nil, fmt.Errorf("%s has no compare and swap: %w", f.sink.URL(""), errors.ErrUnsupported)
	}
	return swapper, nil
}

// URL implements sinks.Sink.
func (f *Faults) URL(name string) string { return f.sink.URL(name) }

// take takes the first fault from the queue of method that is meant for name.
func (f *Faults) take(method Method, name string) *queued {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.queued, func(q *queued) bool {
		return !q.taken && q.method == method && strings.Contains(name, q.fault.on)
	})
	if i < 0 {
		return nil
	}
	f.queued[i].taken = true
	return f.queued[i]
}

func (q *queued) strike() {
	q.faults.mu.Lock()
	defer q.faults.mu.Unlock()
	q.struck = true
}

func (q *queued) before(ctx context.Context) error {
	if q == nil || q.fault.before == nil {
		return nil
	}
	q.strike()
	return q.fault.before(ctx)
}

// after replaces the success of a call, not its error.
func (q *queued) after(err error) error {
	if q == nil || q.fault.after == nil || err != nil {
		return err
	}
	q.strike()
	return q.fault.after
}

func (q *queued) String() string {
	s := fmt.Sprintf("%s: %s", q.method, q.fault.what)
	if q.fault.on != "" {
		s += fmt.Sprintf(" on %q", q.fault.on)
	}
	if q.taken {
		s += ", whose call came but never got there"
	}
	return s
}

// damagingWriter does a fault's damage to what is written.
type damagingWriter struct {
	to     io.Writer
	queued *queued
	offset int64 // bytes taken from the one who writes
}

func (d *damagingWriter) Write(p []byte) (int, error) {
	stored, damageErr := d.damage(p)
	n, err := d.to.Write(stored)
	if err == nil {
		err = damageErr
	}
	if err != nil {
		d.offset += int64(n)
		return n, err
	}
	d.offset += int64(len(p))
	return len(p), nil
}

func (d *damagingWriter) damage(p []byte) ([]byte, error) {
	if d.queued == nil || d.queued.fault.damage == nil {
		return p, nil
	}
	stored, struck, err := d.queued.fault.damage(p, d.offset)
	if struck {
		d.queued.strike()
	}
	return stored, err
}
