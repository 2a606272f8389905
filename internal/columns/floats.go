package columns

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
)

var (
	float32s = scalars[float32]{
		typ:  arrow.PrimitiveTypes.Float32,
		list: func(s *schemapb.ScalarField) []float32 { return s.GetFloatData().GetData() },
		box: boxes(func(f *schemapb.ScalarField, d *schemapb.ScalarField_FloatData, l *schemapb.FloatArray, v []float32) {
			f.Data, d.FloatData, l.Data = d, l, v
		}),
		array: func(v []float32) (arrow.Array, error) {
			return fixed(arrow.PrimitiveTypes.Float32, len(v), arrow.Float32Traits.CastToBytes(v)), nil
		},
		values: singles,
		stats:  func(col arrow.Array, keys []model.Key) Stats { return notFinite(col, singles(col), keys) },
		any:    func(r *rand.Rand) float32 { return r.Float32() - 0.5 },
	}
	float64s = scalars[float64]{
		typ:  arrow.PrimitiveTypes.Float64,
		list: func(s *schemapb.ScalarField) []float64 { return s.GetDoubleData().GetData() },
		box: boxes(func(f *schemapb.ScalarField, d *schemapb.ScalarField_DoubleData, l *schemapb.DoubleArray, v []float64) {
			f.Data, d.DoubleData, l.Data = d, l, v
		}),
		array: func(v []float64) (arrow.Array, error) {
			return fixed(arrow.PrimitiveTypes.Float64, len(v), arrow.Float64Traits.CastToBytes(v)), nil
		},
		values: doubles,
		stats:  func(col arrow.Array, keys []model.Key) Stats { return notFinite(col, doubles(col), keys) },
		any:    func(r *rand.Rand) float64 { return r.Float64() - 0.5 },
	}
)

func singles(col arrow.Array) []float32 { return col.(*array.Float32).Float32Values() }
func doubles(col arrow.Array) []float64 { return col.(*array.Float64).Float64Values() }

// NotFinite are the numbers of the rows that have NaN or an infinity in one of some FLOAT and DOUBLE columns, in ascending order.
func NotFinite(rec arrow.Record, names []string) (rows []int) {
	for row := range int(rec.NumRows()) {
		if slices.ContainsFunc(names, func(name string) bool { return oddAt(rec.Column(rec.Schema().FieldIndices(name)[0]), row) }) {
			rows = append(rows, row)
		}
	}
	return rows
}

func oddAt(col arrow.Array, row int) bool {
	if col.IsNull(row) {
		return false
	}
	switch c := col.(type) {
	case *array.Float32:
		return isOdd(c.Value(row))
	case *array.Float64:
		return isOdd(c.Value(row))
	}
	return false
}

func isOdd[T float32 | float64](v T) bool { return math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) }

// notFinite finds NaNs and infinities, which some targets refuse.
func notFinite[T float32 | float64](col arrow.Array, v []T, keys []model.Key) Stats {
	return Stats{NotFinite: first(col, keys, func(i int) bool { return isOdd(v[i]) })}
}
