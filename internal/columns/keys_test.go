package columns_test

import (
	"math"
	"slices"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/labtest"
	"migrate/internal/model"
)

func TestKeys(t *testing.T) {
	id, name := labtest.IntKey("id"), labtest.TextKey("name")
	for want, d := range map[model.Key]*schemapb.FieldData{
		model.IntKey(math.MinInt64): labtest.Column(id, []int64{math.MinInt64, 0}),
		model.TextKey("0"):          labtest.Column(name, []string{"0", ""}),
	} {
		key := id
		if d.FieldName == name.Name {
			key = name
		}
		layout := layoutOf(t, labtest.Schema(key))
		rec, err := layout.Decode([]*schemapb.FieldData{d})
		if err != nil {
			t.Fatal(err)
		}
		if got := layout.Keys(rec); len(got) != 2 || got[0] != want || !slices.Equal(got, columns.KeysOf(rec, key.Name)) {
			t.Errorf("keys %v and %v, want %v first", got, columns.KeysOf(rec, key.Name), want)
		}
		if got := columns.KeysOf(rec, "other"); got != nil {
			t.Errorf("keys of a column that is not there: %v", got)
		}
	}
}
