//go:build lab

package e2e

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"golang.org/x/sync/errgroup"

	"migrate/exporter"
	"migrate/internal/clock"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/milvus"
	"migrate/sinks"
)

// TestWhileWritersGoOn exports a collection whose rows are inserted, upserted and deleted meanwhile: each row that was
// there from start to end is in the export exactly once, as it was, and no key is in it twice.
func TestWhileWritersGoOn(t *testing.T) {
	faulttable.Tried(t, "export: rows inserted, upserted and deleted meanwhile", 3, "each row that was there from start to end is exported once")
	w := newBusy(t)
	for range 3 {
		sink := labtest.Local(t)
		writing, stop := context.WithCancel(t.Context())
		var writers errgroup.Group
		before := w.writes.Load()
		w.start(writing, &writers)
		m, err := exporter.Export(t.Context(), w.server, w.collection, sink, exporter.Options{
			Job: "j", Workers: 2, PartBytes: 32 << 10, Progress: func(int64, int64) { w.await(writing, before+50) },
		})
		stop()
		if err := writers.Wait(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		w.check(t, sink, m)
	}
}

// busy is a collection and those who write to it. The last digit of a key says what becomes of it: 1 is upserted
// again and again, 2 is deleted sooner or later, and all others stay as they are. New keys lie above all of them.
type busy struct {
	server     *milvus.Server
	collection string
	schema     *schemapb.CollectionSchema
	version    *schemapb.FieldSchema
	writes     atomic.Int64
	next       [3]int64 // what each writer goes on with
}

const (
	busyRows    = 20_000
	busyAt      = 20 // rows of one write
	hot, doomed = 1, 2
)

func newBusy(t *testing.T) *busy {
	w := &busy{server: labtest.Source(t), version: labtest.Field("version", schemapb.DataType_Int64), next: [3]int64{busyRows, hot, doomed}}
	w.schema = narrow()
	w.schema.Fields = append(w.schema.Fields, w.version)
	c := labtest.Collection(w.schema)
	labtest.Create(t, w.server, c)
	w.collection = c.Name
	labtest.Insert(t, w.server, c.Name, "", w.base())
	return w
}

// base is the rows that nobody has written to yet.
func (w *busy) base() labtest.Rows {
	return w.rows(labtest.Each(busyRows, func(i int) int64 { return int64(i) }), 0)
}

func (w *busy) rows(keys []int64, version int64) labtest.Rows {
	rows := narrowRows(keys)
	rows.Columns = append(rows.Columns, labtest.Column(w.version, labtest.Each(len(keys), func(int) int64 { return version })))
	return rows
}

// start has three writers write until their context ends.
func (w *busy) start(ctx context.Context, g *errgroup.Group) {
	for i, write := range []func(context.Context, int64) error{w.insert, w.upsert, w.delete} {
		g.Go(func() error {
			for ctx.Err() == nil {
				if err := write(context.WithoutCancel(ctx), w.next[i]); err != nil {
					return err
				}
				w.next[i] += busyAt
				w.writes.Add(1)
			}
			return nil
		})
	}
}

// await has an export wait, after its first rows, until so many writes were made: it has to end among them.
func (w *busy) await(ctx context.Context, writes int64) {
	for w.writes.Load() < writes && clock.Sleep(ctx, time.Millisecond) == nil {
	}
}

func (w *busy) insert(ctx context.Context, from int64) error {
	return labtest.TryInsert(ctx, w.server, w.collection, w.rows(labtest.Each(busyAt, func(i int) int64 { return from + int64(i) }), 0))
}

func (w *busy) upsert(ctx context.Context, n int64) error {
	keys := labtest.Each(2, func(i int) int64 { return (n + int64(i)*10) % busyRows })
	return labtest.TryUpsert(ctx, w.server, w.collection, w.rows(keys, n))
}

func (w *busy) delete(ctx context.Context, n int64) error {
	return labtest.TryDelete(ctx, w.server, w.collection, fmt.Sprintf("id in [%d, %d]", n, n+10))
}

func (w *busy) check(t *testing.T, sink sinks.Sink, m *export.Manifest) {
	t.Helper()
	seen := map[int64]int64{} // the version of each key
	for _, p := range m.Parts {
		if p.Object == "" {
			continue
		}
		stream, err := m.ReadPart(t.Context(), sink, p)
		for rec := range labtest.Batches(t, stream, err) {
			keys, versions := int64s(rec, "id"), int64s(rec, "version")
			for i, key := range keys {
				if _, twice := seen[key]; twice {
					t.Errorf("key %d is there twice", key)
				}
				seen[key] = versions[i]
			}
		}
	}
	for key := range int64(busyRows) {
		version, there := seen[key]
		if !there && key%10 != doomed || version != 0 && key%10 != hot {
			t.Errorf("key %d: there %t, with version %d", key, there, version)
		}
	}
}

func int64s(rec arrow.Record, column string) []int64 {
	return rec.Column(rec.Schema().FieldIndices(column)[0]).(*array.Int64).Int64Values()
}
