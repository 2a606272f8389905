package whole

import (
	"slices"
	"strconv"
	"strings"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/model"
)

// A collection is one of the server's, and what is to be odd about it.
type collection struct {
	database, name   string
	description      string
	fields           []*schemapb.FieldSchema
	dynamic          bool
	shards           int32
	consistency      commonpb.ConsistencyLevel
	properties       []string
	partitions       []string // beside the default one
	emptyPartitions  []string // of these
	keyed            int      // how many partitions there are by a partition key
	indexes          []model.Index
	aliases          []string
	rows             int
	growing          bool   // the rows are not flushed
	doubled          int    // how many of the first keys are there twice
	deleted          string // a filter of rows that are deleted again
	loaded           bool
	loadedPartitions []string // if only some are
	odd              bool     // floats are NaN, infinite, or as small as can be
}

// NotMovable are the collections that no move can bring over, by their databases, and what is said of each: one with rows and without a
// vector index, which no server loads; one whose key no filter can name; one whose vectors are lost by being read; one whose name is too
// long for a checkpoint's.
var NotMovable = map[string]string{
	"Archive_2023.without_index": "no vector index", "shop.key_in": "reserved word", "Archive_2023.quantized": "removes such vectors", "shop." + longName: "too long",
}

var longName = strings.Repeat("long_name_", 25)

// DuplicateKeys is how many keys of each collection are there twice.
var DuplicateKeys = map[string]int{"default.twice": 300, "shop.documents": 1}

const (
	integer = schemapb.DataType_Int64
	text    = schemapb.DataType_VarChar
	floats  = schemapb.DataType_FloatVector
	bits    = schemapb.DataType_BinaryVector
)

// collections are those of the server.
func collections() []collection {
	all := slices.Concat(ofDefault(), ofShop(), ofArchive())
	for i := range all {
		if all[i].shards == 0 {
			all[i].shards = 1
		}
	}
	return all
}

func ofDefault() []collection {
	id, v := labtest.IntKey("id"), func(dim int) *schemapb.FieldSchema { return labtest.Vector("v", floats, dim) }
	return []collection{
		{database: Default, name: "documents", description: `what was read, "quoted" and ключ`, rows: 20_000, loaded: true, dynamic: true, shards: 2,
			consistency: commonpb.ConsistencyLevel_Bounded, aliases: []string{"documents_live", "Documents_2024", "d"},
			fields:  []*schemapb.FieldSchema{id, described(labtest.Field("text", text), "the words"), labtest.Field("meta", schemapb.DataType_JSON), v(64)},
			indexes: []model.Index{index("by_v", "v", "HNSW", "COSINE", `{"M": 8, "efConstruction": 32}`), index("text", "text", "Trie", "", "")}},
		{database: Default, name: "everything", rows: 3000, loaded: true, dynamic: true, consistency: commonpb.ConsistencyLevel_Strong, aliases: []string{"all_types"},
			fields: append([]*schemapb.FieldSchema{labtest.IntKey("key")}, append(everything(), v(24))...),
			indexes: []model.Index{index("of_v", "v", "IVF_FLAT", "L2", `{"nlist": 64}`),
				index("int32", "int32", "STL_SORT", "", ""), index("words", "words", "Trie", "", ""), {Name: "double", Field: "double"}}},
		{database: Default, name: "Documents", rows: 500, loaded: true, consistency: commonpb.ConsistencyLevel_Session,
			fields: []*schemapb.FieldSchema{labtest.TextKey("name"), v(16)}, indexes: []model.Index{index("v", "v", "SCANN", "IP", `{"nlist": 8, "with_raw_data": true}`)}},
		{database: Default, name: "auto_ids", rows: 1500, loaded: true, aliases: []string{"numbered"},
			fields:  []*schemapb.FieldSchema{automatic(labtest.IntKey("id")), labtest.Field("n", integer), v(16)},
			indexes: []model.Index{index("v", "v", "AUTOINDEX", "L2", "")}},
		{database: Default, name: "tenants", rows: 4000, loaded: true, keyed: 16, dynamic: true,
			fields:  []*schemapb.FieldSchema{id, partitionKey(labtest.Field("tenant", integer)), v(16)},
			indexes: []model.Index{index("v", "v", "IVF_FLAT", "L2", `{"nlist": 16}`)}},
		{database: Default, name: "partly", rows: 3000, partitions: []string{"p2022", "p2023", "P2024"}, loadedPartitions: []string{"p2023"}, aliases: []string{"parts"},
			fields: []*schemapb.FieldSchema{id, labtest.Field("n", integer), v(16)}, indexes: []model.Index{index("v", "v", "FLAT", "L2", "")}},
		{database: Default, name: "released", rows: 2000, fields: []*schemapb.FieldSchema{id, v(32)}, indexes: []model.Index{index("v", "v", "IVF_FLAT", "COSINE", `{"nlist": 16}`)}},
		{database: Default, name: "inner_product", rows: 1000, loaded: true, fields: []*schemapb.FieldSchema{id, v(32)}, indexes: []model.Index{index("v", "v", "IVF_FLAT", "IP", `{"nlist": 8}`)}},
		{database: Default, name: "empty", loaded: true, dynamic: true, aliases: []string{"nothing_yet"},
			fields: []*schemapb.FieldSchema{id, v(8)}, indexes: []model.Index{index("v", "v", "FLAT", "IP", "")}},
		{database: Default, name: "empty_without_index", description: "not filled yet", fields: []*schemapb.FieldSchema{id, v(8), labtest.Field("t", text)}},
		{database: Default, name: "twice", rows: 2000, doubled: DuplicateKeys["default.twice"], loaded: true,
			fields: []*schemapb.FieldSchema{id, labtest.Field("t", text), v(8)}, indexes: []model.Index{index("v", "v", "FLAT", "L2", "")}},
		{database: Default, name: "not_numbers", rows: 1000, odd: true, loaded: true, fields: []*schemapb.FieldSchema{id, labtest.Field("float", schemapb.DataType_Float),
			labtest.Field("double", schemapb.DataType_Double), labtest.Array("doubles", schemapb.DataType_Double), v(8)},
			indexes: []model.Index{index("v", "v", "FLAT", "L2", "")}},
	}
}

