package columns

import (
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"

	"migrate/internal/model"
)

// Record makes a record batch of a server's columns, which come in any order: they are matched by name. Numbers and
// vectors share the memory of data, which must not change afterwards.
func (l *Layout) Record(data []*schemapb.FieldData) (arrow.Record, error) {
	byName := make(map[string]*schemapb.FieldData, len(data))
	for _, d := range data {
		byName[nameOf(d)] = d
	}
	cols, rows := make([]arrow.Array, len(l.fields)), 0
	for i, f := range l.fields {
		d, ok := byName[f.name]
		if !ok {
			return nil, fmt.Errorf("the server's answer has no column %q", f.name)
		}
		col, err := f.array(d)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", f.name, err)
		}
		if i > 0 && col.Len() != rows {
			return nil, fmt.Errorf("column %q has %d rows where %q has %d", f.name, col.Len(), l.fields[0].name, rows)
		}
		cols[i], rows = col, col.Len()
	}
	return array.NewRecord(l.Arrow, cols, int64(rows)), nil
}

// nameOf names a column; some servers leave the dynamic one without a name.
func nameOf(d *schemapb.FieldData) string {
	if d.GetIsDynamic() {
		return Meta
	}
	return d.GetFieldName()
}

func (f field) array(d *schemapb.FieldData) (arrow.Array, error) {
	if err := model.CheckColumn(d); err != nil {
		return nil, err
	}
	switch f.kind {
	case schemapb.DataType_FloatVector:
		return listOf(floats(d.GetVectors().GetFloatVector().GetData()), f.width)
	case schemapb.DataType_BinaryVector:
		return listOf(bytes(d.GetVectors().GetBinaryVector()), f.width)
	case schemapb.DataType_Array:
		return lists(d.GetScalars().GetArrayData().GetData(), f.element)
	}
	return scalars(d.GetScalars(), f.kind)
}

// scalars makes an array of one scalar column.
func scalars(s *schemapb.ScalarField, kind schemapb.DataType) (arrow.Array, error) {
	switch kind {
	case schemapb.DataType_Bool:
		return bools(s.GetBoolData().GetData()), nil
	case schemapb.DataType_Int8:
		return narrow[int8](s.GetIntData().GetData(), arrow.PrimitiveTypes.Int8)
	case schemapb.DataType_Int16:
		return narrow[int16](s.GetIntData().GetData(), arrow.PrimitiveTypes.Int16)
	case schemapb.DataType_Int32:
		v := s.GetIntData().GetData()
		return fixed(arrow.PrimitiveTypes.Int32, len(v), arrow.Int32Traits.CastToBytes(v)), nil
	case schemapb.DataType_Int64:
		v := s.GetLongData().GetData()
		return fixed(arrow.PrimitiveTypes.Int64, len(v), arrow.Int64Traits.CastToBytes(v)), nil
	case schemapb.DataType_Float:
		return floats(s.GetFloatData().GetData()), nil
	case schemapb.DataType_Double:
		v := s.GetDoubleData().GetData()
		return fixed(arrow.PrimitiveTypes.Float64, len(v), arrow.Float64Traits.CastToBytes(v)), nil
	case schemapb.DataType_VarChar:
		return texts(s.GetStringData().GetData())
	case schemapb.DataType_JSON:
		return texts(s.GetJsonData().GetData())
	}
	return nil, fmt.Errorf("%s: %w", kind, ErrType)
}

func fixed(t arrow.DataType, n int, values []byte) arrow.Array {
	return array.MakeFromData(array.NewData(t, n, []*memory.Buffer{nil, memory.NewBufferBytes(values)}, nil, 0, 0))
}

func floats(v []float32) arrow.Array {
	return fixed(arrow.PrimitiveTypes.Float32, len(v), arrow.Float32Traits.CastToBytes(v))
}

func bytes(v []byte) arrow.Array { return fixed(arrow.PrimitiveTypes.Uint8, len(v), v) }

func bools(v []bool) arrow.Array {
	bits := make([]byte, bitutil.BytesForBits(int64(len(v))))
	for i, b := range v {
		if b {
			bitutil.SetBit(bits, i)
		}
	}
	return fixed(arrow.FixedWidthTypes.Boolean, len(v), bits)
}

// narrow makes an array of small integers, which the protocol carries as 32 bits.
func narrow[T int8 | int16](v []int32, t arrow.DataType) (arrow.Array, error) {
	out := make([]T, len(v))
	for i, x := range v {
		out[i] = T(x)
		if int32(out[i]) != x {
			return nil, fmt.Errorf("row %d: %d does not fit %s", i, x, t)
		}
	}
	return fixed(t, len(v), arrow.GetBytes(out)), nil
}

