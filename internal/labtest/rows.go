package labtest

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
)

// Rows are the columns of rows to insert.
type Rows struct {
	N       int
	Columns []*schemapb.FieldData
}

// batchRows is what one insert takes: so many 65,535-byte strings fit into a message.
const batchRows = 500

func (r Rows) batches() []Rows {
	var batches []Rows
	for from := 0; from < r.N; from += batchRows {
		to := min(from+batchRows, r.N)
		b := Rows{N: to - from}
		for _, c := range r.Columns {
			b.Columns = append(b.Columns, slice(c, from, to))
		}
		batches = append(batches, b)
	}
	return batches
}

func slice(d *schemapb.FieldData, from, to int) *schemapb.FieldData {
	c := &schemapb.FieldData{Type: d.Type, FieldName: d.FieldName, IsDynamic: d.IsDynamic}
	if d.ValidData != nil { // and no value where it is false
		c.ValidData = d.ValidData[from:to]
		from, to = valid(d.ValidData[:from]), valid(d.ValidData[:to])
	}
	if v := d.GetVectors(); v != nil {
		c.Field = &schemapb.FieldData_Vectors{Vectors: sliceVectors(v, from, to)}
		return c
	}
	c.Field = &schemapb.FieldData_Scalars{Scalars: sliceScalars(d.GetScalars(), from, to)}
	return c
}

func sliceVectors(v *schemapb.VectorField, from, to int) *schemapb.VectorField {
	if sparse := v.GetSparseFloatVector(); sparse != nil {
		return sparseVectors(sparse.Contents[from:to])
	}
	from, to = from*int(v.Dim), to*int(v.Dim)
	switch d := v.Data.(type) {
	case *schemapb.VectorField_FloatVector:
		return floatVectors(v.Dim, d.FloatVector.Data[from:to])
	case *schemapb.VectorField_BinaryVector:
		return byteVectors(schemapb.DataType_BinaryVector, v.Dim, d.BinaryVector[from/8:to/8])
	case *schemapb.VectorField_Float16Vector:
		return byteVectors(schemapb.DataType_Float16Vector, v.Dim, d.Float16Vector[2*from:2*to])
	case *schemapb.VectorField_Bfloat16Vector:
		return byteVectors(schemapb.DataType_BFloat16Vector, v.Dim, d.Bfloat16Vector[2*from:2*to])
	case *schemapb.VectorField_Int8Vector:
		return byteVectors(schemapb.DataType_Int8Vector, v.Dim, d.Int8Vector[from:to])
	}
	panic(fmt.Sprintf("no rows of %T", v.Data))
}

func floatVectors(dim int64, values []float32) *schemapb.VectorField {
	return &schemapb.VectorField{Dim: dim, Data: &schemapb.VectorField_FloatVector{FloatVector: &schemapb.FloatArray{Data: values}}}
}

// byteVectors are vectors of a type that the protocol carries as bytes.
func byteVectors(t schemapb.DataType, dim int64, values []byte) *schemapb.VectorField {
	switch v := (&schemapb.VectorField{Dim: dim}); t {
	case schemapb.DataType_BinaryVector:
		v.Data = &schemapb.VectorField_BinaryVector{BinaryVector: values}
		return v
	case schemapb.DataType_Float16Vector:
		v.Data = &schemapb.VectorField_Float16Vector{Float16Vector: values}
		return v
	case schemapb.DataType_BFloat16Vector:
		v.Data = &schemapb.VectorField_Bfloat16Vector{Bfloat16Vector: values}
		return v
	case schemapb.DataType_Int8Vector:
		v.Data = &schemapb.VectorField_Int8Vector{Int8Vector: values}
		return v
	}
	panic(fmt.Sprintf("no bytes of %s", t))
}

func valid(rows []bool) (n int) {
	for _, is := range rows {
		if is {
			n++
		}
	}
	return n
}

func sliceScalars(s *schemapb.ScalarField, from, to int) *schemapb.ScalarField {
	switch d := s.Data.(type) {
	case *schemapb.ScalarField_BoolData:
		return scalar(d.BoolData.Data[from:to])
	case *schemapb.ScalarField_IntData:
		return scalar(d.IntData.Data[from:to])
	case *schemapb.ScalarField_LongData:
		return scalar(d.LongData.Data[from:to])
	case *schemapb.ScalarField_FloatData:
		return scalar(d.FloatData.Data[from:to])
	case *schemapb.ScalarField_DoubleData:
		return scalar(d.DoubleData.Data[from:to])
	case *schemapb.ScalarField_StringData:
		return scalar(d.StringData.Data[from:to])
	case *schemapb.ScalarField_JsonData:
		return scalar(d.JsonData.Data[from:to])
	case *schemapb.ScalarField_GeometryWktData:
		return geometries(d.GeometryWktData.Data[from:to])
	case *schemapb.ScalarField_ArrayData:
		return &schemapb.ScalarField{Data: &schemapb.ScalarField_ArrayData{ArrayData: &schemapb.ArrayArray{
			Data: d.ArrayData.Data[from:to], ElementType: d.ArrayData.ElementType,
		}}}
	}
	panic(fmt.Sprintf("no rows of %T", s.Data))
}