func ofShop() []collection {
	id, v := labtest.IntKey("id"), labtest.Vector("v", floats, 16)
	flat := []model.Index{index("v", "v", "FLAT", "L2", "")}
	return []collection{
		{database: "shop", name: "orders", rows: 50_000, loaded: true, shards: 2, properties: []string{"collection.ttl.seconds", "8640000", "mmap.enabled", "true"},
			fields:  []*schemapb.FieldSchema{id, labtest.Field("cents", schemapb.DataType_Int32), labtest.Vector("v", floats, 8)},
			indexes: []model.Index{index("v", "v", "IVF_FLAT", "L2", `{"nlist": 32}`), index("cents", "cents", "STL_SORT", "", "")}},
		{database: "shop", name: "documents", rows: 800, doubled: DuplicateKeys["shop.documents"], loaded: true, description: "of the shop", aliases: []string{"documents_live"},
			fields: []*schemapb.FieldSchema{labtest.TextKey("id"), labtest.Field("meta", schemapb.DataType_JSON), v}, indexes: flat},
		{database: "shop", name: "quoted", rows: 2000, loaded: true, dynamic: true, fields: []*schemapb.FieldSchema{labtest.TextKey("quoted"), v}, indexes: flat},
		{database: "shop", name: "pictures", rows: 3000, loaded: true, fields: []*schemapb.FieldSchema{id, labtest.Vector("bits", bits, 512)},
			indexes: []model.Index{index("bits", "bits", "BIN_FLAT", "HAMMING", "")}},
		{database: "shop", name: "wide", rows: 30, loaded: true, fields: []*schemapb.FieldSchema{id, labtest.Vector("v", floats, 32768)}, indexes: flat},
		{database: "shop", name: "long_texts", rows: 60, loaded: true, fields: []*schemapb.FieldSchema{id, labtest.Field("long", text), v}, indexes: flat},
		{database: "shop", name: longName, rows: 100, fields: []*schemapb.FieldSchema{id, v}, indexes: flat},
		{database: "shop", name: longName[:190], rows: 100, loaded: true, fields: []*schemapb.FieldSchema{id, v}, indexes: flat, aliases: []string{longName + "alias"}},
		{database: "shop", name: "growing", rows: 1000, growing: true, loaded: true, fields: []*schemapb.FieldSchema{id, labtest.Field("n", integer), v}, indexes: flat},
		{database: "shop", name: "deleted", rows: 3000, loaded: true, deleted: "id in [0, 1, 2, 17, 2999]", fields: []*schemapb.FieldSchema{id, v}, indexes: flat},
		{database: "shop", name: "key_in", rows: 10, fields: []*schemapb.FieldSchema{labtest.IntKey("in"), v}, indexes: flat},
		{database: "shop", name: "shop", rows: 1, loaded: true, fields: []*schemapb.FieldSchema{id, v}, indexes: flat, aliases: []string{"default"}},
	}
}

