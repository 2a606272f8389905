package columns

import (
	"encoding/binary"
	"math"
	"math/rand/v2"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// float16Vectors and bfloat16Vectors are the families of FLOAT16_VECTOR and BFLOAT16_VECTOR: the two bytes of each value, the lower one
// first, as they are. No value is looked at: NaNs pass bulk insert.
var (
	float16Vectors = byteVectors{
		element: arrow.PrimitiveTypes.Uint8,
		width:   twice,
		bytes:   (*schemapb.VectorField).GetFloat16Vector,
		box: func(v *schemapb.VectorField, b []byte) {
			v.Data = &schemapb.VectorField_Float16Vector{Float16Vector: b}
		},
		any: func(r *rand.Rand, b []byte) {
			const one, signAndFraction = 0x3C00, 0x83FF // from 1 to 2, and the same below zero
			fillHalves(b, func() uint16 { return one | uint16(r.Uint32())&signAndFraction })
		},
	}
	bfloat16Vectors = byteVectors{
		element: arrow.PrimitiveTypes.Uint8,
		width:   twice,
		bytes:   (*schemapb.VectorField).GetBfloat16Vector,
		box: func(v *schemapb.VectorField, b []byte) {
			v.Data = &schemapb.VectorField_Bfloat16Vector{Bfloat16Vector: b}
		},
		any: func(r *rand.Rand, b []byte) {
			fillHalves(b, func() uint16 { return uint16(math.Float32bits(r.Float32()-0.5) >> 16) })
		},
	}
)

func twice(dim int) int { return 2 * dim }

func fillHalves(b []byte, next func() uint16) {
	for ; len(b) > 0; b = b[2:] {
		binary.LittleEndian.PutUint16(b, next())
	}
}
