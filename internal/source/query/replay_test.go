package query

import (
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
)

// TestReplay2510 reads what a real 2.5.10 answered: 181 of 196 rows, where a growing segment is through, then 15.
func TestReplay2510(t *testing.T) {
	schema := labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 4))
	layout, err := columns.NewLayout(schema)
	if err != nil {
		t.Fatal(err)
	}
	r := &Source{
		coll: &model.Collection{Name: "n_growing", Schema: schema}, layout: layout, key: milvus.KeyOf(schema), server: memory.Replay(t, "testdata/milvus-2.5.10"),
		extents: &extents{}, cutPages: &pagesAhead{}, rowBytes: 24,
	}
	if err := r.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r.Snapshot() != 470789679312797700 {
		t.Errorf("snapshot %d is not the recorded session_ts", r.Snapshot())
	}
	after, upTo := model.IntKey(100), model.IntKey(300)
	rows := map[model.Key]int{}
	stream, err := r.Read(t.Context(), model.Chunk{Range: model.Range{After: &after, UpTo: &upTo}}, "id")
	if err != nil {
		t.Fatal(err)
	}
	for rec, err := range source.Rows(stream) {
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range columns.KeysOf(rec, "id") {
			rows[k]++
		}
	}
	if found := stream.Findings(); len(rows) != 196 || found.Duplicates.Rows != 0 || len(found.Unreadable) > 0 {
		t.Errorf("%d rows of 196, %+v", len(rows), found)
	}
}
