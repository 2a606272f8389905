package columns

import (
	"math/rand/v2"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
)

// family is how the columns of a type are carried. Hashing and Parquet go by the Arrow type alone.
//
// To carry another type: a file with its family, a line in families, and one in model's types with the servers that have it.
type family interface {
	// arrow is the column's type. ErrType: there is none for what the field says.
	arrow(field) (arrow.DataType, error)
	// rowBytes is the size of a row; a guess where rows are of any size.
	rowBytes(field) int
	// decode makes an array of the values of a server's column, whatever it says of NULLs. It may share the column's memory.
	decode(field, *schemapb.FieldData) (arrow.Array, error)
	// encode fills in the values of some rows, by their numbers, of an array of the column's type, as an insert takes them. None of
	// these rows is NULL. They may share the array's memory.
	encode(field, arrow.Array, []int, *schemapb.FieldData) error
	// measure takes the stats of an array whose rows have these keys, NULLs left out.
	measure(arrow.Array, []model.Key) Stats
	// sample makes an array of n rows that every server takes.
	sample(field, *rand.Rand, int) arrow.Array
}

var families = map[schemapb.DataType]family{
	schemapb.DataType_Bool:              bools,
	schemapb.DataType_Int8:              int8s,
	schemapb.DataType_Int16:             int16s,
	schemapb.DataType_Int32:             int32s,
	schemapb.DataType_Int64:             int64s,
	schemapb.DataType_Float:             float32s,
	schemapb.DataType_Double:            float64s,
	schemapb.DataType_VarChar:           texts,
	schemapb.DataType_JSON:              jsons,
	schemapb.DataType_Array:             arrays{},
	schemapb.DataType_FloatVector:       floatVectors{},
	schemapb.DataType_BinaryVector:      binaryVectors,
	schemapb.DataType_Float16Vector:     float16Vectors,
	schemapb.DataType_BFloat16Vector:    bfloat16Vectors,
	schemapb.DataType_SparseFloatVector: sparseVectors{},
	schemapb.DataType_Geometry:          geometries,
	schemapb.DataType_Timestamptz:       timestamps,
	schemapb.DataType_Int8Vector:        int8Vectors,
}

// field is one column of a layout.
type field struct {
	name      string
	kind      schemapb.DataType
	element   schemapb.DataType // of an ARRAY
	dim       int               // of a vector; 0: not given
	nullable  bool
	defaulted bool // servers have a default for it
	family    family
	fallback  fallback // that default
	elements  elements // the family of an ARRAY's elements; nil: there are no arrays of them
}
