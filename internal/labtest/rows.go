package labtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
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
	if v := d.GetVectors(); v != nil {
		dim := int(v.Dim)
		out := &schemapb.VectorField{Dim: v.Dim}
		if b := v.GetBinaryVector(); b != nil {
			out.Data = &schemapb.VectorField_BinaryVector{BinaryVector: b[from*dim/8 : to*dim/8]}
		} else {
			out.Data = &schemapb.VectorField_FloatVector{FloatVector: &schemapb.FloatArray{Data: v.GetFloatVector().Data[from*dim : to*dim]}}
		}
		c.Field = &schemapb.FieldData_Vectors{Vectors: out}
		return c
	}
	c.Field = &schemapb.FieldData_Scalars{Scalars: sliceScalars(d.GetScalars(), from, to)}
	return c
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

// Column makes a column of a scalar field; its values are a slice of the protocol's type (int32 for the small integers,
// []byte for JSON).
func Column(f *schemapb.FieldSchema, values any) *schemapb.FieldData {
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
	return &schemapb.FieldData{Type: schemapb.DataType_FloatVector, FieldName: name, Field: &schemapb.FieldData_Vectors{
		Vectors: &schemapb.VectorField{Dim: int64(dim), Data: &schemapb.VectorField_FloatVector{FloatVector: &schemapb.FloatArray{Data: data}}},
	}}
}

// BinaryVectors makes a column of random binary vectors.
func BinaryVectors(name string, dim, n int, seed uint64) *schemapb.FieldData {
	random, data := rand.New(rand.NewPCG(seed, 2)), make([]byte, n*dim/8)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return &schemapb.FieldData{Type: schemapb.DataType_BinaryVector, FieldName: name, Field: &schemapb.FieldData_Vectors{
		Vectors: &schemapb.VectorField{Dim: int64(dim), Data: &schemapb.VectorField_BinaryVector{BinaryVector: data}},
	}}
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
