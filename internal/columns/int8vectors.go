package columns

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// int8Vectors is the family of INT8_VECTOR, of a byte a dimension.
var int8Vectors = byteVectors{
	element: arrow.PrimitiveTypes.Int8,
	width:   func(dim int) int { return dim },
	bytes:   (*schemapb.VectorField).GetInt8Vector,
	box:     func(v *schemapb.VectorField, b []byte) { v.Data = &schemapb.VectorField_Int8Vector{Int8Vector: b} },
	any:     anyBytes,
}