func ofArchive() []collection {
	const database = "Archive_2023"
	id, v := labtest.IntKey("id"), labtest.Vector("v", floats, 16)
	flat := []model.Index{index("v", "v", "FLAT", "L2", "")}
	return []collection{
		{database: database, name: "documents", rows: 6000, consistency: commonpb.ConsistencyLevel_Eventually, aliases: []string{"old", "older", "oldest"},
			fields: []*schemapb.FieldSchema{id, labtest.Field("t", text), v}, indexes: []model.Index{index("v", "v", "HNSW", "L2", `{"M": 4, "efConstruction": 20}`)}},
		{database: database, name: "tenants_by_name", rows: 2000, keyed: 7, loaded: true,
			fields: []*schemapb.FieldSchema{id, partitionKey(labtest.Field("tenant", text)), v}, indexes: flat},
		{database: database, name: "partitions", rows: 1200, loaded: true, partitions: []string{"a", "B", "_c", "empty"}, emptyPartitions: []string{"empty"},
			fields: []*schemapb.FieldSchema{id, v}, indexes: flat},
		{database: database, name: "everything", rows: 1000, loaded: true,
			fields:  append([]*schemapb.FieldSchema{labtest.TextKey("key"), labtest.Vector("bits", bits, 40)}, everything()...),
			indexes: []model.Index{index("bits_", "bits", "BIN_IVF_FLAT", "JACCARD", `{"nlist": 16}`)}},
		{database: database, name: "words", rows: 300, loaded: true, fields: []*schemapb.FieldSchema{id, labtest.Field("like", text), labtest.Field("and", integer),
			labtest.Field("count", integer), labtest.Field("exists", schemapb.DataType_JSON), v}, indexes: flat},
		{database: database, name: "defaults", rows: 300, loaded: true, fields: []*schemapb.FieldSchema{id, defaulted(labtest.Field("n", integer), 7), v}, indexes: flat},
		{database: database, name: "released_partitions", rows: 900, partitions: []string{"x", "y"}, fields: []*schemapb.FieldSchema{id, v}, indexes: flat},
		{database: database, name: "without_index", rows: 50, fields: []*schemapb.FieldSchema{id, v}},
		{database: database, name: "quantized", rows: 300, fields: []*schemapb.FieldSchema{id, v}, indexes: []model.Index{index("v", "v", "IVF_SQ8", "L2", `{"nlist": 4}`)}},
		{database: database, name: "auto_names", rows: 400, loaded: true,
			fields: []*schemapb.FieldSchema{automatic(labtest.TextKey("id")), labtest.Field("n", integer), v}, indexes: flat},
	}
}

// everything is a field of each type of 2.3, and an ARRAY of each that it can hold.
func everything() []*schemapb.FieldSchema {
	var fields []*schemapb.FieldSchema
	for _, t := range []schemapb.DataType{
		schemapb.DataType_Bool, schemapb.DataType_Int8, schemapb.DataType_Int16, schemapb.DataType_Int32, integer, schemapb.DataType_Float, schemapb.DataType_Double,
	} {
		name := strings.ToLower(t.String())
		fields = append(fields, labtest.Field(name, t), labtest.Array(name+"s", t))
	}
	return append(fields, labtest.Field("words", text), labtest.Array("lists_of_words", text), labtest.Field("json", schemapb.DataType_JSON))
}

func described(f *schemapb.FieldSchema, description string) *schemapb.FieldSchema {
	f.Description = description
	return f
}

func automatic(f *schemapb.FieldSchema) *schemapb.FieldSchema {
	f.AutoID = true
	return f
}

func partitionKey(f *schemapb.FieldSchema) *schemapb.FieldSchema {
	f.IsPartitionKey = true
	return f
}

func defaulted(f *schemapb.FieldSchema, n int64) *schemapb.FieldSchema {
	f.DefaultValue = &schemapb.ValueField{Data: &schemapb.ValueField_LongData{LongData: n}}
	return f
}

// index is one of a type, with a metric and parameters where they are given.
func index(name, field, kind, metric, params string) model.Index {
	x := model.Index{Name: name, Field: field, Params: pairs("index_type", kind)}
	if metric != "" {
		x.Params = append(x.Params, pairs("metric_type", metric)...)
	}
	if params != "" {
		x.Params = append(x.Params, pairs("params", params)...)
	}
	return x
}

func pairs(keysAndValues ...string) (all []*commonpb.KeyValuePair) {
	for kv := range slices.Chunk(keysAndValues, 2) {
		all = append(all, &commonpb.KeyValuePair{Key: kv[0], Value: kv[1]})
	}
	return all
}

// model is the collection as the server is asked to make it.
func (c collection) model() *model.Collection {
	schema := &schemapb.CollectionSchema{Name: c.name, Description: c.description, Fields: c.fields, EnableDynamicField: c.dynamic}
	made := &model.Collection{
		Name: c.name, Database: c.database, Schema: schema, Shards: c.shards, ConsistencyLevel: c.consistency,
		Properties: pairs(c.properties...), Partitions: append([]string{model.DefaultPartition}, c.partitions...),
	}
	if c.keyed > 0 {
		made.Partitions = labtest.Each(c.keyed, strconv.Itoa) // as many as are asked for
	}
	return made
}

// filled are the partitions that rows are inserted into: "" where the server chooses.
func (c collection) filled() []string {
	if c.keyed > 0 {
		return []string{""}
	}
	return slices.DeleteFunc(append([]string{model.DefaultPartition}, c.partitions...), func(p string) bool { return slices.Contains(c.emptyPartitions, p) })
}

// rowBytes is about what a row takes.
func (c collection) rowBytes() int {
	n := 100
	for _, f := range c.fields {
		dim, _ := strconv.Atoi(model.TypeParam(f, "dim"))
		if n += 4 * dim; f.Name == "long" {
			n += longest
		}
	}
	return n
}