// texts makes a string array; its bytes are kept as they are.
func texts[T string | []byte](v []T) (arrow.Array, error) {
	total := 0
	for _, s := range v {
		total += len(s)
	}
	if total > math.MaxInt32 {
		return nil, fmt.Errorf("%d bytes of text in one batch: more than an Arrow string array holds", total)
	}
	offsets, data := make([]int32, len(v)+1), make([]byte, 0, total)
	for i, s := range v {
		data = append(data, s...)
		offsets[i+1] = int32(len(data))
	}
	buffers := []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets)), memory.NewBufferBytes(data)}
	return array.MakeFromData(array.NewData(arrow.BinaryTypes.String, len(v), buffers, nil, 0, 0)), nil
}

// listOf cuts values into lists of width values each.
func listOf(values arrow.Array, width int) (arrow.Array, error) {
	if width == 0 || values.Len()%width != 0 {
		return nil, fmt.Errorf("%d values do not make vectors of %d", values.Len(), width)
	}
	offsets := make([]int32, values.Len()/width+1)
	for i := range offsets {
		offsets[i] = int32(i * width)
	}
	return list(values, offsets), nil
}

func list(values arrow.Array, offsets []int32) arrow.Array {
	buffers := []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets))}
	t := arrow.ListOf(values.DataType())
	return array.NewListData(array.NewData(t, len(offsets)-1, buffers, []arrow.ArrayData{values.Data()}, 0, 0))
}

// emptyRow is the most bytes that the protocol takes for a row without elements, with or without an element type.
const emptyRow = 2

// lists makes a list array of an ARRAY column: the rows' elements are joined into one scalar column. An empty row comes
// without an element type, so the schema's decides.
func lists(rows []*schemapb.ScalarField, element schemapb.DataType) (arrow.Array, error) {
	joined, offsets := &schemapb.ScalarField{}, make([]int32, len(rows)+1)
	join := joiner(joined, element)
	if join == nil {
		return nil, fmt.Errorf("array of %s: %w", element, ErrType)
	}
	for i, row := range rows {
		n := join(row)
		if n == 0 && proto.Size(row) > emptyRow {
			return nil, fmt.Errorf("row %d: its elements are not %s", i, element)
		}
		offsets[i+1] = offsets[i] + int32(n)
	}
	values, err := scalars(joined, element)
	if err != nil {
		return nil, err
	}
	return list(values, offsets), nil
}

// joiner returns a function that appends a row's elements to all, and tells how many there were.
func joiner(all *schemapb.ScalarField, element schemapb.DataType) func(*schemapb.ScalarField) int {
	switch element {
	case schemapb.DataType_Bool:
		to := &schemapb.BoolArray{}
		all.Data = &schemapb.ScalarField_BoolData{BoolData: to}
		return func(r *schemapb.ScalarField) int { return extend(&to.Data, r.GetBoolData().GetData()) }
	case schemapb.DataType_Int8, schemapb.DataType_Int16, schemapb.DataType_Int32:
		to := &schemapb.IntArray{}
		all.Data = &schemapb.ScalarField_IntData{IntData: to}
		return func(r *schemapb.ScalarField) int { return extend(&to.Data, r.GetIntData().GetData()) }
	case schemapb.DataType_Int64:
		to := &schemapb.LongArray{}
		all.Data = &schemapb.ScalarField_LongData{LongData: to}
		return func(r *schemapb.ScalarField) int { return extend(&to.Data, r.GetLongData().GetData()) }
	case schemapb.DataType_Float:
		to := &schemapb.FloatArray{}
		all.Data = &schemapb.ScalarField_FloatData{FloatData: to}
		return func(r *schemapb.ScalarField) int { return extend(&to.Data, r.GetFloatData().GetData()) }
	case schemapb.DataType_Double:
		to := &schemapb.DoubleArray{}
		all.Data = &schemapb.ScalarField_DoubleData{DoubleData: to}
		return func(r *schemapb.ScalarField) int { return extend(&to.Data, r.GetDoubleData().GetData()) }
	case schemapb.DataType_VarChar:
		to := &schemapb.StringArray{}
		all.Data = &schemapb.ScalarField_StringData{StringData: to}
		return func(r *schemapb.ScalarField) int { return extend(&to.Data, r.GetStringData().GetData()) }
	}
	return nil
}

func extend[T any](all *[]T, more []T) int {
	*all = append(*all, more...)
	return len(more)
}

// Bytes is the size of a record batch in memory.
func Bytes(rec arrow.Record) int64 {
	var n int64
	for _, col := range rec.Columns() {
		n += dataBytes(col.Data())
	}
	return n
}

func dataBytes(d arrow.ArrayData) int64 {
	var n int64
	for _, b := range d.Buffers() {
		if b != nil { // no validity bitmap: there are no nulls
			n += int64(b.Len())
		}
	}
	for _, child := range d.Children() {
		n += dataBytes(child)
	}
	return n
}
