package model

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// texts are parameters as key=value.
func (x Index) texts() (texts []string) {
	for _, p := range x.Params {
		texts = append(texts, p.GetKey()+"="+p.GetValue())
	}
	return texts
}

// TestMade asks for an index as the servers take it, and leaves to be set afterwards what they take then only.
func TestMade(t *testing.T) {
	for name, test := range map[string]struct {
		index    Index
		can      Capabilities
		made     string // name
		params   []string
		settings []string
	}{
		"as it is": {
			Index{Name: "by_v", Params: pairs("index_type", "HNSW", "metric_type", "L2", "params", `{"M": 16, "efConstruction": 64}`, "mmap.enabled", "true")},
			Capabilities{NeedsIndexParams: true}, "by_v",
			[]string{"index_type=HNSW", "metric_type=L2", `params={"M": 16, "efConstruction": 64}`, "mmap.enabled=true"}, nil,
		},
		"chosen by the server": {
			Index{Name: "v", Params: pairs("index_type", "AUTOINDEX", "metric_type", "COSINE", "mmap.enabled", "true", "warmup", "sync")},
			Capabilities{}, "v", []string{"index_type=AUTOINDEX", "metric_type=COSINE"}, []string{"mmap.enabled=true", "warmup=sync"},
		},
		"chosen by Milvus Lite 2.5": {
			Index{Name: "v", Params: pairs("M", "18", "efConstruction", "240", "index_type", "AUTOINDEX", "metric_type", "L2", "dim", "4")},
			Capabilities{NeedsIndexParams: true}, "v", []string{"index_type=AUTOINDEX", "metric_type=L2"}, nil,
		},
		"chosen for a scalar": {
			Index{Name: "t", Params: pairs("index_type", "AUTOINDEX", "mmap.enabled", "true")}, Capabilities{}, "t",
			[]string{"index_type=AUTOINDEX", "mmap.enabled=true"}, nil,
		},
		"of a scalar of Milvus Lite": {
			Index{Name: "t", Params: pairs("index_type", "INVERTED", "metric_type", "NONE", "max_length", "64")}, Capabilities{}, "t", []string{"index_type=INVERTED"}, nil,
		},
		"on a path that gave it its name": {
			Index{Name: "meta/a/b", Params: pairs("index_type", "INVERTED", "json_path", `meta["a"]["b"]`, "json_cast_type", "varchar")}, Capabilities{}, "",
			[]string{"index_type=INVERTED", `json_path=meta["a"]["b"]`, "json_cast_type=varchar"}, nil,
		},
		"in capitals": {Index{Name: "t", Params: pairs("index_type", "TRIE")}, Capabilities{}, "t", []string{"index_type=Trie"}, nil},
		"of a server that knows what to take": {
			Index{Name: "v", Params: pairs("index_type", "HNSW", "metric_type", "L2", "M", "8")}, Capabilities{NeedsIndexParams: true}, "v",
			[]string{"index_type=HNSW", "metric_type=L2", "M=8", "efConstruction=360"}, nil,
		},
		"of no type": {Index{Name: "t"}, Capabilities{NeedsIndexParams: true}, "t", nil, nil},
	} {
		made := test.index.Made(test.can)
		settings := Index{Params: test.index.Settings(made)}.texts()
		if made.Name != test.made || !slices.Equal(made.texts(), test.params) || !slices.Equal(settings, test.settings) {
			t.Errorf("%s: made as %q with %q, then set %q; want %q, %q, %q", name, made.Name, made.texts(), settings, test.made, test.params, test.settings)
		}
		there := made
		there.Params = append(slices.Clone(made.Params), test.index.Settings(made)...)
		if left := test.index.Settings(there); len(left) > 0 {
			t.Errorf("%s: to be set again: %v", name, left)
		}
		if name == "of a server that knows what to take" {
			continue
		}
		c := func(x Index) *Collection { return &Collection{Schema: library(), Indexes: []Index{x}} }
		if differ := Compare(c(test.index), c(there)).Texts(Refuses, Differs); len(differ) > 0 {
			t.Errorf("%s: what is made differs: %q", name, differ)
		}
	}
}

