package labtest

import (
	"fmt"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"
)

// MayBeNull has a field take NULL.
func MayBeNull(f *schemapb.FieldSchema) *schemapb.FieldSchema {
	f.Nullable = true
	return f
}

// Nullable makes a column of n rows, some of which are NULL, as an insert takes it: column makes it of the numbers of the others.
func Nullable(n int, null func(row int) bool, column func(rows []int) *schemapb.FieldData) *schemapb.FieldData {
	valid, there := make([]bool, n), []int{}
	for row := range valid {
		if valid[row] = !null(row); valid[row] {
			there = append(there, row)
		}
	}
	d := column(there)
	d.ValidData = valid
	return d
}

// The fields of NullableSchema beside its key and its vector.
var (
	nullNumber = MayBeNull(Field("number", schemapb.DataType_Int64))
	nullTitle  = MayBeNull(Field("title", schemapb.DataType_VarChar))
	nullDoc    = MayBeNull(Field("doc", schemapb.DataType_JSON))
	nullTags   = MayBeNull(Array("tags", schemapb.DataType_VarChar))
	priced     = defaulting(Field("price", schemapb.DataType_Double), &schemapb.ValueField{Data: &schemapb.ValueField_DoubleData{DoubleData: 1.5}})
	nullSize   = MayBeNull(defaulting(Field("size", schemapb.DataType_Int32), &schemapb.ValueField{Data: &schemapb.ValueField_IntData{IntData: 7}}))
)

func defaulting(f *schemapb.FieldSchema, value *schemapb.ValueField) *schemapb.FieldSchema {
	f.DefaultValue = value
	return f
}

// NullableSchema has fields that take NULL, of an INT64, a VARCHAR, JSON and an ARRAY, fields with a default, of a DOUBLE and an INT32, of
// which the latter takes NULL, and the dynamic one.
func NullableSchema(vector *schemapb.FieldSchema) *schemapb.CollectionSchema {
	schema := Schema(IntKey("id"), vector, nullNumber, nullTitle, nullDoc, nullTags, priced, nullSize)
	schema.EnableDynamicField = true
	return proto.CloneOf(schema)
}

// NullableRows are rows of NullableSchema with keys from one to another. Of each three numbers one is NULL and one is 0, of each four
// titles one is NULL and one is empty, of each two documents one is NULL, and of each five lists one is NULL and one is empty. Each
// second price and each third size are left to the default; each second row has nothing in the dynamic field. The vectors are the
// caller's.
func NullableRows(from, to int, vectors *schemapb.FieldData) Rows {
	n := to - from
	each := func(k, rest int) func(int) bool { return func(row int) bool { return (from+row)%k == rest } }
	return Rows{N: n, Columns: []*schemapb.FieldData{
		Column(IntKey("id"), Each(n, func(i int) int64 { return int64(from + i) })), vectors,
		Nullable(n, each(3, 0), func(rows []int) *schemapb.FieldData {
			return Column(nullNumber, Each(len(rows), func(i int) int64 { return int64((from + rows[i]) % 3 / 2 * (from + rows[i])) }))
		}),
		Nullable(n, each(4, 0), func(rows []int) *schemapb.FieldData {
			return Column(nullTitle, Each(len(rows), func(i int) string { return fmt.Sprint("title of row ", from+rows[i])[:((from+rows[i])%4-1)*4] }))
		}),
		Nullable(n, each(2, 0), func(rows []int) *schemapb.FieldData {
			return Column(nullDoc, Each(len(rows), func(i int) []byte { return fmt.Appendf(nil, `{"row":%d}`, from+rows[i]) }))
		}),
		Nullable(n, each(5, 0), func(rows []int) *schemapb.FieldData {
			return Arrays(nullTags, Each(len(rows), func(i int) []string { return []string{"a", "", "c"}[:(from+rows[i])%5-1] }))
		}),
		Nullable(n, each(2, 1), func(rows []int) *schemapb.FieldData {
			return Column(priced, Each(len(rows), func(i int) float64 { return float64(from + rows[i]) }))
		}),
		Nullable(n, each(3, 1), func(rows []int) *schemapb.FieldData {
			return Column(nullSize, Each(len(rows), func(i int) int32 { return int32(from + rows[i]) }))
		}),
		Dynamic(Each(n, func(i int) []byte { return []byte([]string{`{}`, `{"more":true}`}[i%2]) })),
	}}
}
