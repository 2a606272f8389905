package columns

import (
	"fmt"
	"math/rand/v2"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
)

// floatVectors is the family of FLOAT_VECTOR: lists of dim float32.
type floatVectors struct{}

func (floatVectors) arrow(f field) (arrow.DataType, error) {
	if f.dim <= 0 {
		return nil, fmt.Errorf("field %q has no dimension: %w", f.name, ErrType)
	}
	return arrow.ListOf(arrow.PrimitiveTypes.Float32), nil
}

func (floatVectors) rowBytes(f field) int { return 4 * f.dim }

func (floatVectors) decode(f field, d *schemapb.FieldData) (arrow.Array, error) {
	values := d.GetVectors().GetFloatVector().GetData()
	return cutInto(fixed(arrow.PrimitiveTypes.Float32, len(values), arrow.Float32Traits.CastToBytes(values)), f.dim)
}

func (floatVectors) encode(f field, col arrow.Array, rows []int, d *schemapb.FieldData) error {
	lists := col.(*array.List)
	picked, err := pick(lists, singles(lists.ListValues()), f.dim, rows)
	d.Field = &schemapb.FieldData_Vectors{Vectors: &schemapb.VectorField{
		Dim: int64(f.dim), Data: &schemapb.VectorField_FloatVector{FloatVector: &schemapb.FloatArray{Data: picked}},
	}}
	return err
}

func (floatVectors) measure(arrow.Array, []model.Key) Stats { return Stats{} }

func (floatVectors) sample(f field, r *rand.Rand, n int) arrow.Array {
	col, _ := cutInto(float32s.sample(f, r, n*f.dim), f.dim) // whole vectors
	return col
}
