package columns_test

import (
	"math"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/labtest"
)

func TestNotFinite(t *testing.T) {
	id, single, double := labtest.IntKey("id"), labtest.Field("single", schemapb.DataType_Float), labtest.Field("double", schemapb.DataType_Double)
	layout := layoutOf(t, labtest.Schema(id, single, double, labtest.Vector("v", schemapb.DataType_FloatVector, dim)))
	inf, nan := math.Inf(1), math.NaN()
	for name, test := range map[string]struct {
		single []float32
		double []float64
		field  string
		row    int
	}{
		"all finite":  {[]float32{0, math.MaxFloat32}, []float64{-math.MaxFloat64, math.SmallestNonzeroFloat64}, "", 0},
		"NaN":         {[]float32{0, float32(nan)}, []float64{0, 0}, "single", 1},
		"an infinity": {[]float32{0, 0}, []float64{-inf, 0}, "double", 0},
		"one of each": {[]float32{float32(inf), 0}, []float64{0, nan}, "single", 0},
	} {
		rec, err := layout.Record([]*schemapb.FieldData{
			labtest.Column(id, []int64{1, 2}), labtest.Column(single, test.single), labtest.Column(double, test.double), labtest.Vectors("v", dim, 2, 1),
		})
		if err != nil {
			t.Fatal(err)
		}
		if field, row, found := columns.NotFinite(rec); field != test.field || row != test.row && found || found != (test.field != "") {
			t.Errorf("%s: row %d of %q, %t", name, row, field, found)
		}
	}
}
