package query

import (
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// TestReplay2510 reads what a real 2.5.10 answered: 181 of 196 rows, where a growing segment is through, then 15.
func TestReplay2510(t *testing.T) {
	schema := labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 4))
	layout, err := columns.NewLayout(schema)
	if err != nil {
		t.Fatal(err)
	}
	r := &Reader{
		Collection: &model.Collection{Name: "n_growing", Schema: schema}, Layout: layout, key: milvus.KeyOf(schema), server: memory.Replay(t, "testdata/milvus-2.5.10"),
		extents: &extents{}, ahead: &pagesAhead{},
	}
	if err := r.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r.Snapshot() != 470789679312797700 {
		t.Errorf("snapshot %d is not the recorded session_ts", r.Snapshot())
	}
	after, upTo := model.IntKey(100), model.IntKey(300)
	rows := map[model.Key]int{}
	found, err := r.KeysOnly().Read(t.Context(), model.AllPartitions, model.Range{After: &after, UpTo: &upTo}, func(rec arrow.Record) error {
		for _, k := range layout.Keys(rec) {
			rows[k]++
		}
		return nil
	})
	if err != nil || len(rows) != 196 || found.Duplicates.Rows != 0 || len(found.Unreadable) > 0 {
		t.Errorf("%d rows of 196, %+v, %v", len(rows), found, err)
	}
}
