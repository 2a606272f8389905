package model

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"
)

// Class says what a difference between two descriptions means for a move.
type Class string

// The classes of differences.
const (
	Refuses  Class = "refuses"  // rows would not fit, or be lost, or searches answer otherwise
	Differs  Class = "differs"  // the two are not equal
	Expected Class = "expected" // as a move makes them, or what a server adds by itself
)

// Aspect is what of a collection a difference is of.
type Aspect string

// The aspects of a collection.
const (
	Fields       Aspect = "fields"
	Lengths      Aspect = "lengths"   // max_length and max_capacity of fields
	Functions    Aspect = "functions" // what they compute
	Properties   Aspect = "properties"
	Reads        Aspect = "reads" // how it is read and found: consistency, aliases, load state
	Partitions   Aspect = "partitions"
	IndexOf      Aspect = "index"         // that is there, and another
	MissingIndex Aspect = "missing index" // of a field
)

// Difference is one way in which a collection is not as it should be.
type Difference struct {
	Class  Class  `json:"class"`
	Aspect Aspect `json:"aspect"`
	Text   string `json:"text"`
	Added  bool   `json:"-"` // by a server by itself, or by a move that keeps auto ids; or it has no meaning
}

// Differences are those of two descriptions.
type Differences []Difference

// Of are those of some aspects.
func (d Differences) Of(aspects ...Aspect) Differences {
	return slices.DeleteFunc(slices.Clone(d), func(x Difference) bool { return !slices.Contains(aspects, x.Aspect) })
}

// ForRollback leaves shorter lengths out: the side that was left by a cutover need not be as wide as the one that an import has
// widened, and a row that does not fit is told when it is written.
func (d Differences) ForRollback() Differences {
	return slices.DeleteFunc(slices.Clone(d), func(x Difference) bool { return x.Aspect == Lengths })
}

// Texts are the differences of some classes, in words.
func (d Differences) Texts(classes ...Class) []string {
	var texts []string
	for _, x := range d {
		if slices.Contains(classes, x.Class) {
			texts = append(texts, x.Text)
		}
	}
	return texts
}

// Compare says how a collection differs from what it should be, in all but its rows: fields, properties, indexes, partitions, and how
// it is read. Names, ids and shards do not count.
func Compare(want, have *Collection) Differences {
	d := slices.Concat(
		fieldsDiffer(want.Schema, have.Schema), functionsDiffer(want.Schema, have.Schema), propertiesDiffer(want, have), indexesDiffer(want, have),
		partitionsDiffer(want, have), readsDiffer(want, have),
	)
	slices.SortFunc(d, func(a, b Difference) int { return cmp.Or(cmp.Compare(a.Aspect, b.Aspect), cmp.Compare(a.Text, b.Text)) })
	return d
}

// CompareAll says how a collection differs from another one, also in what a move need not keep: shards, where both servers tell them, and
// further aliases. It leaves out what servers add by themselves, and a move does.
func CompareAll(want, have *Collection) Differences {
	d := slices.DeleteFunc(Compare(want, have), func(x Difference) bool { return x.Added })
	if want.Shards != have.Shards && want.Shards > 0 && have.Shards > 0 {
		d.add(Expected, Reads, "it has %d shards instead of %d", have.Shards, want.Shards)
	}
	for _, a := range have.Aliases {
		if !slices.Contains(want.Aliases, a) {
			d.add(Expected, Reads, "alias %q names it too", a)
		}
	}
	return d
}

// fieldsDiffer compares fields by name, type, length, dimension, key and partition key, default, and the dynamic field: rows of
// the one have to fit the other. Ids do not count.
func fieldsDiffer(want, have *schemapb.CollectionSchema) Differences {
	var d Differences
	there := fieldsByName(have)
	for _, f := range want.GetFields() {
		other, ok := there[f.GetName()]
		switch {
		case f.GetIsDynamic():
		case !ok:
			d.add(Refuses, Fields, "field %q is missing", f.GetName())
		default:
			delete(there, f.GetName())
			d = append(d, fieldDiffers(f, other)...)
		}
	}
	for name := range there {
		d.add(Refuses, Fields, "field %q is extra", name)
	}
	if want.GetEnableDynamicField() != have.GetEnableDynamicField() {
		d.add(Refuses, Fields, "the dynamic field is %s instead of %s", onOff(have.GetEnableDynamicField()), onOff(want.GetEnableDynamicField()))
	}
	if AutoID(want) != AutoID(have) {
		d.add(Refuses, Fields, "auto id is %s instead of %s", onOff(AutoID(have)), onOff(AutoID(want)))
	}
	if len(d) == 0 && !slices.Equal(names(want), names(have)) {
		d.add(Differs, Fields, "its fields are in another order: %s instead of %s", strings.Join(names(have), ", "), strings.Join(names(want), ", "))
	}
	if want.GetDescription() != have.GetDescription() {
		d.add(Differs, Fields, "its description is %q instead of %q", have.GetDescription(), want.GetDescription())
	}
	return d
}

