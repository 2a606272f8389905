package columns

import (
	"fmt"
	"math/rand/v2"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
)

// byteVectors is the family of vectors that the protocol carries as bytes: lists of so many elements of a byte a row.
type byteVectors struct {
	element arrow.DataType    // uint8 or int8
	width   func(dim int) int // bytes of a row; 0: there are no vectors of that dimension
	bytes   func(*schemapb.VectorField) []byte
	box     func(*schemapb.VectorField, []byte)
	any     func(*rand.Rand, []byte) // fills in values that every server takes
}

// binaryVectors is the family of BINARY_VECTOR, of a bit a dimension.
var binaryVectors = byteVectors{
	element: arrow.PrimitiveTypes.Uint8,
	width: func(dim int) int {
		if dim%8 != 0 {
			return 0
		}
		return dim / 8
	},
	bytes: (*schemapb.VectorField).GetBinaryVector,
	box:   func(v *schemapb.VectorField, b []byte) { v.Data = &schemapb.VectorField_BinaryVector{BinaryVector: b} },
	any:   anyBytes,
}

func anyBytes(r *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
}

func (v byteVectors) arrow(f field) (arrow.DataType, error) {
	if v.width(f.dim) <= 0 {
		return nil, fmt.Errorf("field %q has no dimension: %w", f.name, ErrType)
	}
	return arrow.ListOf(v.element), nil
}

func (v byteVectors) rowBytes(f field) int { return v.width(f.dim) }

func (v byteVectors) decode(f field, d *schemapb.FieldData) (arrow.Array, error) {
	values := v.bytes(d.GetVectors())
	return cutInto(fixed(v.element, len(values), values), v.width(f.dim))
}

func (v byteVectors) encode(f field, col arrow.Array, rows []int, d *schemapb.FieldData) error {
	lists := col.(*array.List)
	_, values, err := fixedBits(lists.ListValues())
	if err != nil {
		return err
	}
	picked, err := pick(lists, values, v.width(f.dim), rows)
	vectors := &schemapb.VectorField{Dim: int64(f.dim)}
	v.box(vectors, picked)
	d.Field = &schemapb.FieldData_Vectors{Vectors: vectors}
	return err
}

func (byteVectors) measure(arrow.Array, []model.Key) Stats { return Stats{} }

func (v byteVectors) sample(f field, r *rand.Rand, n int) arrow.Array {
	values := make([]byte, n*v.width(f.dim))
	v.any(r, values)
	col, _ := cutInto(fixed(v.element, len(values), values), v.width(f.dim)) // whole vectors
	return col
}
