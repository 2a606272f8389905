package query

import (
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/model"
)

// TestCutAhead reads a chunk by pages that were cut before its rows changed: every page's count is out of date, and the rows are those
// that are there when it is read.
func TestCutAhead(t *testing.T) {
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
	s := memory.Start(t, "v2.3.5")
	s.Add(t, c)
	rows := func(keys ...int64) labtest.Rows {
		return labtest.Rows{N: len(keys), Columns: []*schemapb.FieldData{
			labtest.Column(labtest.IntKey("id"), keys), labtest.Vectors("v", 2, len(keys), 1),
		}}
	}
	s.Sealed(t, c.Name, rows(labtest.Each(1000, func(i int) int64 { return int64(2 * i) })...))
	server := s.Client(t)
	r, err := Open(t.Context(), server, labtest.Describe(t, server, c.Name))
	if err != nil {
		t.Fatal(err)
	}
	r.pageRows.Store(100)
	if err := r.cutIntoPages(t.Context(), model.DefaultPartition, counted{Rows: 1000}); err != nil {
		t.Fatal(err)
	}

	s.Sealed(t, c.Name, rows(1, 3, 1001)) // so that the sum is as before, and no page's count
	labtest.Delete(t, server, c.Name, "id in [0, 2, 1600]")
	now, err := r.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	later := now.(*Source)
	later.cutPages = r.cutPages
	later.pageRows.Store(100)
	stream, err := later.Read(t.Context(), model.Chunk{Partition: model.DefaultPartition})
	seen := map[int64]int{}
	for rec := range labtest.Batches(t, stream, err) {
		for _, k := range columns.KeysOf(rec, "id") {
			seen[k.Int]++
		}
	}
	if len(seen) != 1000 || seen[1] != 1 || seen[1001] != 1 || seen[0] != 0 || seen[1600] != 0 {
		t.Errorf("%d rows of 1,000 were read", len(seen))
	}
	for key, n := range seen {
		if n != 1 {
			t.Errorf("key %d was read %d times", key, n)
		}
	}
}
