package columns_test

import (
	"math"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/labtest"
	"migrate/internal/model"
)

// TestMeasure takes of each column what decides whether a target takes it, with the first key that has it.
func TestMeasure(t *testing.T) {
	id, title := labtest.IntKey("id"), labtest.Field("title", schemapb.DataType_VarChar)
	doc, price := labtest.Field("doc", schemapb.DataType_JSON), labtest.Field("price", schemapb.DataType_Double)
	tags, single := labtest.Array("tags", schemapb.DataType_VarChar), labtest.Field("single", schemapb.DataType_Float)
	layout := layoutOf(t, labtest.Schema(id, title, doc, price, tags, single, labtest.Vector("v", schemapb.DataType_FloatVector, dim)))
	measure := func(keys []int64, titles []string, docs [][]byte, prices []float64, lists [][]string, singles []float32) map[string]columns.Stats {
		rec, err := layout.Decode([]*schemapb.FieldData{
			labtest.Column(id, keys), labtest.Column(title, titles), labtest.Column(doc, docs), labtest.Column(price, prices),
			labtest.Arrays(tags, lists), labtest.Column(single, singles), labtest.Vectors("v", dim, len(keys), 1),
		})
		if err != nil {
			t.Fatal(err)
		}
		return layout.Measure(rec)
	}
	all := measure([]int64{9, 3, 5}, []string{"ab", "é", ""}, [][]byte{[]byte(`{}`), []byte("{\"\xff\": 1}"), []byte(`{}`)},
		[]float64{math.NaN(), 0, math.Inf(-1)}, [][]string{{"x", "yyy"}, {}, {"zzz", ""}}, []float32{0, 0, 0})
	all = columns.AddStats(all, measure([]int64{1}, []string{"c"}, [][]byte{[]byte(`{}`)}, []float64{1}, [][]string{{"a", "b", "c"}}, []float32{float32(math.Inf(1))}))
	key := func(k int64) *model.Key { key := model.IntKey(k); return &key }
	most := func(n, k int64) *columns.Most { return &columns.Most{N: n, Key: model.IntKey(k)} }
	for name, want := range map[string]columns.Stats{
		"title":  {Longest: most(2, 3)},
		"doc":    {Longest: most(8, 3), NotUTF8: key(3)},
		"price":  {NotFinite: key(5)},
		"tags":   {Longest: most(3, 5), Elements: most(3, 1)},
		"single": {NotFinite: key(1)},
	} {
		got := all[name]
		if !same(got.Longest, want.Longest) || !same(got.Elements, want.Elements) || !same(got.NotFinite, want.NotFinite) || !same(got.NotUTF8, want.NotUTF8) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if len(all) != 5 {
		t.Errorf("stats of %d columns: %v", len(all), all)
	}
}

func same[T comparable](a, b *T) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}