// TestIndexTypes gives indexes other types, by their fields or paths, with the parameters that these know.
func TestIndexTypes(t *testing.T) {
	c := &Collection{Name: "books", Indexes: []Index{
		{Name: "v", Field: "v", Params: pairs("index_type", "HNSW_SQ", "metric_type", "L2", "M", "8", "sq_type", "SQ8", "mmap.enabled", "true")},
		{Name: "t", Field: "t", Params: pairs("index_type", "NGRAM", "min_gram", "2", "max_gram", "3")},
		{Name: "a", Field: "meta", Params: pairs("index_type", "NGRAM", "json_path", `meta["a"]`, "json_cast_type", "varchar", "min_gram", "2")},
		{Name: "b", Field: "meta", Params: pairs("index_type", "INVERTED", "json_path", `meta["b"]`, "json_cast_type", "double")},
		{Name: "g", Field: "g", Params: pairs("index_type", "RTREE")},
	}}
	types, err := ParseIndexTypes(`v=hnsw,t=TRIE,meta["a"]=INVERTED,g=NONE`)
	if err != nil {
		t.Fatal(err)
	}
	indexes, err := c.WithIndexTypes(types)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range indexes {
		got = append(got, fmt.Sprint(x.Name, x.texts()))
	}
	want := []string{
		"v[M=8 index_type=HNSW metric_type=L2 mmap.enabled=true]", "t[index_type=TRIE]",
		`a[index_type=INVERTED json_cast_type=varchar json_path=meta["a"]]`, `b[index_type=INVERTED json_path=meta["b"] json_cast_type=double]`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if again, err := ParseIndexTypes(IndexTypesText(types)); err != nil || !maps.Equal(again, types) {
		t.Errorf("%q reads as %v, %v", IndexTypesText(types), again, err)
	}
	for _, wrong := range []string{"v", "=HNSW", "v="} {
		if _, err := ParseIndexTypes(wrong); !errors.Is(err, ErrIndexTypes) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if _, err := c.WithIndexTypes(map[string]string{"x": "HNSW"}); !errors.Is(err, ErrIndexTypes) {
		t.Errorf("a field without an index: %v", err)
	}
}

// TestGivenProperties leaves out what a server adds by itself, and nothing that anybody gave.
func TestGivenProperties(t *testing.T) {
	const given = "collection.ttl.seconds"
	for name, test := range map[string]struct {
		times      bool
		properties []string
		want       []string
		auto       bool
	}{
		"as it is":              {false, []string{given, "60", "mmap.enabled", "true", "partitionkey.isolation", "true"}, []string{given, "mmap.enabled", "partitionkey.isolation"}, false},
		"2.6.6 and later":       {false, []string{given, "60", "timezone", "UTC"}, []string{given}, false},
		"with times":            {true, []string{"timezone", "UTC"}, []string{"timezone"}, false},
		"a timezone of its own": {false, []string{"timezone", "Asia/Shanghai"}, []string{"timezone"}, false},
		"3.0": {false, []string{"max_field_id", "104", "preserve_field_ids", "true", "namespace.sharding.enabled", "false", "cipher.enabled", "true", "cipher.key", "x",
			"allow_insert_auto_id", "true"}, nil, false},
		"keys that may be given":      {false, []string{"allow_insert_auto_id", "true"}, []string{"allow_insert_auto_id"}, true},
		"sharding that was asked for": {false, []string{"namespace.sharding.enabled", "true"}, []string{"namespace.sharding.enabled"}, false},
	} {
		c := &Collection{Schema: library(), Properties: pairs(test.properties...)}
		c.Schema.Fields[0].AutoID = test.auto
		if test.times {
			c.Schema.Fields[1].DataType = schemapb.DataType_Timestamptz
		}
		var got []string
		for _, p := range c.GivenProperties() {
			got = append(got, p.GetKey())
		}
		for _, p := range c.PropertiesToShow() {
			if strings.HasPrefix(p.GetKey(), "cipher.") {
				t.Errorf("%s: %s is shown", name, p.GetKey())
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// FuzzParseIndexTypes reads any text or refuses it, and reads again what it wrote of it.
func FuzzParseIndexTypes(f *testing.F) {
	for _, text := range []string{"", "v=HNSW", `v=HNSW,meta["a"]=NONE`, "a=b=C", ",=,"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		types, err := ParseIndexTypes(text)
		if err != nil {
			return
		}
		if again, err := ParseIndexTypes(IndexTypesText(types)); err != nil || !maps.Equal(again, types) {
			t.Errorf("%q: %v, and then %v, %v", text, types, again, err)
		}
	})
}
