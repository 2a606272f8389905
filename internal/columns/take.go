package columns

import (
	"fmt"
	"slices"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"
)

// Append adds the rows of one answer to those of another one to the same question, whose columns may come in another order. Both
// are the caller's no longer.
func Append(all, more []*schemapb.FieldData) []*schemapb.FieldData {
	if len(all) == 0 {
		return more
	}
	for _, d := range more {
		for _, to := range all {
			if nameOf(to) == nameOf(d) {
				merge(to, d)
			}
		}
	}
	return all
}

// merge adds the rows of a column to those of another. Lists are joined by the protocol's own merge, and bytes replaced.
func merge(to, more *schemapb.FieldData) {
	bits := slices.Concat(to.GetVectors().GetBinaryVector(), more.GetVectors().GetBinaryVector())
	proto.Merge(to, more)
	if v, binary := to.GetVectors().GetData().(*schemapb.VectorField_BinaryVector); binary {
		v.BinaryVector = bits
	}
}

// Take picks rows of a server's answer, by their numbers, as an insert or an upsert takes them: the layout's columns in
// order, and arrays with the type of their elements, which a server leaves out where an array is empty.
func (l *Layout) Take(data []*schemapb.FieldData, rows []int) ([]*schemapb.FieldData, error) {
	byName := make(map[string]*schemapb.FieldData, len(data))
	for _, d := range data {
		byName[nameOf(d)] = d
	}
	taken := make([]*schemapb.FieldData, len(l.fields))
	for i, f := range l.fields {
		d, ok := byName[f.name]
		if !ok {
			return nil, fmt.Errorf("the server's answer has no column %q", f.name)
		}
		taken[i] = f.take(d, rows)
	}
	return taken, nil
}

func (f field) take(d *schemapb.FieldData, rows []int) *schemapb.FieldData {
	out := &schemapb.FieldData{Type: f.kind, FieldName: f.name, IsDynamic: f.name == Meta}
	if v := d.GetVectors(); v != nil {
		out.Field = &schemapb.FieldData_Vectors{Vectors: f.takeVectors(v, rows)}
	} else {
		out.Field = &schemapb.FieldData_Scalars{Scalars: f.takeScalars(d.GetScalars(), rows)}
	}
	return out
}

func (f field) takeVectors(v *schemapb.VectorField, rows []int) *schemapb.VectorField {
	out := &schemapb.VectorField{Dim: v.GetDim()}
	if f.kind == schemapb.DataType_BinaryVector {
		out.Data = &schemapb.VectorField_BinaryVector{BinaryVector: pick(v.GetBinaryVector(), f.width, rows)}
	} else {
		out.Data = &schemapb.VectorField_FloatVector{FloatVector: &schemapb.FloatArray{Data: pick(v.GetFloatVector().GetData(), f.width, rows)}}
	}
	return out
}

func (f field) takeScalars(s *schemapb.ScalarField, rows []int) *schemapb.ScalarField {
	switch f.kind {
	case schemapb.DataType_JSON:
		return &schemapb.ScalarField{Data: &schemapb.ScalarField_JsonData{JsonData: &schemapb.JSONArray{Data: pick(s.GetJsonData().GetData(), 1, rows)}}}
	case schemapb.DataType_Array:
		arrays := pick(s.GetArrayData().GetData(), 1, rows)
		for i, a := range arrays {
			arrays[i] = typed(a, f.element)
		}
		return &schemapb.ScalarField{Data: &schemapb.ScalarField_ArrayData{ArrayData: &schemapb.ArrayArray{Data: arrays, ElementType: f.element}}}
	}
	return takeValues(s, f.kind, rows)
}

// typed is the elements of one array, with their type.
func typed(a *schemapb.ScalarField, element schemapb.DataType) *schemapb.ScalarField {
	if a.GetData() != nil {
		return a
	}
	return takeValues(a, element, nil)
}

func takeValues(s *schemapb.ScalarField, kind schemapb.DataType, rows []int) *schemapb.ScalarField {
	out := &schemapb.ScalarField{}
	switch kind {
	case schemapb.DataType_Bool:
		out.Data = &schemapb.ScalarField_BoolData{BoolData: &schemapb.BoolArray{Data: pick(s.GetBoolData().GetData(), 1, rows)}}
	case schemapb.DataType_Int8, schemapb.DataType_Int16, schemapb.DataType_Int32:
		out.Data = &schemapb.ScalarField_IntData{IntData: &schemapb.IntArray{Data: pick(s.GetIntData().GetData(), 1, rows)}}
	case schemapb.DataType_Int64:
		out.Data = &schemapb.ScalarField_LongData{LongData: &schemapb.LongArray{Data: pick(s.GetLongData().GetData(), 1, rows)}}
	case schemapb.DataType_Float:
		out.Data = &schemapb.ScalarField_FloatData{FloatData: &schemapb.FloatArray{Data: pick(s.GetFloatData().GetData(), 1, rows)}}
	case schemapb.DataType_Double:
		out.Data = &schemapb.ScalarField_DoubleData{DoubleData: &schemapb.DoubleArray{Data: pick(s.GetDoubleData().GetData(), 1, rows)}}
	default:
		out.Data = &schemapb.ScalarField_StringData{StringData: &schemapb.StringArray{Data: pick(s.GetStringData().GetData(), 1, rows)}}
	}
	return out
}

// pick copies the values of some rows, width each.
func pick[T any](values []T, width int, rows []int) []T {
	out := make([]T, 0, len(rows)*width)
	for _, r := range rows {
		out = append(out, values[r*width:(r+1)*width]...)
	}
	return out
}
