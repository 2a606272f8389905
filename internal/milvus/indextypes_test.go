package milvus

import (
	"slices"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
)

// indexed is an index with a type and other parameters, as key=value.
func indexed(field string, params ...string) model.Index {
	x := model.Index{Name: field, Field: field}
	for _, p := range params {
		key, value, _ := strings.Cut(p, "=")
		x.Params = append(x.Params, &commonpb.KeyValuePair{Key: key, Value: value})
	}
	return x
}

// TestUnbuildable names the indexes that a version does not build, and the nearest that it does.
func TestUnbuildable(t *testing.T) {
	schema := books()
	schema.Fields = append(schema.Fields,
		&schemapb.FieldSchema{Name: "n", DataType: schemapb.DataType_Double}, &schemapb.FieldSchema{Name: "yes", DataType: schemapb.DataType_Bool},
		&schemapb.FieldSchema{Name: "meta", DataType: schemapb.DataType_JSON}, &schemapb.FieldSchema{Name: "place", DataType: schemapb.DataType_Geometry},
		&schemapb.FieldSchema{Name: "s", DataType: schemapb.DataType_SparseFloatVector})
	vector := func(t string) model.Index { return indexed("v", "index_type="+t, "metric_type=L2") }
	path := func(t string) model.Index {
		return indexed("meta", "index_type="+t, `json_path=meta["a"]`, "json_cast_type=double")
	}
	for _, test := range []struct {
		index model.Index
		want  map[string]string // by version; "" where it is built
	}{
		{vector("HNSW"), map[string]string{"v2.3.5": "", "3.0.2": ""}},
		{vector("HNSW_SQ"), map[string]string{"v2.3.5": "v=HNSW", "v2.4.15": "v=HNSW", "v2.5.0": ""}},
		{vector("IVF_RABITQ"), map[string]string{"v2.5.10": "v=IVF_SQ8", "v2.6.0": ""}},
		{vector("AISAQ"), map[string]string{"v2.5.10": "v=DISKANN"}},
		{vector("GPU_CAGRA"), map[string]string{"v2.3.5": "v=HNSW", "v2.4.0": ""}},
		{vector("NEVER_HEARD_OF"), map[string]string{"3.0.2": "v=AUTOINDEX", "": "", "milvus_lite": ""}},
		{indexed("s", "index_type=SPARSE_WAND", "metric_type=IP"), map[string]string{"v2.4.0": "", "v2.3.5": "s=AUTOINDEX"}},
		{indexed("title", "index_type=Trie"), map[string]string{"v2.3.5": "", "v2.6.0": ""}},
		{indexed("title", "index_type=marisa-trie"), map[string]string{"v2.3.5": "", "v2.6.0": ""}},
		{indexed("title"), map[string]string{"v2.3.5": "", "v2.6.0": ""}},
		{indexed("title", "index_type=AUTOINDEX"), map[string]string{"v2.3.5": "title=TRIE", "v2.4.0": ""}},
		{indexed("title", "index_type=INVERTED"), map[string]string{"v2.3.5": "title=TRIE", "v2.4.0": ""}},
		{indexed("title", "index_type=NGRAM", "min_gram=2"), map[string]string{"v2.3.5": "title=TRIE", "v2.5.27": "title=INVERTED", "v2.6.0": ""}},
		{indexed("title", "index_type=FMINDEX"), map[string]string{"v2.6.19": "title=INVERTED", "v3.0.0": ""}},
		{indexed("n", "index_type=BITMAP"), map[string]string{"v2.3.5": "n=STL_SORT", "v2.4.15": "n=INVERTED", "v2.5.0": ""}},
		{indexed("yes", "index_type=INVERTED"), map[string]string{"v2.3.5": "yes=NONE", "v2.4.0": ""}},
		{indexed("tags", "index_type=INVERTED"), map[string]string{"v2.3.5": "tags=NONE", "v2.4.0": ""}},
		{indexed("place", "index_type=RTREE"), map[string]string{"v2.5.17": "place=NONE", "v2.5.18": "", "v2.6.2": "place=NONE", "v2.6.3": "", "v3.0.0": ""}},
		{path("INVERTED"), map[string]string{"v2.5.6": `meta["a"]=NONE`, "v2.5.7": "", "v2.6.0": ""}},
		{path("NGRAM"), map[string]string{"v2.5.10": `meta["a"]=INVERTED`, "v2.6.0": ""}},
		{path("STL_SORT"), map[string]string{"v2.6.19": `meta["a"]=INVERTED`, "v3.0.0": ""}},
		{indexed("price", "index_type=INVERTED", `json_path=price`, "json_cast_type=double"), map[string]string{"v2.4.0": "price=NONE", "v2.5.7": ""}}, // of the dynamic field
	} {
		c := &model.Collection{Schema: schema, Indexes: []model.Index{test.index}}
		for version, want := range test.want {
			if got := model.Offer(capabilitiesOf(version).Unbuildable(c)); got != want {
				t.Errorf("%s on %q: %q, want %q", test.index.Type(), version, got, want)
			}
		}
	}
}

// TestHas tells versions that have what came to one line after the next one had begun.
func TestHas(t *testing.T) {
	since := []version{{2, 5, 18}, {2, 6, 3}}
	got := slices.Collect(func(yield func(string) bool) {
		for _, v := range []string{"2.4.30", "2.5.17", "2.5.18", "2.5.30", "2.6.0", "2.6.2", "2.6.3", "3.0.0"} {
			if parseVersion(v).has(since) && !yield(v) {
				return
			}
		}
	})
	if want := []string{"2.5.18", "2.5.30", "2.6.3", "3.0.0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
