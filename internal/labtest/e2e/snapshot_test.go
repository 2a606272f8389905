//go:build lab

package e2e

import (
	"context"
	"errors"
	"testing"

	"golang.org/x/sync/errgroup"

	"migrate/deploy/lab"
	"migrate/exporter"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/labtest/double"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/milvus"
	"migrate/internal/source/query"
	"migrate/internal/verify"
	"migrate/sinks/faults"
)

var errBroken = errors.New("broken on purpose")

// TestSnapshot exports from a server that holds an instant, while its rows are written to: the export is that instant,
// from every worker, and also if it was interrupted and resumed by a connection of its own.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "export from a double of 2.5: rows inserted, upserted and deleted meanwhile, and an interruption", 1, "all rows are those of one instant")
	w := newBusy(t)
	frozen := labtest.Collection(w.schema)
	labtest.Create(t, w.server, frozen)
	labtest.Insert(t, w.server, frozen.Name, "", w.base())
	newer := double.Start(t, double.Config{Version: "v2.5.10", Upstream: lab.Standalone, Frozen: frozen.Name})
	writing, stop := context.WithCancel(t.Context())
	defer stop()
	var writers errgroup.Group
	w.start(writing, &writers)

	sink := faults.Watch(t, labtest.Local(t))
	sink.Queue(faults.Put, faults.Error(errBroken).On("part-00009"))
	exported := func() (*export.Manifest, error) {
		from, err := milvus.Connect(t.Context(), milvus.Config{Address: newer.Address})
		if err != nil {
			t.Fatal(err)
		}
		defer from.Close()
		return exporter.Export(t.Context(), from, w.collection, sink, exporter.Options{Job: "j", Workers: 3, PartBytes: 32 << 10})
	}
	if _, err := exported(); !errors.Is(err, errBroken) {
		t.Fatalf("an export over a fault: %v", err)
	}
	m, err := exported()
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if err := writers.Wait(); err != nil {
		t.Fatal(err)
	}
	if m.Snapshot == 0 || w.writes.Load() == 0 {
		t.Errorf("snapshot %d, %d writes", m.Snapshot, w.writes.Load())
	}
	wantEqual(t, compare(t, export.Source{Sink: sink, Manifest: m}, side(t, w.server, frozen.Name), verify.Options{}), busyRows)
}

// TestSnapshotOfNow takes a new instant for a reader that has one already.
func TestSnapshotOfNow(t *testing.T) {
	t.Parallel()
	c := labtest.Collection(narrow())
	labtest.Create(t, labtest.Source(t), c)
	labtest.Insert(t, labtest.Source(t), c.Name, "", narrowRows([]int64{1}))
	newer := double.Start(t, double.Config{Version: "v2.5.10", Upstream: lab.Standalone, Frozen: c.Name})
	server, err := milvus.Connect(t.Context(), milvus.Config{Address: newer.Address})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	then := side(t, server, c.Name)
	now, err := then.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if next := now.(*query.Source).Snapshot(); then.Snapshot() == 0 || next <= then.Snapshot() {
		t.Errorf("the first snapshot is %d, the next %d", then.Snapshot(), next)
	}
}
