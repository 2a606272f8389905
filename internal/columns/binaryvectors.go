package columns

import (
	"fmt"
	"math/rand/v2"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
)

// binaryVectors is the family of BINARY_VECTOR: lists of dim/8 bytes.
type binaryVectors struct{}

// mostBits is the most that Milvus 2.3 has in a binary vector: 4,096 bytes, as many elements as a list in a part can have.
const mostBits = 32_768

func (binaryVectors) arrow(f field) (arrow.DataType, error) {
	switch {
	case f.dim <= 0 || f.dim%8 != 0:
		return nil, fmt.Errorf("field %q has no dimension: %w", f.name, ErrType)
	case f.dim > mostBits:
		return nil, fmt.Errorf("field %q has %d dimensions, and %d are carried at most: %w", f.name, f.dim, mostBits, ErrType)
	}
	return arrow.ListOf(arrow.PrimitiveTypes.Uint8), nil
}

func (binaryVectors) rowBytes(f field) int { return f.dim / 8 }

func (binaryVectors) decode(f field, d *schemapb.FieldData) (arrow.Array, error) {
	values := d.GetVectors().GetBinaryVector()
	return cutInto(fixed(arrow.PrimitiveTypes.Uint8, len(values), values), f.dim/8)
}

func (binaryVectors) encode(f field, col arrow.Array, rows []int, d *schemapb.FieldData) error {
	lists := col.(*array.List)
	picked, err := pick(lists, lists.ListValues().(*array.Uint8).Uint8Values(), f.dim/8, rows)
	d.Field = &schemapb.FieldData_Vectors{Vectors: &schemapb.VectorField{
		Dim: int64(f.dim), Data: &schemapb.VectorField_BinaryVector{BinaryVector: picked},
	}}
	return err
}

func (binaryVectors) measure(arrow.Array, []model.Key) Stats { return Stats{} }

func (binaryVectors) sample(f field, r *rand.Rand, n int) arrow.Array {
	values := make([]byte, n*f.dim/8)
	for i := range values {
		values[i] = byte(r.Uint32())
	}
	col, _ := cutInto(fixed(arrow.PrimitiveTypes.Uint8, len(values), values), f.dim/8) // whole vectors
	return col
}