func (d *Differences) add(class Class, of Aspect, format string, args ...any) {
	*d = append(*d, Difference{Class: class, Aspect: of, Text: fmt.Sprintf(format, args...)})
}

func fieldsByName(schema *schemapb.CollectionSchema) map[string]*schemapb.FieldSchema {
	fields := map[string]*schemapb.FieldSchema{}
	for _, f := range schema.GetFields() {
		if !f.GetIsDynamic() {
			fields[f.GetName()] = f
		}
	}
	return fields
}

func names(schema *schemapb.CollectionSchema) []string {
	var all []string
	for _, f := range schema.GetFields() {
		if !f.GetIsDynamic() {
			all = append(all, f.GetName())
		}
	}
	return all
}

func fieldDiffers(want, have *schemapb.FieldSchema) Differences {
	var d Differences
	differ := func(class Class, what string, w, h any) {
		if fmt.Sprint(w) != fmt.Sprint(h) {
			d.add(class, Fields, "field %q has %s %v instead of %v", want.GetName(), what, h, w)
		}
	}
	differ(Refuses, "type", want.GetDataType(), have.GetDataType())
	differ(Refuses, "element type", want.GetElementType(), have.GetElementType())
	differ(Refuses, "primary key", want.GetIsPrimaryKey(), have.GetIsPrimaryKey())
	differ(Refuses, "partition key", want.GetIsPartitionKey(), have.GetIsPartitionKey())
	differ(Differs, "clustering key", want.GetIsClusteringKey(), have.GetIsClusteringKey())
	differ(Differs, "description", strconv.Quote(want.GetDescription()), strconv.Quote(have.GetDescription()))
	if want.GetNullable() != have.GetNullable() {
		d.add(either(want.GetNullable(), Refuses, Differs), Fields, "field %q takes NULL: %t instead of %t", want.GetName(), have.GetNullable(), want.GetNullable())
	}
	if !proto.Equal(want.GetDefaultValue(), have.GetDefaultValue()) {
		d.add(Refuses, Fields, "field %q has another default", want.GetName())
	}
	return append(d, paramsDiffer(want, have)...)
}

// paramsDiffer compares the type parameters of a field. A greater length or capacity takes all rows.
func paramsDiffer(want, have *schemapb.FieldSchema) Differences {
	var d Differences
	w, h := ToMap(want.GetTypeParams()), ToMap(have.GetTypeParams())
	for _, key := range union(w, h) {
		if w[key] == h[key] {
			continue
		}
		class, of := Differs, Fields
		switch key {
		case "dim":
			class = Refuses
		case "enable_analyzer", "enable_match", "analyzer_params", "multi_analyzer_params":
			if sameJSON(w[key], h[key]) {
				continue
			}
			class = Refuses // searches find others
		case "max_length", "max_capacity":
			class, of = either(atLeast(h[key], w[key]), Expected, Refuses), Lengths
		}
		d.add(class, of, "field %q has %s %s instead of %s", want.GetName(), key, orNone(h[key]), orNone(w[key]))
	}
	return d
}

// sameJSON reports whether two texts are the same in JSON; a server may write it in another way.
func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

func atLeast(have, want string) bool {
	h, err := strconv.ParseInt(have, 10, 64)
	if err != nil {
		return false
	}
	w, err := strconv.ParseInt(want, 10, 64)
	return err == nil && h >= w
}

func propertiesDiffer(want, have *Collection) Differences {
	var d Differences
	w, h := ToMap(want.Properties), ToMap(have.Properties)
	for _, key := range union(w, h) {
		_, inWant := w[key]
		_, inHave := h[key]
		switch {
		case w[key] == h[key] && inWant == inHave, isCipher(key):
		case key == givenKeysProperty && h[key] == "true" && AutoID(have.Schema): // without which a move keeps no auto ids
			d.add(Expected, Properties, "property %s is true instead of %s", key, orNone(w[key]))
			d[len(d)-1].Added = true
		case key == ttlProperty:
			ttlDiffers(&d, w[key], h[key])
		case want.byServer(key, w[key]) && have.byServer(key, h[key]):
			d.add(Expected, Properties, "property %s is %s instead of %s", key, orNone(h[key]), orNone(w[key]))
			d[len(d)-1].Added = true
		default:
			d.add(either(key == "ttl_field" && inHave, Refuses, Differs), Properties, "property %s is %s instead of %s", key, orNone(h[key]), orNone(w[key]))
		}
	}
	return d
}