// scalar puts values into the protocol's terms.
func scalar(values any) *schemapb.ScalarField {
	switch v := values.(type) {
	case []bool:
		return &schemapb.ScalarField{Data: &schemapb.ScalarField_BoolData{BoolData: &schemapb.BoolArray{Data: v}}}
	case []int32:
		return &schemapb.ScalarField{Data: &schemapb.ScalarField_IntData{IntData: &schemapb.IntArray{Data: v}}}
	case []int64:
		return &schemapb.ScalarField{Data: &schemapb.ScalarField_LongData{LongData: &schemapb.LongArray{Data: v}}}
	case []float32:
		return &schemapb.ScalarField{Data: &schemapb.ScalarField_FloatData{FloatData: &schemapb.FloatArray{Data: v}}}
	case []float64:
		return &schemapb.ScalarField{Data: &schemapb.ScalarField_DoubleData{DoubleData: &schemapb.DoubleArray{Data: v}}}
	case []string:
		return &schemapb.ScalarField{Data: &schemapb.ScalarField_StringData{StringData: &schemapb.StringArray{Data: v}}}
	case [][]byte:
		return &schemapb.ScalarField{Data: &schemapb.ScalarField_JsonData{JsonData: &schemapb.JSONArray{Data: v}}}
	}
	panic(fmt.Sprintf("no column of %T", values))
}

func geometries(texts []string) *schemapb.ScalarField {
	return &schemapb.ScalarField{Data: &schemapb.ScalarField_GeometryWktData{GeometryWktData: &schemapb.GeometryWktArray{Data: texts}}}
}

// Column makes a column of a scalar field; its values are a slice of the protocol's type (int32 for the small integers,
// []byte for JSON).
func Column(f *schemapb.FieldSchema, values any) *schemapb.FieldData {
	if f.DataType == schemapb.DataType_Geometry {
		return &schemapb.FieldData{Type: f.DataType, FieldName: f.Name, Field: &schemapb.FieldData_Scalars{Scalars: geometries(values.([]string))}}
	}
	return &schemapb.FieldData{Type: f.DataType, FieldName: f.Name, Field: &schemapb.FieldData_Scalars{Scalars: scalar(values)}}
}

// Dynamic makes the dynamic column of JSON objects.
func Dynamic(objects [][]byte) *schemapb.FieldData {
	return &schemapb.FieldData{
		Type: schemapb.DataType_JSON, IsDynamic: true, Field: &schemapb.FieldData_Scalars{Scalars: scalar(objects)},
	}
}

// Vectors makes a column of random vectors, the same for the same seed.
func Vectors(name string, dim, n int, seed uint64) *schemapb.FieldData {
	random, data := rand.New(rand.NewPCG(seed, 1)), make([]float32, n*dim)
	for i := range data {
		data[i] = random.Float32()*2 - 1
	}
	return vectors(name, schemapb.DataType_FloatVector, floatVectors(int64(dim), data))
}

// BinaryVectors makes a column of random binary vectors.
func BinaryVectors(name string, dim, n int, seed uint64) *schemapb.FieldData {
	random, data := rand.New(rand.NewPCG(seed, 2)), make([]byte, n*dim/8)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return ByteVectors(Vector(name, schemapb.DataType_BinaryVector, dim), data)
}

// ByteVectors makes a column of vectors that the protocol carries as bytes: dim/8 a row of BINARY_VECTOR, 2 a dimension of
// FLOAT16_VECTOR and BFLOAT16_VECTOR, and 1 of INT8_VECTOR.
func ByteVectors(f *schemapb.FieldSchema, data []byte) *schemapb.FieldData {
	dim, err := strconv.ParseInt(model.TypeParam(f, "dim"), 10, 64)
	if err != nil {
		panic(fmt.Sprintf("field %q has no dimension", f.Name))
	}
	return vectors(f.Name, f.DataType, byteVectors(f.DataType, dim, data))
}

// SparseVectors makes a column of sparse vectors of the pairs of each row.
func SparseVectors(name string, rows ...[]byte) *schemapb.FieldData {
	return vectors(name, schemapb.DataType_SparseFloatVector, sparseVectors(rows))
}

// Pairs are the bytes of a sparse vector with these weights, by index, as the protocol has them.
func Pairs(weights map[uint32]float32) []byte {
	pairs := []byte{}
	for _, index := range slices.Sorted(maps.Keys(weights)) {
		pairs = binary.LittleEndian.AppendUint32(pairs, index)
		pairs = binary.LittleEndian.AppendUint32(pairs, math.Float32bits(weights[index]))
	}
	return pairs
}

// sparseVectors have one dimension more than the greatest index of all.
func sparseVectors(rows [][]byte) *schemapb.VectorField {
	dim := int64(0)
	for _, row := range rows {
		if n := len(row); n >= 8 {
			dim = max(dim, int64(binary.LittleEndian.Uint32(row[n-8:]))+1)
		}
	}
	return &schemapb.VectorField{Dim: dim, Data: &schemapb.VectorField_SparseFloatVector{
		SparseFloatVector: &schemapb.SparseFloatArray{Dim: dim, Contents: rows},
	}}
}

func vectors(name string, t schemapb.DataType, v *schemapb.VectorField) *schemapb.FieldData {
	return &schemapb.FieldData{Type: t, FieldName: name, Field: &schemapb.FieldData_Vectors{Vectors: v}}
}

// Arrays makes a column of arrays; each row is a slice of the element's protocol type.
func Arrays[T any](f *schemapb.FieldSchema, rows [][]T) *schemapb.FieldData {
	data := make([]*schemapb.ScalarField, len(rows))
	for i, row := range rows {
		data[i] = scalar(row)
	}
	return &schemapb.FieldData{Type: schemapb.DataType_Array, FieldName: f.Name, Field: &schemapb.FieldData_Scalars{
		Scalars: &schemapb.ScalarField{Data: &schemapb.ScalarField_ArrayData{ArrayData: &schemapb.ArrayArray{Data: data, ElementType: f.ElementType}}},
	}}
}

// Each makes a slice of n values.
func Each[T any](n int, value func(i int) T) []T {
	values := make([]T, n)
	for i := range values {
		values[i] = value(i)
	}
	return values
}
