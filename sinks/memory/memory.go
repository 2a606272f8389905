// Package memory is a sink in memory, for tests: what it holds is gone with it. It keeps the contract of every sink.
package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"migrate/sinks"
)

// Sink holds objects. The zero Sink is empty, and ready.
type Sink struct {
	mu      sync.Mutex
	objects map[string]object
	stored  int // objects so far, which versions are numbered by
}

// object is replaced, and never changed.
type object struct {
	data     []byte
	version  sinks.Version
	modified time.Time
}

var (
	_ sinks.Sink    = (*Sink)(nil)
	_ sinks.Swapper = (*Sink)(nil)
)

// Put implements sinks.Sink.
func (s *Sink) Put(ctx context.Context, name string, write func(io.Writer) error) (sinks.Info, error) {
	if err := begin(ctx, name); err != nil {
		return sinks.Info{}, fmt.Errorf("putting %s: %w", s.URL(name), err)
	}
	w := &writer{ctx: ctx}
	err := write(w)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(err, ctx.Err()); err != nil {
		return sinks.Info{}, fmt.Errorf("putting %s: %w", s.URL(name), err)
	}
	s.store(name, w.data.Bytes())
	return sinks.Info{Name: name, Size: int64(w.data.Len())}, nil
}

// begin tells what keeps a method from working on the object name.
func begin(ctx context.Context, name string) error {
	return errors.Join(sinks.CheckName(name), ctx.Err())
}

// writer is written to until its context ends.
type writer struct {
	ctx  context.Context
	data bytes.Buffer
}

func (w *writer) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.data.Write(p)
}

// store keeps data as a new version of an object; s.mu is held.
func (s *Sink) store(name string, data []byte) sinks.Version {
	if s.objects == nil {
		s.objects = map[string]object{}
	}
	s.stored++
	version := sinks.Version(strconv.Itoa(s.stored))
	s.objects[name] = object{data, version, time.Now()}
	return version
}

// Open implements sinks.Sink.
func (s *Sink) Open(ctx context.Context, name string) (sinks.Object, error) {
	o, err := s.get(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", s.URL(name), err)
	}
	return reader{io.NewSectionReader(readerAt{ctx, bytes.NewReader(o.data)}, 0, int64(len(o.data)))}, nil
}

func (s *Sink) get(ctx context.Context, name string) (object, error) {
	if err := begin(ctx, name); err != nil {
		return object{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[name]
	if !ok {
		return object{}, sinks.ErrNotExist
	}
	return o, nil
}

// reader reads an object, also after it has been replaced.
type reader struct{ *io.SectionReader }

func (reader) Close() error { return nil }

// readerAt is read until its context ends.
type readerAt struct {
	ctx context.Context
	io.ReaderAt
}

func (r readerAt) ReadAt(p []byte, offset int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.ReaderAt.ReadAt(p, offset)
}

// List implements sinks.Sink.
func (s *Sink) List(ctx context.Context, prefix string) iter.Seq2[sinks.Info, error] {
	return func(yield func(sinks.Info, error) bool) {
		for _, info := range s.listed(prefix) {
			if err := ctx.Err(); err != nil {
				yield(sinks.Info{}, fmt.Errorf("listing %s: %w", s.URL(prefix), err))
				return
			}
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (s *Sink) listed(prefix string) []sinks.Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	var infos []sinks.Info
	for _, name := range slices.Sorted(maps.Keys(s.objects)) {
		if o := s.objects[name]; strings.HasPrefix(name, prefix) {
			infos = append(infos, sinks.Info{Name: name, Size: int64(len(o.data)), ModTime: o.modified, Tag: string(o.version)})
		}
	}
	return infos
}

// Delete implements sinks.Sink.
func (s *Sink) Delete(ctx context.Context, name string) error {
	if err := begin(ctx, name); err != nil {
		return fmt.Errorf("deleting %s: %w", s.URL(name), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, name)
	return nil
}

// URL implements sinks.Sink.
func (s *Sink) URL(name string) string {
	return (&url.URL{Scheme: "memory", Path: "/" + name}).String()
}

// Load implements sinks.Swapper.
func (s *Sink) Load(ctx context.Context, name string) ([]byte, sinks.Version, error) {
	o, err := s.get(ctx, name)
	if err != nil {
		return nil, "", fmt.Errorf("loading %s: %w", s.URL(name), err)
	}
	return bytes.Clone(o.data), o.version, nil
}

// Swap implements sinks.Swapper.
func (s *Sink) Swap(ctx context.Context, name string, old sinks.Version, data []byte) (sinks.Version, error) {
	if err := begin(ctx, name); err != nil {
		return "", fmt.Errorf("swapping %s: %w", s.URL(name), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch there, ok := s.objects[name]; {
	case there.version == old:
		return s.store(name, bytes.Clone(data)), nil
	case ok && bytes.Equal(there.data, data): // by this Swap, whose answer was lost
		return there.version, nil
	}
	return "", fmt.Errorf("swapping %s: %w", s.URL(name), sinks.ErrChanged)
}
