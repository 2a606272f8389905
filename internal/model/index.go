package model

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// Index is one index of a collection.
type Index struct {
	Name   string
	Field  string
	Params []*commonpb.KeyValuePair // index_type, metric_type, params, …
}

// Keys of an index' parameters.
const (
	typeKey     = "index_type"
	metricKey   = "metric_type"
	jsonPathKey = "json_path"
)

// AutoIndex is the type of an index whose kind the server chooses.
const AutoIndex = "AUTOINDEX"

// place is the field that an index is of, and the path where it is one on JSON.
func (x Index) place() string { return cmp.Or(x.flat()[jsonPathKey], x.Field) }

// SamePlace reports whether two indexes are of the same field, and on JSON of the same path: a field takes but one there.
func (x Index) SamePlace(other Index) bool { return x.place() == other.place() }

// spellings are other words for types.
var spellings = map[string]string{"MARISA-TRIE": "TRIE", "ASCENEDING": "STL_SORT"}

// Type is an index' type in capitals; "" where it has none, so that the server chooses.
func (x Index) Type() string {
	t := strings.ToUpper(x.flat()[typeKey])
	return cmp.Or(spellings[t], t)
}

// keepers are the types of indexes that keep the vectors themselves (those of 2.3 were tried).
var keepers = []string{"FLAT", "IVF_FLAT", "HNSW", "SCANN", AutoIndex, "", "BIN_FLAT", "BIN_IVF_FLAT", "SPARSE_INVERTED_INDEX", "SPARSE_WAND"}

// IndexedAlone names the vector fields whose index is not known to keep the vectors, as "field (type)".
func (c *Collection) IndexedAlone() (fields []string) {
	for _, x := range c.Indexes {
		vector := slices.ContainsFunc(c.Schema.GetFields(), func(f *schemapb.FieldSchema) bool { return f.GetName() == x.Field && isVector(f.GetDataType()) })
		if vector && !x.keepsVectors() {
			fields = append(fields, fmt.Sprintf("%s (%s)", x.Field, x.Type()))
		}
	}
	return fields
}

// keepsVectors: a SCANN does unless it is told not to (tried on 2.3.5).
func (x Index) keepsVectors() bool {
	told := x.Type() == "SCANN" && strings.EqualFold(x.flat()["with_raw_data"], "false")
	return slices.Contains(keepers, x.Type()) && !told
}

// auto reports whether the server chooses all of a vector's index but the metric.
func (x Index) auto() bool {
	flat := x.flat()
	return x.Type() == AutoIndex && flat[metricKey] != ""
}

func (x Index) kind() string {
	if t := x.flat()[typeKey]; t != "" {
		return "of type " + t
	}
	return "of no type"
}

// flat are the parameters of an index, whether they were given by themselves or as JSON in "params".
func (x Index) flat() map[string]string {
	flat := map[string]string{}
	for _, p := range x.Params {
		var inner map[string]any
		if p.GetKey() == "params" && json.Unmarshal([]byte(p.GetValue()), &inner) == nil {
			for k, v := range inner {
				flat[k] = fmt.Sprint(v)
			}
			continue
		}
		flat[p.GetKey()] = p.GetValue()
	}
	maps.DeleteFunc(flat, byLite)
	return flat
}

// byLite are the parameters that Milvus Lite adds to a description: those of the field, and a metric NONE to what has none.
func byLite(key, value string) bool {
	return key == "dim" || key == "max_length" || key == metricKey && value == "NONE"
}

// given are the parameters that whoever made the index has given: of one that the server chooses it may have added others.
func (x Index) given() map[string]string {
	flat := x.flat()
	if x.auto() {
		maps.DeleteFunc(flat, func(key, _ string) bool { return key != typeKey && key != metricKey && !slices.Contains(settable, key) })
	}
	return flat
}

// settable are the parameters that can be set on an index that is there.
var settable = []string{"indexoffsetcache.enabled", "mmap.enabled", "warmup"}

// givenName is a name that can be given. That of an index on a JSON path that got none is made of field and path, with slashes, and
// comes again where none is given.
var givenName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Made is an index as its making is asked for. What such a call does not take is set afterwards: Settings has it.
func (x Index) Made(can Capabilities) Index {
	made := Index{Field: x.Field}
	if givenName.MatchString(x.Name) {
		made.Name = x.Name
	}
	if x.auto() {
		made.Params = pairsOf(map[string]string{typeKey: AutoIndex, metricKey: x.flat()[metricKey]})
		return made
	}
	for _, p := range x.Params {
		switch key, value := p.GetKey(), p.GetValue(); {
		case byLite(key, value):
		case key == typeKey && value == "TRIE": // "Trie" is known to all versions
			made.Params = append(made.Params, &commonpb.KeyValuePair{Key: key, Value: "Trie"})
		default:
			made.Params = append(made.Params, p)
		}
	}
	if can.NeedsIndexParams {
		made.Params = append(made.Params, pairsOf(lacking(required[x.Type()], x.flat()))...)
	}
	return made
}

// lacking is what others have not.
func lacking(of, others map[string]string) map[string]string {
	left := maps.Clone(of)
	maps.DeleteFunc(left, func(key, _ string) bool { _, there := others[key]; return there })
	return left
}

// Settings are the parameters of an index that can be set on the one that is there, and are not so.
func (x Index) Settings(there Index) []*commonpb.KeyValuePair {
	settings, have := x.given(), there.flat()
	maps.DeleteFunc(settings, func(key, value string) bool { return !slices.Contains(settable, key) || have[key] == value })
	return pairsOf(settings)
}

// required are the parameters without which servers up to 2.4 make no index of a type, with what later ones take if they are not given.
var required = map[string]map[string]string{
	"HNSW": graph, "IVF_FLAT": clusters, "IVF_SQ8": clusters, "IVF_PQ": clusters, "BIN_IVF_FLAT": clusters, "SCANN": clusters,
	"GPU_IVF_FLAT": clusters, "GPU_IVF_PQ": clusters,
}

var graph, clusters = map[string]string{"M": "30", "efConstruction": "360"}, map[string]string{"nlist": "128"}

func pairsOf(m map[string]string) []*commonpb.KeyValuePair {
	var pairs []*commonpb.KeyValuePair
	for _, key := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, &commonpb.KeyValuePair{Key: key, Value: m[key]})
	}
	return pairs
}
