package columns

import (
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// NotFinite finds the first FLOAT or DOUBLE of a batch that is NaN or an infinity. Vectors hold none: Milvus refuses them there.
func NotFinite(rec arrow.Record) (field string, row int, found bool) {
	for i, column := range rec.Columns() {
		switch c := column.(type) {
		case *array.Float32:
			row = slices.IndexFunc(c.Float32Values(), func(v float32) bool { return notFinite(float64(v)) })
		case *array.Float64:
			row = slices.IndexFunc(c.Float64Values(), notFinite)
		default:
			continue
		}
		if row >= 0 {
			return rec.ColumnName(i), row, true
		}
	}
	return "", 0, false
}

func notFinite(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }
