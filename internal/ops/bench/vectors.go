// Package bench puts a Milvus server under a load of its own, inserts of generated vectors and searches among them, measures what comes
// of it, and tells people: as a table of servers side by side, and as a page with charts that stands by itself.
package bench

import (
	"encoding/binary"
	"math"
	"math/rand/v2"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// Vectors are random ones, uniform in a cube: the same on every run and every server, in whatever order they are made.
type Vectors struct {
	Dim  int
	Seed uint64
}

// queries sets the vectors to search for apart from those that are inserted.
const queries = 1 << 63

// fill makes the vector of a key.
func (v Vectors) fill(vector []float32, key uint64) {
	random := rand.New(rand.NewPCG(v.Seed, key))
	for i := range vector {
		vector[i] = random.Float32()*2 - 1
	}
}

// query is the n-th vector to search for, as the protocol has it.
func (v Vectors) query(n int) []byte {
	vector, bytes := make([]float32, v.Dim), make([]byte, 0, 4*v.Dim)
	v.fill(vector, queries+uint64(n))
	for _, x := range vector {
		bytes = binary.LittleEndian.AppendUint32(bytes, math.Float32bits(x))
	}
	return bytes
}

// batch is the rows with keys from first on, as the protocol has them.
func (v Vectors) batch(first int64, n int) []*schemapb.FieldData {
	keys, data := make([]int64, n), make([]float32, n*v.Dim)
	for i := range keys {
		keys[i] = first + int64(i)
		v.fill(data[i*v.Dim:(i+1)*v.Dim], uint64(keys[i]))
	}
	return []*schemapb.FieldData{
		{Type: schemapb.DataType_Int64, FieldName: keyField, Field: &schemapb.FieldData_Scalars{Scalars: &schemapb.ScalarField{
			Data: &schemapb.ScalarField_LongData{LongData: &schemapb.LongArray{Data: keys}},
		}}},
		{Type: schemapb.DataType_FloatVector, FieldName: vectorField, Field: &schemapb.FieldData_Vectors{Vectors: &schemapb.VectorField{
			Dim: int64(v.Dim), Data: &schemapb.VectorField_FloatVector{FloatVector: &schemapb.FloatArray{Data: data}},
		}}},
	}
}
