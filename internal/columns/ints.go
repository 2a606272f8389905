package columns

import (
	"fmt"
	"math/rand/v2"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

var (
	int8s  = smallInts(arrow.PrimitiveTypes.Int8, func(col arrow.Array) []int8 { return col.(*array.Int8).Int8Values() })
	int16s = smallInts(arrow.PrimitiveTypes.Int16, func(col arrow.Array) []int16 { return col.(*array.Int16).Int16Values() })
	int32s = scalars[int32]{
		typ: arrow.PrimitiveTypes.Int32, list: listInts, box: boxInts,
		array: func(v []int32) (arrow.Array, error) {
			return fixed(arrow.PrimitiveTypes.Int32, len(v), arrow.Int32Traits.CastToBytes(v)), nil
		},
		values: func(col arrow.Array) []int32 { return col.(*array.Int32).Int32Values() },
		any:    func(r *rand.Rand) int32 { return int32(r.Uint32()) },
	}
	int64s = scalars[int64]{
		typ:  arrow.PrimitiveTypes.Int64,
		list: func(s *schemapb.ScalarField) []int64 { return s.GetLongData().GetData() },
		box: boxes(func(f *schemapb.ScalarField, d *schemapb.ScalarField_LongData, l *schemapb.LongArray, v []int64) {
			f.Data, d.LongData, l.Data = d, l, v
		}),
		array: func(v []int64) (arrow.Array, error) {
			return fixed(arrow.PrimitiveTypes.Int64, len(v), arrow.Int64Traits.CastToBytes(v)), nil
		},
		values: func(col arrow.Array) []int64 { return col.(*array.Int64).Int64Values() },
		any:    func(r *rand.Rand) int64 { return int64(r.Uint64()) },
	}
)

func listInts(s *schemapb.ScalarField) []int32 { return s.GetIntData().GetData() }

var boxInts = boxes(func(f *schemapb.ScalarField, d *schemapb.ScalarField_IntData, l *schemapb.IntArray, v []int32) {
	f.Data, d.IntData, l.Data = d, l, v
})

// smallInts is the family of integers that the protocol carries as 32 bits.
func smallInts[T int8 | int16](typ arrow.DataType, values func(arrow.Array) []T) scalars[int32] {
	return scalars[int32]{
		typ: typ, list: listInts, box: boxInts,
		array:  func(v []int32) (arrow.Array, error) { return narrow[T](v, typ) },
		values: func(col arrow.Array) []int32 { return widen(values(col)) },
		any:    func(r *rand.Rand) int32 { return int32(T(r.Uint32())) },
	}
}

func narrow[T int8 | int16](v []int32, typ arrow.DataType) (arrow.Array, error) {
	out := make([]T, len(v))
	for i, x := range v {
		out[i] = T(x)
		if int32(out[i]) != x {
			return nil, fmt.Errorf("row %d: %d does not fit %s", i, x, typ)
		}
	}
	return fixed(typ, len(v), arrow.GetBytes(out)), nil
}

func widen[T int8 | int16](v []T) []int32 {
	out := make([]int32, len(v))
	for i, x := range v {
		out[i] = int32(x)
	}
	return out
}
