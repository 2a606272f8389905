package columns

import (
	"math/rand/v2"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

var bools = scalars[bool]{
	typ:  arrow.FixedWidthTypes.Boolean,
	list: func(s *schemapb.ScalarField) []bool { return s.GetBoolData().GetData() },
	box: boxes(func(f *schemapb.ScalarField, d *schemapb.ScalarField_BoolData, l *schemapb.BoolArray, v []bool) {
		f.Data, d.BoolData, l.Data = d, l, v
	}),
	array:  packBools,
	values: unpackBools,
	any:    func(r *rand.Rand) bool { return r.IntN(2) == 1 },
}

func packBools(v []bool) (arrow.Array, error) {
	bits := make([]byte, bitutil.BytesForBits(int64(len(v))))
	for i, b := range v {
		if b {
			bitutil.SetBit(bits, i)
		}
	}
	return fixed(arrow.FixedWidthTypes.Boolean, len(v), bits), nil
}

func unpackBools(col arrow.Array) []bool {
	c := col.(*array.Boolean)
	v := make([]bool, c.Len())
	for i := range v {
		v[i] = c.Value(i)
	}
	return v
}
