package importer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/ingest"
	"migrate/internal/model"
)

// ErrLimits: the export holds values that the target refuses.
var ErrLimits = errors.New("values that the target does not take")

// The most that any Milvus takes for a text's max_length and an array's max_capacity, and for a JSON document of an insert, in bytes.
const (
	mostLength   = 65_535
	mostCapacity = 4_096
	mostJSON     = 64 << 10
)

// Widen raises max_length and max_capacity of a schema to what the rows of an export need.
func Widen(schema *schemapb.CollectionSchema, stats map[string]columns.Stats) {
	for _, f := range schema.GetFields() {
		s := stats[f.GetName()]
		raise(f, "max_length", s.Longest, mostLength)
		raise(f, "max_capacity", s.Elements, mostCapacity)
	}
}

// raise raises a type parameter that a field has.
func raise(f *schemapb.FieldSchema, key string, need *columns.Most, most int64) {
	i := slices.IndexFunc(f.GetTypeParams(), func(p *commonpb.KeyValuePair) bool { return p.GetKey() == key })
	if i < 0 || need == nil {
		return
	}
	if have, err := strconv.ParseInt(f.TypeParams[i].GetValue(), 10, 64); err == nil && have < need.N && need.N <= most {
		f.TypeParams[i] = &commonpb.KeyValuePair{Key: key, Value: strconv.FormatInt(need.N, 10)}
	}
}

// Refused says which values of an export a server refuses that come by a way, with new keys or theirs, where the collection is as schema says. Of an export of
// an earlier migrate, which noted none, nothing is known.
func Refused(can model.Capabilities, via Way, newKeys bool, schema *schemapb.CollectionSchema, m *export.Manifest) error {
	var values, lengths, empty []string
	if via == Insert {
		lengths = LongJSON(m)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Columns)) {
		s, f := m.Columns[name], fieldOf(schema, name)
		if s.NotFinite != nil && via == Bulk && newKeys { // an insert could bring them, and twice
			values = append(values, fmt.Sprintf("field %q of key %s is NaN or infinite", name, s.NotFinite))
		}
		if s.Empty != nil && f.GetDataType() == schemapb.DataType_SparseFloatVector && !can.EmptySparse && via == Bulk {
			empty = append(empty, fmt.Sprintf("field %q has %d, the first at key %s", name, s.Empty.Rows, s.Empty.Key))
		}
		if (can.ChecksLengths || via == Insert) && f != nil {
			lengths = append(lengths, over(f, "max_length", "bytes", s.Longest)...)
			lengths = append(lengths, over(f, "max_capacity", "elements", s.Elements)...)
		}
	}
	if len(values) > 0 {
		return fmt.Errorf("%w: %s", ingest.ErrValue, strings.Join(values, "; "))
	}
	if len(empty) > 0 {
		return fmt.Errorf("%w: its bulk insert fails over sparse vectors without a weight: %s; upgrade it to 2.5.7 or later", ErrTarget, strings.Join(empty, "; "))
	}
	if len(lengths) > 0 {
		return fmt.Errorf("%w: %s", ErrLimits, strings.Join(lengths, "; "))
	}
	return nil
}

func fieldOf(schema *schemapb.CollectionSchema, name string) *schemapb.FieldSchema {
	i := slices.IndexFunc(schema.GetFields(), func(f *schemapb.FieldSchema) bool { return f.GetName() == name })
	if i < 0 {
		return nil
	}
	return schema.Fields[i]
}

// over says where a column holds more than its field takes.
func over(f *schemapb.FieldSchema, key, unit string, has *columns.Most) []string {
	most, err := strconv.ParseInt(model.TypeParam(f, key), 10, 64)
	if has == nil || err != nil || has.N <= most {
		return nil
	}
	return []string{fmt.Sprintf("field %q has %d %s at key %s, and its %s is %d", f.GetName(), has.N, unit, has.Key, key, most)}
}

// LongJSON names the fields whose longest document an insert refuses, which a bulk insert takes: no sync can write such a row.
func LongJSON(m *export.Manifest) []string {
	var found []string
	for _, f := range m.Collection.Schema.GetFields() {
		if s := m.Columns[f.GetName()]; f.GetDataType() == schemapb.DataType_JSON && s.Longest != nil && s.Longest.N > mostJSON {
			found = append(found, fmt.Sprintf("field %q has %d bytes of JSON at key %s", f.GetName(), s.Longest.N, s.Longest.Key))
		}
	}
	return found
}
