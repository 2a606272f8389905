//go:build lab

package syncer_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"migrate/internal/labtest"
	"migrate/internal/labtest/double"
	"migrate/internal/milvus"
	"migrate/internal/source/storage"
	"migrate/internal/syncer"
)

// watched is the source, with its calls counted.
func watched(t *testing.T, source *milvus.Server) (*milvus.Server, *calls) {
	t.Helper()
	c := &calls{of: map[string]int{}}
	between := double.Start(t, double.Config{Version: source.Version(), Upstream: source.Address, Watch: c.note})
	server, err := milvus.Connect(t.Context(), milvus.Config{Address: between.Address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server, c
}

// TestToldByStorage keeps a target in sync by the logs in the storage of a real source, while rows are inserted, upserted and deleted, and over
// a compaction: equal to the journal, and nothing is compared any more once all was. Where nothing is written a cycle asks for no row.
func TestToldByStorage(t *testing.T) {
	t.Parallel()
	w := newWriters(t)
	protocol := labtest.Protocol(t, w.Source)
	labtest.CompactWhenTold(t, protocol, w.Name)
	labtest.CompactWhenTold(t, labtest.Protocol(t, w.Target), w.Name)
	var asked *calls
	w.Source, asked = watched(t, w.Source)
	opts := w.Options()
	opts.Changes = storage.ChangesOpener(w.Source, labtest.SourceStorage(t), w.Sink, "j/changes/", storage.Options{})
	opts.FlushEvery, opts.Interval = time.Second, 300*time.Millisecond
	pass := func(writing context.Context) (reports []syncer.Report) {
		opts := opts
		opts.Once = writing == nil
		ctx := t.Context()
		if writing != nil {
			ctx = writing
		}
		opts.Cycled = func(r syncer.Report) {
			t.Logf("by %q: in sync %t, %d ranges, %d rows read, %+v, took %v, %v", r.By, r.InStep, r.Ranges, r.Read, r.Outcome, r.Took.Round(time.Millisecond), r.Err)
			reports = append(reports, r)
		}
		if err := syncer.Run(ctx, w.Source, w.Target, w.Sink, opts); err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
		return reports
	}
	pass(nil)
	writing, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	var g errgroup.Group
	w.start(writing, &g)
	reports := pass(writing)
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	wantTold(t, append(reports, pass(nil)...))
	w.WantEqual(t)
	w.wantJournal(t)

	labtest.Compact(t, protocol, labtest.Describe(t, w.Source, w.Name).ID)
	for _, r := range pass(nil) {
		if r.Applied() > 0 || r.Read > 0 || r.By != "storage" {
			t.Errorf("a compaction: %+v", r)
		}
	}
	w.wantIdle(t, opts, asked)
	for n := int64(200); n < 203; n++ {
		for _, write := range []func(context.Context, int64) error{w.insert, w.upsert, w.reuse} {
			if err := write(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantTold(t, pass(nil))
	w.WantEqual(t)
	w.wantJournal(t)
}

// wantIdle wants cycles in sync that at last call the source for two counts and two lists of segments alone: as soon as it has loaded what was
// flushed. What is written then, and not flushed, is found by the next one.
func (w *writers) wantIdle(t *testing.T, opts syncer.Options, asked *calls) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), labtest.Patience)
	defer stop()
	writes, wrote := []func(context.Context, int64) error{w.upsert, w.delete}, false
	var called map[string]int
	opts.Once = false
	opts.Cycled = func(r syncer.Report) {
		called = asked.since()
		switch {
		case wrote && r.Applied() != writeRows:
			t.Errorf("%d writes are left: %+v", len(writes), r)
		case !wrote && (!r.InStep || r.Read > 0 || r.Ranges > 0):
			t.Errorf("nothing was written: %+v, and the source was called %v", r, called)
		}
		if wrote = false; !maps.Equal(called, map[string]int{"Query": 2, "GetPersistentSegmentInfo": 2}) {
			return
		}
		if len(writes) == 0 {
			stop()
			return
		}
		if err := writes[0](ctx, 90); err != nil {
			t.Error(err)
		}
		writes, wrote = writes[1:], true
		asked.since()
	}
	if err := syncer.Run(ctx, w.Source, w.Target, w.Sink, opts); !errors.Is(err, context.Canceled) {
		t.Errorf("at last the source was called %v: %v", called, err)
	}
	t.Log(called)
}

// wantTold wants that something was applied, and nothing compared for it.
func wantTold(t *testing.T, reports []syncer.Report) {
	t.Helper()
	if done := total(reports); done.Inserted == 0 || done.Changed == 0 || done.Deleted == 0 {
		t.Errorf("applied: %+v", done)
	}
	for _, r := range reports {
		if r.Err == nil && r.Ranges > 0 {
			t.Errorf("%d ranges were compared in a cycle: %+v", r.Ranges, r)
		}
	}
}
