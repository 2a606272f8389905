// Package sourcetest is what every source has to keep, as a test.
package sourcetest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/labtest"
	"migrate/internal/model"
	"migrate/internal/source"
)

// Partitions are those of the collection that is read, and how many rows each has: their keys count from 0 on in each.
var Partitions = map[string]int{"few": 7, "many": 500, "none": 0}

// Collection has an INT64 key, a text and a vector.
func Collection() *model.Collection {
	return labtest.Collection(labtest.Schema(
		labtest.IntKey("id"), labtest.Field("text", schemapb.DataType_VarChar), labtest.Vector("v", schemapb.DataType_FloatVector, 4),
	), "few", "many", "none")
}

// Rows are those of a partition.
func Rows(partition string) labtest.Rows {
	n, fields := Partitions[partition], Collection().Schema.Fields
	return labtest.Rows{N: n, Columns: []*schemapb.FieldData{
		labtest.Column(fields[0], labtest.Each(n, func(i int) int64 { return int64(i) })),
		labtest.Column(fields[1], labtest.Each(n, func(i int) string { return partition })),
		labtest.Vectors("v", 4, n, uint64(n)),
	}}
}

// Run holds a source against all of it. Open opens one that holds the rows of Partitions, under the collection's description, as it
// stands now or as a pin says.
func Run(t *testing.T, open func(t *testing.T, pin json.RawMessage) source.Source) {
	t.Run("plan", func(t *testing.T) { plans(t, open(t, nil)) })
	t.Run("rows", func(t *testing.T) { rows(t, open(t, nil)) })
	t.Run("columns", func(t *testing.T) { someColumns(t, open(t, nil)) })
	t.Run("pin", func(t *testing.T) { pinned(t, open) })
	t.Run("kept batch", func(t *testing.T) { retained(t, open(t, nil)) })
	t.Run("closed", func(t *testing.T) { closed(t, open(t, nil)) })
	t.Run("cancelled", func(t *testing.T) { cancelled(t, open(t, nil)) })
	if _, ok := open(t, nil).(source.Ranged); ok {
		t.Run("ranges", func(t *testing.T) { ranges(t, open(t, nil).(source.Ranged)) })
		t.Run("keys", func(t *testing.T) { lookups(t, open(t, nil).(source.Ranged)) })
	}
}

// plans wants chunks that cover every key of each partition once, in order, or scattered ones that have all rows.
func plans(t *testing.T, s source.Source) {
	plan := planOf(t, s)
	if total := Partitions["few"] + Partitions["many"]; plan.Rows != int64(total) || plan.Bytes <= 0 {
		t.Errorf("%d rows and %d bytes are planned, of %d rows", plan.Rows, plan.Bytes, total)
	}
	chunks := map[string][]model.Chunk{}
	for _, c := range plan.Chunks {
		chunks[c.Partition] = append(chunks[c.Partition], c)
	}
	for name, n := range Partitions {
		if all := chunks[name]; len(all) > 0 && all[0].Scattered {
			wantScattered(t, all, int64(n))
			continue
		}
		wantCovered(t, chunks[name], model.Range{}, int64(n))
	}
}

// wantScattered wants chunks that are told by their numbers alone.
func wantScattered(t *testing.T, chunks []model.Chunk, rows int64) {
	t.Helper()
	var counted int64
	for i, c := range chunks {
		if c.Number != i || !c.Scattered || !c.Range.Equal(model.Range{}) {
			t.Errorf("chunk %d of %d is %+v", i, len(chunks), c)
		}
		counted += c.Rows
	}
	if counted != rows {
		t.Errorf("the chunks have %d rows of %d", counted, rows)
	}
}

// wantCovered wants chunks that follow each other from one end of a range to the other.
func wantCovered(t *testing.T, chunks []model.Chunk, whole model.Range, rows int64) {
	t.Helper()
	if len(chunks) == 0 {
		t.Fatal("no chunks")
	}
	after, counted := whole.After, int64(0)
	for i, c := range chunks {
		if c.Number != i || !(model.Range{After: c.After}).Equal(model.Range{After: after}) {
			t.Errorf("chunk %d of %d is %+v after one up to %v", i, len(chunks), c, after)
		}
		after, counted = c.UpTo, counted+c.Rows
	}
	if !(model.Range{UpTo: after}).Equal(model.Range{UpTo: whole.UpTo}) || counted != rows {
		t.Errorf("the chunks end at %v and have %d rows of %d", after, counted, rows)
	}
}

