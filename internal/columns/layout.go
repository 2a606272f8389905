// Package columns turns Milvus' columns into Arrow's and back, and names the Parquet layout that bulk insert reads: a column
// a field, in the schema's order, `$meta` last. Columns stay columns: nothing passes through rows or interface{}, and numbers
// and vectors are not copied. What a type needs is its family, in a file of its own; they are listed in families.
//
// The layout follows Milvus' "Prepare data import" (Parquet): BOOL, INT8..INT64, FLOAT and DOUBLE as themselves;
// VARCHAR, JSON and `$meta` as strings; ARRAY as a list of its element; FLOAT_VECTOR as list<float32> of dim values;
// BINARY_VECTOR as list<uint8> of dim/8 values, FLOAT16_VECTOR and BFLOAT16_VECTOR of 2*dim; INT8_VECTOR as list<int8> of dim;
// SPARSE_FLOAT_VECTOR as JSON, GEOMETRY as well-known text and TIMESTAMPTZ as ISO 8601 in UTC, in strings. The column of a nullable field is nullable, and no other.
package columns

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
)

// Meta is the name of the dynamic field's column.
const Meta = "$meta"

// ErrType is a field whose type has no column here.
var ErrType = errors.New("type can't be carried")

// Layout is a collection's columns: the order of its fields, and their Arrow types.
type Layout struct {
	Arrow  *arrow.Schema
	Key    int // index of the primary key's column
	fields []field
}

// NewLayout lays out a schema's columns. ErrType names the first field that has none.
func NewLayout(schema *schemapb.CollectionSchema) (*Layout, error) {
	l := &Layout{Key: -1}
	var arrowFields []arrow.Field
	for _, f := range withMeta(schema) {
		col, typ, err := describe(f)
		if err != nil {
			return nil, err
		}
		if f.GetIsPrimaryKey() {
			l.Key = len(l.fields)
		}
		l.fields = append(l.fields, col)
		arrowFields = append(arrowFields, arrow.Field{Name: col.name, Type: typ, Nullable: col.nullable})
	}
	if l.Key < 0 {
		return nil, fmt.Errorf("collection %q has no primary key", schema.GetName())
	}
	l.Arrow = arrow.NewSchema(arrowFields, nil)
	return l, nil
}

// withMeta gives the fields that have columns, with the dynamic one last, which servers before 2.4 leave out of the schema. What a
// function computes has none: it can't be read, and a file that holds it ends a data node of 2.5.10.
func withMeta(schema *schemapb.CollectionSchema) []*schemapb.FieldSchema {
	fields := slices.DeleteFunc(slices.Clone(schema.GetFields()), func(f *schemapb.FieldSchema) bool {
		return f.GetIsDynamic() || model.IsComputed(schema, f)
	})
	if schema.GetEnableDynamicField() {
		fields = append(fields, &schemapb.FieldSchema{Name: Meta, DataType: schemapb.DataType_JSON, IsDynamic: true})
	}
	return fields
}

// Only is the layout of some of the columns. Its Key is -1 where the primary key is not among them.
func (l *Layout) Only(keep func(name string) bool) *Layout {
	some := &Layout{Key: -1}
	var arrowFields []arrow.Field
	for i, f := range l.fields {
		if !keep(f.name) {
			continue
		}
		if i == l.Key {
			some.Key = len(some.fields)
		}
		some.fields = append(some.fields, f)
		arrowFields = append(arrowFields, l.Arrow.Field(i))
	}
	some.Arrow = arrow.NewSchema(arrowFields, nil)
	return some
}

// Pick takes the layout's columns out of a record batch that has them and others.
func (l *Layout) Pick(rec arrow.Record) arrow.Record {
	cols := make([]arrow.Array, len(l.fields))
	for i, f := range l.fields {
		cols[i] = rec.Column(rec.Schema().FieldIndices(f.name)[0])
	}
	return array.NewRecord(l.Arrow, cols, rec.NumRows())
}

// Has reports whether a column is of a type.
func (l *Layout) Has(t schemapb.DataType) bool {
	return slices.ContainsFunc(l.fields, func(f field) bool { return f.kind == t })
}

// Names are the columns' names, in order.
func (l *Layout) Names() []string {
	names := make([]string, len(l.fields))
	for i, f := range l.fields {
		names[i] = f.name
	}
	return names
}

// Empty are the columns of an answer that has no row.
func (l *Layout) Empty() []*schemapb.FieldData {
	data := make([]*schemapb.FieldData, len(l.fields))
	for i, f := range l.fields {
		data[i] = &schemapb.FieldData{Type: f.kind, FieldName: f.name, IsDynamic: f.name == Meta}
	}
	return data
}

// KeyName is the primary key's name.
func (l *Layout) KeyName() string { return l.fields[l.Key].name }

// IntKey reports whether the primary key is an INT64; otherwise it is a VARCHAR.
func (l *Layout) IntKey() bool { return l.fields[l.Key].kind == schemapb.DataType_Int64 }

// RowBytes is the size of a row, as far as it is known before one is seen: that of the columns of fixed width.
func (l *Layout) RowBytes() int {
	n := 0
	for _, f := range l.fields {
		n += f.family.rowBytes(f)
	}
	return n
}

// describe looks a field's family up.
func describe(f *schemapb.FieldSchema) (field, arrow.DataType, error) {
	col := field{
		name: f.GetName(), kind: f.GetDataType(), element: f.GetElementType(), dim: dimension(f), family: families[f.GetDataType()],
		nullable: f.GetNullable(), defaulted: f.GetDefaultValue() != nil, fallback: fallback{families[f.GetDataType()], f.GetDefaultValue()},
	}
	if col.family == nil {
		return col, nil, fmt.Errorf("field %q (%s): %w", col.name, col.kind, ErrType)
	}
	col.elements, _ = families[col.element].(elements)
	typ, err := col.family.arrow(col)
	return col, typ, err
}

// dimension is that of a vector; 0 where none is given.
func dimension(f *schemapb.FieldSchema) int {
	dim, err := strconv.Atoi(model.TypeParam(f, "dim"))
	if err != nil {
		return 0
	}
	return dim
}

// Sample makes n rows of values that every server takes, with keys that ascend: for tests.
func (l *Layout) Sample(r *rand.Rand, n int) arrow.Record {
	cols := make([]arrow.Array, len(l.fields))
	for i, f := range l.fields {
		if cols[i] = f.sample(r, n); i == l.Key {
			cols[i] = f.sampleKeys(n)
		}
	}
	return array.NewRecord(l.Arrow, cols, int64(n))
}

// sample makes an array of n rows; of a nullable field's, some are NULL.
func (f field) sample(r *rand.Rand, n int) arrow.Array {
	if !f.nullable {
		return f.family.sample(f, r, n)
	}
	valid, there := make([]bool, n), 0
	for i := range valid {
		if valid[i] = r.IntN(4) > 0; valid[i] {
			there++
		}
	}
	col, _ := f.withNulls(f.family.sample(f, r, there), valid) // it has that many
	return col
}

func (f field) sampleKeys(n int) arrow.Array {
	numbers, names := make([]int64, n), make([]string, n)
	for i := range n {
		numbers[i], names[i] = int64(i), fmt.Sprintf("key-%06d", i)
	}
	col, _ := int64s.array(numbers)
	if f.kind == schemapb.DataType_VarChar {
		col, _ = texts.array(names)
	}
	return col
}