// ttlDiffers refuses a collection that removes rows which the other one keeps.
func ttlDiffers(d *Differences, want, have string) {
	w, h := seconds(want), seconds(have)
	switch {
	case w == h:
	case h > 0 && (w == 0 || h < w):
		d.add(Refuses, Properties, "it removes rows %s after they were written, and they should be kept %s (property %s)", h, kept(w), ttlProperty)
	default:
		d.add(Differs, Properties, "it keeps rows %s, and they should be kept %s (property %s)", kept(h), kept(w), ttlProperty)
	}
}

// seconds is a time to live; 0 for none.
func seconds(text string) time.Duration {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(n) * time.Second
}

func kept(d time.Duration) string {
	if d == 0 {
		return "for ever"
	}
	return "for " + d.String()
}

// indexesDiffer compares the indexes by their fields, and those on JSON by their paths. Their names do not count.
func indexesDiffer(want, have *Collection) Differences {
	var d Differences
	there := map[string]Index{}
	for _, x := range have.Indexes {
		there[x.place()] = x
	}
	for _, x := range want.Indexes {
		other, ok := there[x.place()]
		if !ok {
			d.add(Differs, MissingIndex, "field %s has no index, and should have one %s", x.place(), x.kind())
			continue
		}
		delete(there, x.place())
		d = append(d, indexDiffers(x, other)...)
	}
	for place, x := range there {
		d.add(Expected, IndexOf, "field %s has an index %s, and need not have one", place, x.kind())
	}
	return d
}

func indexDiffers(want, have Index) Differences {
	var d Differences
	w, h := want.given(), have.given()
	if want.Type() == have.Type() { // in other words
		delete(w, typeKey)
		delete(h, typeKey)
	}
	for _, key := range union(w, h) {
		class := either(w[key] != "", Differs, Expected) // what only the server names, it has added
		if key == metricKey {
			class = Refuses
		}
		if !strings.EqualFold(w[key], h[key]) {
			d.add(class, IndexOf, "the index of field %s has %s %s instead of %s", want.place(), key, orNone(h[key]), orNone(w[key]))
			d[len(d)-1].Added = class == Expected
		}
	}
	if want.Name != have.Name && want.Name != "" {
		d.add(Expected, IndexOf, "the index of field %s is called %q instead of %q", want.place(), have.Name, want.Name)
	}
	return d
}

func partitionsDiffer(want, have *Collection) Differences {
	var d Differences
	if PartitionKey(want.Schema) {
		if len(want.Partitions) != len(have.Partitions) {
			d.add(Expected, Partitions, "its partition key spreads rows over %d partitions instead of %d", len(have.Partitions), len(want.Partitions))
		}
		return d
	}
	for _, p := range want.PartitionsLacking(have) {
		d.add(Differs, Partitions, "partition %q is missing", p)
	}
	for _, p := range have.Partitions {
		if !slices.Contains(want.Partitions, p) {
			d.add(Expected, Partitions, "partition %q is extra", p)
		}
	}
	return d
}

// PartitionsLacking are the partitions of c that another collection has not. Those that a partition key made do not count.
func (c *Collection) PartitionsLacking(have *Collection) []string {
	if PartitionKey(c.Schema) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(c.Partitions), func(p string) bool { return slices.Contains(have.Partitions, p) })
}

func readsDiffer(want, have *Collection) Differences {
	var d Differences
	if want.ConsistencyLevel != have.ConsistencyLevel {
		d.add(Differs, Reads, "its consistency level is %s instead of %s", have.ConsistencyLevel, want.ConsistencyLevel)
	}
	if want.Load != nil && have.Load != nil {
		d = append(d, loadsDiffer(want, have)...)
	} else if want.Loaded != have.Loaded {
		d.add(either(want.Loaded, Differs, Expected), Reads, "it is loaded: %t instead of %t", have.Loaded, want.Loaded)
	}
	for _, a := range want.Aliases {
		if !slices.Contains(have.Aliases, a) {
			d.add(Expected, Reads, "alias %q does not name it yet", a)
		}
	}
	return d
}

func ToMap(pairs []*commonpb.KeyValuePair) map[string]string {
	m := make(map[string]string, len(pairs))
	for _, p := range pairs {
		m[p.GetKey()] = p.GetValue()
	}
	return m
}

// union are the keys of two maps, in order.
func union(a, b map[string]string) []string {
	keys := slices.Collect(maps.Keys(a))
	keys = slices.AppendSeq(keys, maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}

func either[T any](is bool, yes, no T) T {
	if is {
		return yes
	}
	return no
}

func orNone(text string) string { return cmp.Or(text, "none") }

func onOff(b bool) string { return either(b, "on", "off") }