func planOf(t *testing.T, s source.Source) *source.Plan {
	t.Helper()
	plan, err := s.Plan(t.Context(), source.Size{Rows: 100, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// rows wants every row of each partition, once.
func rows(t *testing.T, s source.Source) {
	got := sums(t, s, planOf(t, s).Chunks)
	for name, n := range Partitions {
		if n > 0 && got[name] != sumOf(t, Rows(name)) {
			t.Errorf("partition %s: %+v, want %+v", name, got[name], sumOf(t, Rows(name)))
		}
	}
}

func sums(t *testing.T, s source.Source, chunks []model.Chunk) map[string]model.Sum {
	t.Helper()
	got := map[string]model.Sum{}
	for _, c := range chunks {
		stream := read(t, s, c)
		sum := got[c.Partition]
		for rec := range labtest.Batches(t, stream, nil) {
			hashes, err := columns.Hash(rec)
			if err != nil || rec.NumRows() == 0 {
				t.Errorf("a batch of %d rows: %v", rec.NumRows(), err)
			}
			sum.AddRows(hashes)
		}
		got[c.Partition] = sum
		if found := stream.Findings(); found.Duplicates.Rows != 0 || len(found.Unreadable) > 0 {
			t.Errorf("chunk %+v: found %+v", c, found)
		}
	}
	return got
}

func sumOf(t *testing.T, r labtest.Rows) (sum model.Sum) {
	t.Helper()
	layout, err := columns.NewLayout(Collection().Schema)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := layout.Decode(r.Columns)
	if err != nil {
		t.Fatal(err)
	}
	hashes, err := columns.Hash(rec)
	if err != nil {
		t.Fatal(err)
	}
	sum.AddRows(hashes)
	return sum
}

func read(t *testing.T, s source.Source, c model.Chunk, names ...string) source.Stream {
	t.Helper()
	stream, err := s.Read(t.Context(), c, names...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stream.Close() })
	return stream
}

// someColumns wants those that are named, in the collection's order, and none that is not there.
func someColumns(t *testing.T, s source.Source) {
	many := largest(t, s)
	for rec := range labtest.Batches(t, read(t, s, many, "text", "id"), nil) {
		if rec.NumCols() != 2 || rec.ColumnName(0) != "id" || rec.ColumnName(1) != "text" {
			t.Fatalf("columns of %v", rec.Schema())
		}
	}
	if stream, err := s.Read(t.Context(), many, "nowhere"); err == nil {
		stream.Close()
		t.Error("a column that is not there is read")
	}
}

// largest is a chunk of many rows.
func largest(t *testing.T, s source.Source) model.Chunk {
	t.Helper()
	return slices.MaxFunc(planOf(t, s).Chunks, func(a, b model.Chunk) int { return int(a.Rows - b.Rows) })
}

// pinned wants the chunks of a plan to be read by another process.
func pinned(t *testing.T, open func(*testing.T, json.RawMessage) source.Source) {
	plan := planOf(t, open(t, nil))
	got := sums(t, open(t, plan.Pin), plan.Chunks)
	if want := sumOf(t, Rows("many")); got["many"] != want {
		t.Errorf("%+v are read by a pin, want %+v", got["many"], want)
	}
}

// retained wants a batch that is retained to outlive the next.
func retained(t *testing.T, s source.Source) {
	stream := read(t, s, largest(t, s))
	first, err := stream.Next()
	if err != nil {
		t.Fatal(err)
	}
	first.Retain()
	defer first.Release()
	want, err := columns.Hash(first)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = stream.Next()
	}
	if err != io.EOF {
		t.Fatal(err)
	}
	if _, err := stream.Next(); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
	if have, err := columns.Hash(first); err != nil || !slices.Equal(have, want) {
		t.Errorf("a batch that was kept is another, %v", err)
	}
}

// closed wants a stream that is closed to end, and not as if all rows had come.
func closed(t *testing.T, s source.Source) {
	stream := read(t, s, largest(t, s))
	if _, err := stream.Next(); err != nil {
		t.Fatal(err)
	}
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
	if _, err := stream.Next(); err == nil || err == io.EOF {
		t.Errorf("a stream that was closed: %v", err)
	}
	if err := errors.Join(stream.Close(), s.Close(t.Context())); err != nil {
		t.Error(err)
	}
}

// cancelled wants a stream to end with its context, within a second.
func cancelled(t *testing.T, s source.Source) {
	many := largest(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := s.Read(ctx, many)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	cancel()
	began := time.Now()
	if _, err := stream.Next(); !errors.Is(err, context.Canceled) || time.Since(began) > time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

// ranges wants any range to be cut, counted and read.
func ranges(t *testing.T, s source.Ranged) {
	after, upTo := model.IntKey(99), model.IntKey(399)
	rng := model.Range{After: &after, UpTo: &upTo}
	chunks, err := s.Split(t.Context(), "many", rng, 50)
	if err != nil {
		t.Fatal(err)
	}
	if wantCovered(t, chunks, rng, 300); len(chunks) < 4 {
		t.Errorf("300 rows are cut into %d chunks of 50", len(chunks))
	}
	if n, err := s.Count(t.Context(), "many", rng); n != 300 || err != nil {
		t.Errorf("%d rows are counted of 300, %v", n, err)
	}
	var keys int64
	for k, err := range source.Keys(read(t, s, model.Chunk{Partition: "many", Range: rng}, "id"), "id") {
		if err != nil || k.Int < 100 || k.Int > 399 {
			t.Fatalf("key %v of %v, %v", k, rng, err)
		}
		keys++
	}
	if keys != 300 {
		t.Errorf("%d rows are read of 300", keys)
	}
}

// lookups wants keys to be told that are there from those that are not.
func lookups(t *testing.T, s source.Ranged) {
	now, err := s.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keys := []model.Key{model.IntKey(3), model.IntKey(6), model.IntKey(7)}
	found, err := now.Lookup(t.Context(), "few", keys)
	if err != nil || found.Record.NumRows() != 2 || found.Record.NumCols() != 3 || !slices.Equal(found.Absent, keys[2:]) || len(found.Hidden) > 0 {
		t.Errorf("found %+v, %v", found, err)
	}
	if n, err := now.CountKeys(t.Context(), "few", keys); n != 2 || err != nil {
		t.Errorf("%d of them are counted, %v", n, err)
	}
	if several, err := now.Duplicates(t.Context(), "few", keys[:2], source.MostAsked); several.Rows != 0 || err != nil {
		t.Errorf("duplicates: %v, %v", several, err)
	}
}
