package model

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// NoIndex, as a type, is that of an index which is not to be made.
const NoIndex = "NONE"

// ErrIndexTypes: what was said of the types that indexes are to have can't be read, or is of no index.
var ErrIndexTypes = errors.New("no types of indexes")

// Unbuildable is an index of a type that a server does not build.
type Unbuildable struct {
	Index
	Nearest string // type that it builds, or NoIndex
}

func (u Unbuildable) String() string {
	return fmt.Sprintf("index %q of type %s on field %s", u.Name, u.Type(), u.place())
}

// Offer is what to say to have the nearest types, as ParseIndexTypes reads it.
func Offer(lacking []Unbuildable) string {
	var types []string
	for _, u := range lacking {
		types = append(types, u.place()+"="+u.Nearest)
	}
	return strings.Join(types, ",")
}

// Listed names indexes that a server does not build.
func Listed(lacking []Unbuildable) string {
	var names []string
	for _, u := range lacking {
		names = append(names, u.String())
	}
	return strings.Join(names, ", ")
}

// ParseIndexTypes reads FIELD=TYPE,…: the types that indexes are to have, by field or by path of JSON.
func ParseIndexTypes(text string) (map[string]string, error) {
	types := map[string]string{}
	for _, one := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		at := strings.LastIndexByte(one, '=')
		if at < 1 || at == len(one)-1 {
			return nil, fmt.Errorf("%w: %q is not FIELD=TYPE", ErrIndexTypes, one)
		}
		types[one[:at]] = strings.ToUpper(one[at+1:])
	}
	return types, nil
}

// IndexTypesText is what ParseIndexTypes reads.
func IndexTypesText(types map[string]string) string {
	var texts []string
	for _, field := range slices.Sorted(maps.Keys(types)) {
		texts = append(texts, field+"="+types[field])
	}
	return strings.Join(texts, ",")
}

// WithIndexTypes are the collection's indexes, with other types where some are given. ErrIndexTypes where one is of no index.
func (c *Collection) WithIndexTypes(types map[string]string) ([]Index, error) {
	unused, indexes := maps.Clone(types), []Index(nil)
	for _, x := range c.Indexes {
		t := cmp.Or(types[x.place()], types[x.Field])
		delete(unused, x.place())
		delete(unused, x.Field)
		switch t {
		case NoIndex:
		case "", x.Type():
			indexes = append(indexes, x)
		default:
			indexes = append(indexes, x.as(t))
		}
	}
	if len(unused) > 0 {
		return nil, fmt.Errorf("%w: collection %q has no index on %s", ErrIndexTypes, c.Name, strings.Join(slices.Sorted(maps.Keys(unused)), ", "))
	}
	return indexes, nil
}

// AskedFor is the collection with the types of indexes that were asked for, by field, where it has such indexes.
func (c *Collection) AskedFor(types map[string]string) *Collection {
	asked := *c
	if indexes, err := c.WithIndexTypes(types); err == nil {
		asked.Indexes = indexes
	}
	return &asked
}

// as is the index with another type, and with those of its parameters that this type knows.
func (x Index) as(t string) Index {
	params := x.given()
	known := slices.Concat(settable, parameters[t], []string{metricKey, jsonPathKey, "json_cast_type", "json_cast_function"})
	maps.DeleteFunc(params, func(key, _ string) bool { return !slices.Contains(known, key) })
	params[typeKey] = t
	return Index{Name: x.Name, Field: x.Field, Params: pairsOf(params)}
}

// parameters of the types that others can be replaced by.
var parameters = map[string][]string{
	"HNSW": {"M", "efConstruction"}, "IVF_FLAT": {"nlist"}, "IVF_SQ8": {"nlist"}, "BIN_IVF_FLAT": {"nlist"}, "IVF_PQ": {"nlist", "m", "nbits"},
	"SCANN": {"nlist", "with_raw_data"}, "SPARSE_INVERTED_INDEX": sparse, "SPARSE_WAND": sparse,
}

var sparse = []string{"drop_ratio_build", "bm25_k1", "bm25_b"}

// nearest are the types to take in place of one, the best first.
var nearest = map[string][]string{
	"HNSW_SQ": {"HNSW"}, "HNSW_PQ": {"HNSW"}, "HNSW_PRQ": {"HNSW"}, "IVF_RABITQ": {"IVF_SQ8"}, "AISAQ": {"DISKANN"},
	"GPU_CAGRA": {"HNSW"}, "GPU_BRUTE_FORCE": {"FLAT"},
	"NGRAM": scalars, "FMINDEX": scalars, "BITMAP": scalars, "INVERTED": scalars, AutoIndex: scalars, "STL_SORT": scalars, "TRIE": scalars,
}

var scalars = []string{"INVERTED", "STL_SORT", "TRIE"}

// Unbuildable are the indexes of a collection that this server does not build.
func (c Capabilities) Unbuildable(coll *Collection) (lacking []Unbuildable) {
	for _, x := range coll.Indexes {
		if !c.builds(x) {
			lacking = append(lacking, Unbuildable{x, c.nearest(x, fieldOf(coll.Schema, x.Field))})
		}
	}
	return lacking
}

// builds goes by the type, by whether it is one on JSON, and by whether the server is to choose a scalar's.
func (c Capabilities) builds(x Index) bool {
	t := x.Type()
	switch {
	case c.IndexTypes == nil || t == "":
		return true
	case x.flat()[jsonPathKey] != "":
		t = "JSON " + t
	case t == AutoIndex && !x.auto():
		t = "scalar " + t
	}
	return slices.Contains(c.IndexTypes, t)
}

// nearest is the type for an index that this server does not build in its own.
func (c Capabilities) nearest(x Index, f *schemapb.FieldSchema) string {
	candidates := nearest[x.Type()]
	if isVector(f.GetDataType()) {
		candidates = append(slices.Clone(candidates), AutoIndex)
	}
	for _, t := range candidates {
		if t != x.Type() && takes(t, f, x) && c.builds(x.as(t)) {
			return t
		}
	}
	return NoIndex
}

// takes reports whether there are indexes of a type on a field.
func takes(t string, f *schemapb.FieldSchema, x Index) bool {
	switch kind := f.GetDataType(); t {
	case "TRIE":
		return kind == schemapb.DataType_VarChar
	case "STL_SORT":
		return kind >= schemapb.DataType_Int8 && kind <= schemapb.DataType_Double
	case "INVERTED":
		return kind != schemapb.DataType_Geometry && (kind != schemapb.DataType_JSON || x.flat()[jsonPathKey] != "")
	}
	return true
}

// fieldOf is a field by its name; nil where there is none, as for a key of the dynamic field.
func fieldOf(schema *schemapb.CollectionSchema, name string) *schemapb.FieldSchema {
	i := slices.IndexFunc(schema.GetFields(), func(f *schemapb.FieldSchema) bool { return f.GetName() == name })
	if i < 0 {
		return nil
	}
	return schema.Fields[i]
}
