//go:build lab

package syncer_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"
	"golang.org/x/sync/errgroup"

	"migrate/internal/clock"
	"migrate/internal/columns"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/model"
	"migrate/internal/syncer"
)

// writingFor is how long the writers of TestWhileWritersGoOn write.
const writingFor = time.Minute

// TestWhileWritersGoOn keeps a target in step while rows are inserted, upserted and deleted, and is ended and begun again
// at random instants. When the writers have stopped, two cycles make the two sides equal, and equal to the journal of what
// the source acknowledged.
func TestWhileWritersGoOn(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "sync ended at random instants while rows are inserted, upserted and deleted", 1, "two cycles after the writers stop both sides and their journal are equal")
	w := newWriters(t)
	writing, stop := context.WithTimeout(t.Context(), writingFor)
	defer stop()
	var g errgroup.Group
	w.start(writing, &g)
	opts := w.Options()
	opts.Once, opts.Interval, opts.RangeRows = false, 500*time.Millisecond, 2000
	opts.Cycled = func(r syncer.Report) {
		t.Logf("%s: lag %v, %d ranges, %d rows read, %+v, took %v", time.Now().Format(time.TimeOnly), r.Lag.Round(time.Millisecond),
			r.Ranges, r.Read, r.Outcome, r.Took.Round(time.Millisecond))
		if r.Err != nil && writing.Err() == nil && t.Context().Err() == nil {
			t.Logf("cycle %d: %v", r.Cycle, r.Err)
		}
	}
	for writing.Err() == nil {
		running, kill := context.WithTimeout(writing, 2*time.Second+rand.N(18*time.Second))
		err := syncer.Run(running, w.Source, w.Target, w.Sink, opts)
		kill()
		if running.Err() == nil || !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("the sync ended by itself: %v", err)
		}
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	w.runCycles(t, opts, 2)
	w.WantEqual(t)
	w.wantJournal(t)
}

// runCycles runs so many cycles that end without an error.
func (w *writers) runCycles(t *testing.T, opts syncer.Options, n int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log := opts.Cycled
	opts.Cycled = func(r syncer.Report) {
		log(r)
		if n--; n == 0 {
			stop()
		}
	}
	if err := syncer.Run(ctx, w.Source, w.Target, w.Sink, opts); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// writers are those who write to the source, each to keys of its own, and the journal of what was acknowledged.
type writers struct {
	pair
	mu      sync.Mutex
	journal map[int64]int64 // the version of each key that is there
}

const (
	firstRows = 10_000
	writeRows = 10
	pause     = 100 * time.Millisecond // between two writes of one writer
)

func newWriters(t *testing.T) *writers {
	w := &writers{pair: newLabPair(t, plain(id)), journal: map[int64]int64{}}
	keys := upTo(0, firstRows)
	labtest.Insert(t, w.Source, w.Name, "", at(0, keys...))
	labtest.Insert(t, w.Target, w.Name, "", at(0, keys...))
	w.note(keys, 0)
	return w
}

func (w *writers) note(keys []int64, version int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range keys {
		w.journal[k] = version
	}
}

func (w *writers) forget(keys []int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range keys {
		delete(w.journal, k)
	}
}

// start has the writers write at a steady rate until their context ends: new keys above all others; the keys that end in
// 1, again and again; and those that end in 2 and 3, which are deleted, the latter to come again.
func (w *writers) start(ctx context.Context, g *errgroup.Group) {
	for _, write := range []func(context.Context, int64) error{w.insert, w.upsert, w.delete, w.reuse} {
		g.Go(func() error {
			for n := int64(1); ; n++ {
				if err := write(context.WithoutCancel(ctx), n); err != nil {
					return err
				}
				if clock.Sleep(ctx, pause) != nil {
					return nil
				}
			}
		})
	}
}

// ending are some keys that end in a digit, others for each n until all were.
func ending(digit, n int64) []int64 {
	return labtest.Each(writeRows, func(i int) int64 { return ((n*writeRows+int64(i))*10 + digit) % firstRows })
}

func (w *writers) insert(ctx context.Context, n int64) error {
	keys := upTo(firstRows+n*writeRows, firstRows+(n+1)*writeRows)
	if err := labtest.TryInsert(ctx, w.Source, w.Name, at(n, keys...)); err != nil {
		return err
	}
	w.note(keys, n)
	return nil
}

func (w *writers) upsert(ctx context.Context, n int64) error {
	keys := ending(1, n)
	if err := labtest.TryUpsert(ctx, w.Source, w.Name, at(n, keys...)); err != nil {
		return err
	}
	w.note(keys, n)
	return nil
}

func (w *writers) delete(ctx context.Context, n int64) error {
	if n > firstRows/10/writeRows {
		return nil // all are gone
	}
	keys := ending(2, n)
	if err := labtest.TryDelete(ctx, w.Source, w.Name, in(keys)); err != nil {
		return err
	}
	w.forget(keys)
	return nil
}

func (w *writers) reuse(ctx context.Context, n int64) error {
	keys := ending(3, n/2)
	if n%2 == 0 {
		if err := labtest.TryDelete(ctx, w.Source, w.Name, in(keys)); err != nil {
			return err
		}
		w.forget(keys)
		return nil
	}
	if err := labtest.TryUpsert(ctx, w.Source, w.Name, at(n, keys...)); err != nil {
		return err
	}
	w.note(keys, n)
	return nil
}

// wantJournal holds the target against what was acknowledged.
func (w *writers) wantJournal(t *testing.T) {
	t.Helper()
	got := map[int64]int64{}
	stream, err := open(t, w.Target, w.Name).Read(t.Context(), model.Chunk{Partition: "_default"})
	for rec := range labtest.Batches(t, stream, err) {
		versions := rec.Column(rec.Schema().FieldIndices("version")[0]).(*array.Int64).Int64Values()
		for i, k := range columns.KeysOf(rec, "id") {
			if _, twice := got[k.Int]; twice {
				t.Fatalf("key %v is there twice", k)
			}
			got[k.Int] = versions[i]
		}
	}
	if maps.Equal(got, w.journal) {
		return
	}
	t.Errorf("the target has %d rows, the journal %d", len(got), len(w.journal))
	for _, k := range slices.Sorted(maps.Keys(w.journal)) {
		if v, there := got[k]; !there || v != w.journal[k] {
			t.Fatalf("key %d: there %t, version %d, want %d", k, there, v, w.journal[k])
		}
	}
}
