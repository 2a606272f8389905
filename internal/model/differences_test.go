package model

import (
	"slices"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// library is a schema with an id, a text, a vector and an array.
func library() *schemapb.CollectionSchema {
	return &schemapb.CollectionSchema{Fields: []*schemapb.FieldSchema{
		{Name: "id", DataType: schemapb.DataType_Int64, IsPrimaryKey: true},
		{Name: "title", DataType: schemapb.DataType_VarChar, TypeParams: []*commonpb.KeyValuePair{{Key: "max_length", Value: "64"}, {Key: "mmap", Value: "on"}}},
		{Name: "v", DataType: schemapb.DataType_FloatVector, TypeParams: []*commonpb.KeyValuePair{{Key: "dim", Value: "8"}}},
		{Name: "tags", DataType: schemapb.DataType_Array, ElementType: schemapb.DataType_VarChar},
	}}
}

// shelf is a collection of books, with all that a description has.
func shelf() *Collection {
	return &Collection{
		ID: 1, Name: "books", Schema: library(), Shards: 2, ConsistencyLevel: commonpb.ConsistencyLevel_Bounded,
		Properties: pairs("collection.ttl.seconds", "3600", "mmap.enabled", "true"),
		Partitions: []string{"_default", "new"}, Aliases: []string{"shelf"}, Loaded: true,
		Indexes: []Index{
			{Name: "by_v", Field: "v", Params: pairs("index_type", "HNSW", "metric_type", "COSINE", "params", `{"M": 16, "efConstruction": 64}`)},
			{Name: "by_title", Field: "title", Params: pairs("index_type", "Trie")},
		},
	}
}

func pairs(keysAndValues ...string) []*commonpb.KeyValuePair {
	var all []*commonpb.KeyValuePair
	for kv := range slices.Chunk(keysAndValues, 2) {
		all = append(all, &commonpb.KeyValuePair{Key: kv[0], Value: kv[1]})
	}
	return all
}

func TestCompare(t *testing.T) {
	id, title, v, tags := 0, 1, 2, 3
	type fields = []*schemapb.FieldSchema
	for name, test := range map[string]struct {
		change func(*Collection, fields)
		class  Class
		want   []string
	}{
		"none":                  {func(*Collection, fields) {}, "", nil},
		"names, ids and shards": {func(c *Collection, _ fields) { c.Name, c.Schema.Name, c.ID, c.Shards = "other", "other", 7, 1 }, "", nil},
		"ids of fields":         {func(_ *Collection, f fields) { f[id].FieldID, f[v].FieldID = 100, 101 }, "", nil},
		"parameters' order":     {func(_ *Collection, f fields) { slices.Reverse(f[title].TypeParams) }, "", nil},
		"the dynamic field itself": {func(c *Collection, _ fields) {
			c.Schema.Fields = append(c.Schema.Fields, &schemapb.FieldSchema{Name: "$meta", IsDynamic: true})
		}, "", nil},
		"parameters of an index by themselves": {func(c *Collection, _ fields) {
			c.Indexes[0].Params = pairs("M", "16", "efConstruction", "64", "index_type", "hnsw", "metric_type", "cosine")
		}, "", nil},

		"field less": {func(c *Collection, f fields) { c.Schema.Fields = f[:tags] }, Refuses, []string{`field "tags" is missing`}},
		"field more": {func(c *Collection, _ fields) {
			c.Schema.Fields = append(c.Schema.Fields, &schemapb.FieldSchema{Name: "new"})
		}, Refuses, []string{`field "new" is extra`}},
		"field's name": {func(_ *Collection, f fields) { f[tags].Name = "w" }, Refuses, []string{`field "tags" is missing`, `field "w" is extra`}},
		"type":         {func(_ *Collection, f fields) { f[title].DataType = schemapb.DataType_JSON }, Refuses, []string{`field "title" has type JSON instead of VarChar`}},
		"element type": {func(_ *Collection, f fields) { f[tags].ElementType = schemapb.DataType_Int8 }, Refuses, []string{`field "tags" has element type Int8 instead of VarChar`}},
		"dimension":    {func(_ *Collection, f fields) { f[v].TypeParams[0].Value = "9" }, Refuses, []string{`field "v" has dim 9 instead of 8`}},
		"shorter":      {func(_ *Collection, f fields) { f[title].TypeParams[0].Value = "63" }, Refuses, []string{`field "title" has max_length 63 instead of 64`}},
		"no length":    {func(_ *Collection, f fields) { f[title].TypeParams = f[title].TypeParams[1:] }, Refuses, []string{`field "title" has max_length none instead of 64`}},
		"key": {func(_ *Collection, f fields) { f[id].IsPrimaryKey, f[title].IsPrimaryKey = false, true }, Refuses, []string{
			`field "id" has primary key false instead of true`, `field "title" has primary key true instead of false`}},
		"default": {func(_ *Collection, f fields) {
			f[title].DefaultValue = &schemapb.ValueField{Data: &schemapb.ValueField_StringData{StringData: ""}}
		}, Refuses, []string{`field "title" has another default`}},
		"dynamic field": {func(c *Collection, _ fields) { c.Schema.EnableDynamicField = true }, Refuses, []string{`the dynamic field is on instead of off`}},
		"auto id":       {func(_ *Collection, f fields) { f[id].AutoID = true }, Refuses, []string{`auto id is on instead of off`}},
		"shorter life": {func(c *Collection, _ fields) { c.Properties[0].Value = "30" }, Refuses, []string{
			"it removes rows 30s after they were written, and they should be kept for 1h0m0s (property collection.ttl.seconds)"}},
		"metric": {func(c *Collection, _ fields) { c.Indexes[0].Params[1].Value = "L2" }, Refuses, []string{"the index of field v has metric_type L2 instead of COSINE"}},

		"wider":                  {func(_ *Collection, f fields) { f[title].TypeParams[0].Value = "65535" }, Expected, []string{`field "title" has max_length 65535 instead of 64`}},
		"another type parameter": {func(_ *Collection, f fields) { f[title].TypeParams[1].Value = "off" }, Differs, []string{`field "title" has mmap off instead of on`}},
		"order":                  {func(_ *Collection, f fields) { f[v], f[tags] = f[tags], f[v] }, Differs, []string{"its fields are in another order: id, title, tags, v instead of id, title, v, tags"}},
		"a field's description":  {func(_ *Collection, f fields) { f[id].Description = "the key" }, Differs, []string{`field "id" has description "the key" instead of ""`}},
		"description":            {func(c *Collection, _ fields) { c.Schema.Description = "all" }, Differs, []string{`its description is "all" instead of ""`}},
		"no time to live": {func(c *Collection, _ fields) { c.Properties = c.Properties[1:] }, Differs, []string{
			"it keeps rows for ever, and they should be kept for 1h0m0s (property collection.ttl.seconds)"}},
		"property":          {func(c *Collection, _ fields) { c.Properties[1].Value = "false" }, Differs, []string{"property mmap.enabled is false instead of true"}},
		"server's property": {func(c *Collection, _ fields) { c.Properties = append(c.Properties, pairs("timezone", "UTC")...) }, Expected, []string{"property timezone is UTC instead of none"}},
		"consistency level": {func(c *Collection, _ fields) { c.ConsistencyLevel = commonpb.ConsistencyLevel_Strong }, Differs, []string{"its consistency level is Strong instead of Bounded"}},
		"index's type":      {func(c *Collection, _ fields) { c.Indexes[1].Params[0].Value = "INVERTED" }, Differs, []string{"the index of field title has index_type INVERTED instead of Trie"}},
		"index's parameter": {func(c *Collection, _ fields) { c.Indexes[0].Params[2].Value = `{"M":"8","efConstruction":64}` }, Differs, []string{"the index of field v has M 8 instead of 16"}},
		"index less":        {func(c *Collection, _ fields) { c.Indexes = c.Indexes[:1] }, Differs, []string{"field title has no index, and should have one of type Trie"}},
		"partition less":    {func(c *Collection, _ fields) { c.Partitions = c.Partitions[:1] }, Differs, []string{`partition "new" is missing`}},
		"not loaded":        {func(c *Collection, _ fields) { c.Loaded = false }, Differs, []string{"it is loaded: false instead of true"}},

		"index's name":   {func(c *Collection, _ fields) { c.Indexes[0].Name = "v" }, Expected, []string{`the index of field v is called "v" instead of "by_v"`}},
		"index more":     {func(c *Collection, _ fields) { c.Indexes = append(c.Indexes, Index{Field: "id"}) }, Expected, []string{"field id has an index of no type, and need not have one"}},
		"partition more": {func(c *Collection, _ fields) { c.Partitions = append(c.Partitions, "x") }, Expected, []string{`partition "x" is extra`}},
		"no alias yet":   {func(c *Collection, _ fields) { c.Aliases = nil }, Expected, []string{`alias "shelf" does not name it yet`}},
	} {
		have := shelf()
		test.change(have, have.Schema.Fields)
		found := Compare(shelf(), have)
		if got := found.Texts(Refuses, Differs, Expected); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		for _, d := range found {
			if d.Class != test.class {
				t.Errorf("%s: %s is of class %q, want %q", name, d.Text, d.Class, test.class)
			}
		}
	}
}

// TestComparesVersions finds nothing that counts between a description of one server and that of what another one made of it.
func TestComparesVersions(t *testing.T) {
	index := func(name, field string, params ...string) Index {
		return Index{Name: name, Field: field, Params: pairs(params...)}
	}
	for name, test := range map[string]struct {
		want, have []Index
		properties []string // of the one that was made
	}{
		"2.3 to 2.6": {
			[]Index{index("_default_idx_102", "v", "index_type", "AUTOINDEX", "metric_type", "L2"), index("t", "title")},
			[]Index{index("v", "v", "index_type", "AUTOINDEX", "metric_type", "L2"), index("t", "title", "index_type", "AUTOINDEX")},
			[]string{"timezone", "UTC"},
		},
		"Milvus Lite 2.5 to 2.5": {
			[]Index{index("v", "v", "M", "18", "efConstruction", "240", "index_type", "AUTOINDEX", "metric_type", "L2", "dim", "8"),
				index("title", "title", "index_type", "Trie", "max_length", "64")},
			[]Index{index("v", "v", "index_type", "AUTOINDEX", "metric_type", "L2"), index("title", "title", "index_type", "Trie")}, nil,
		},
		"Milvus Lite 3 to 2.5": {
			[]Index{index("title", "title", "index_type", "INVERTED", "metric_type", "NONE")},
			[]Index{index("title", "title", "index_type", "INVERTED")}, nil,
		},
		"2.3 to 3.0": {
			[]Index{index("title", "title", "index_type", "marisa-trie")}, []Index{index("title", "title", "index_type", "TRIE")},
			[]string{"timezone", "Europe/Berlin", "max_field_id", "103", "namespace.sharding.enabled", "false", "cipher.enabled", "true"},
		},
	} {
		want, have := shelf(), shelf()
		want.Indexes, have.Indexes = test.want, test.have
		have.Properties = append(have.Properties, pairs(test.properties...)...)
		if differ := Compare(want, have).Texts(Refuses, Differs); len(differ) > 0 {
			t.Errorf("%s: %q", name, differ)
		}
	}
	for name, zones := range map[string][2]string{"another": {"UTC", "Asia/Shanghai"}, "its own": {"", "Asia/Shanghai"}} {
		want, have := shelf(), shelf()
		for c, zone := range map[*Collection]string{want: zones[0], have: zones[1]} {
			c.Schema.Fields[1].DataType = schemapb.DataType_Timestamptz
			c.Properties = append(c.Properties, pairs("timezone", zone)...)
		}
		if differ := Compare(want, have).Texts(Differs); len(differ) != 1 {
			t.Errorf("%s timezone of times: %q", name, differ)
		}
	}
}

// TestTimeToLive refuses what removes rows that should be kept, whichever way the two are given.
func TestTimeToLive(t *testing.T) {
	for _, c := range []struct {
		want, have string
		class      Class
	}{
		{"", "30", Refuses}, {"60", "30", Refuses}, {"30", "60", Differs}, {"30", "", Differs}, {"0", "", ""}, {"-1", "0", ""}, {"30", "30", ""},
	} {
		lives := func(ttl string) *Collection { return &Collection{Properties: pairs(ttlProperty, ttl)} }
		d := propertiesDiffer(lives(c.want), lives(c.have))
		if len(d) == 0 && c.class != "" || len(d) > 0 && d[0].Class != c.class {
			t.Errorf("%q where %q is wanted: %+v", c.have, c.want, d)
		}
	}
}

// TestGivenKeys: the property that a move gives a collection, so that auto ids are kept, is expected, and none of what two servers differ in; that a
// collection lacks it is.
func TestGivenKeys(t *testing.T) {
	auto := func(properties ...string) *Collection {
		c := &Collection{Schema: library(), Properties: pairs(properties...)}
		c.Schema.Fields[0].AutoID = true
		return c
	}
	without, with := auto(), auto("allow_insert_auto_id", "true")
	if d := CompareAll(without, with); len(d) > 0 {
		t.Errorf("that a move has set: %v", d)
	}
	if d := Compare(without, with); len(d) != 1 || d[0].Class != Expected {
		t.Errorf("that a move has set, to those who compare rows: %v", d)
	}
	if d := CompareAll(with, without); len(d) != 1 || d[0].Class != Differs {
		t.Errorf("that is lacking: %v", d)
	}
}
