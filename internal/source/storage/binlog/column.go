package binlog

import (
	"fmt"
	"strconv"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"github.com/twpayne/go-geom/encoding/wkb"
	"github.com/twpayne/go-geom/encoding/wkt"
	"google.golang.org/protobuf/proto"

	"migrate/internal/model"
)

// The numbers of the fields that a server adds to each row.
const (
	RowID     = 0
	Timestamp = 1
	FirstUser = 100
)

// Column is the values of one field in one insert log, read in order.
type Column struct {
	field *schemapb.FieldSchema
	width int
	log   *log
	file  int // the next one
	r     *reader
}

// OpenColumn opens an insert log that has to be the owner's.
func OpenColumn(object Object, of Owner, field *schemapb.FieldSchema) (*Column, error) {
	l, err := open(object, insertEvent)
	if err != nil {
		return nil, err
	}
	if l.owner != of || l.typ != int32(field.GetDataType()) {
		return nil, damaged("it says that it is of %+v and type %d, and not of %+v and type %d", l.owner, l.typ, of, field.GetDataType())
	}
	c := &Column{field: field, log: l}
	physical, ok := physicalOf[field.GetDataType()]
	if !ok {
		return nil, fmt.Errorf("field %q (%s): %w of logs v1", field.GetName(), field.GetDataType(), ErrLayout)
	}
	if physical == fixed {
		dim, err := strconv.Atoi(model.TypeParam(field, "dim"))
		if err != nil {
			return nil, fmt.Errorf("field %q: its dimension: %w", field.GetName(), err)
		}
		c.width = dim * bitsOf[field.GetDataType()] / 8
	}
	for _, f := range l.files {
		if len(f.columns) != 1 || f.columns[0].physical != physical || physical == fixed && f.columns[0].width != c.width {
			return nil, damaged("its Parquet has no column of %s of %d bytes", field.GetDataType(), c.width)
		}
	}
	return c, nil
}

var physicalOf = map[schemapb.DataType]int64{
	schemapb.DataType_Bool: boolean, schemapb.DataType_Int8: int32s, schemapb.DataType_Int16: int32s, schemapb.DataType_Int32: int32s,
	schemapb.DataType_Int64: int64s, schemapb.DataType_Float: float32s, schemapb.DataType_Double: float64s,
	schemapb.DataType_VarChar: byteArray, schemapb.DataType_JSON: byteArray, schemapb.DataType_Array: byteArray,
	schemapb.DataType_SparseFloatVector: byteArray, schemapb.DataType_Geometry: byteArray,
	schemapb.DataType_FloatVector: fixed, schemapb.DataType_BinaryVector: fixed, schemapb.DataType_Float16Vector: fixed,
	schemapb.DataType_BFloat16Vector: fixed,
}

var bitsOf = map[schemapb.DataType]int{
	schemapb.DataType_FloatVector: 32, schemapb.DataType_BinaryVector: 1, schemapb.DataType_Float16Vector: 16, schemapb.DataType_BFloat16Vector: 16,
}

// Rows are how many it has.
func (c *Column) Rows() int64 { return c.log.rows() }

// Next are the values of the next n rows as a query answers with them, or of those of them that are to be kept, where that is said.
// It has that many, or is damaged. The values share memory that is not written again.
func (c *Column) Next(n int, keep []bool) (*schemapb.FieldData, error) {
	var all values
	if c.width > 0 && keep == nil {
		all.fixed = make([]byte, 0, n*c.width)
	}
	for rows := 0; rows < n; {
		if c.r == nil {
			if c.file == len(c.log.files) {
				return nil, damaged("it ends before its last row")
			}
			c.r = c.log.reader(c.log.files[c.file], 0)
			c.file++
		}
		var kept []bool
		if keep != nil {
			kept = keep[rows:]
		}
		got, err := c.r.next(n-rows, kept, &all)
		if err != nil {
			return nil, err
		}
		if rows += got; rows < n {
			c.r = nil
		}
	}
	return c.answer(all)
}

// answer puts values into the protocol's column.
func (c *Column) answer(v values) (*schemapb.FieldData, error) {
	d := &schemapb.FieldData{
		Type: c.field.GetDataType(), FieldName: c.field.GetName(), FieldId: c.field.GetFieldID(), IsDynamic: c.field.GetIsDynamic(), ValidData: v.valid,
	}
	if vectors := c.vectors(v); vectors != nil {
		vectors.Dim = int64(c.width * 8 / max(bitsOf[d.Type], 1))
		d.Field = &schemapb.FieldData_Vectors{Vectors: vectors}
		return d, nil
	}
	scalars, err := c.scalars(v)
	d.Field = &schemapb.FieldData_Scalars{Scalars: scalars}
	return d, err
}

func (c *Column) vectors(v values) *schemapb.VectorField {
	switch c.field.GetDataType() {
	case schemapb.DataType_FloatVector:
		return &schemapb.VectorField{Data: &schemapb.VectorField_FloatVector{FloatVector: &schemapb.FloatArray{Data: arrow.Float32Traits.CastFromBytes(v.fixed)}}}
	case schemapb.DataType_BinaryVector:
		return &schemapb.VectorField{Data: &schemapb.VectorField_BinaryVector{BinaryVector: v.fixed}}
	case schemapb.DataType_Float16Vector:
		return &schemapb.VectorField{Data: &schemapb.VectorField_Float16Vector{Float16Vector: v.fixed}}
	case schemapb.DataType_BFloat16Vector:
		return &schemapb.VectorField{Data: &schemapb.VectorField_Bfloat16Vector{Bfloat16Vector: v.fixed}}
	case schemapb.DataType_SparseFloatVector:
		return &schemapb.VectorField{Data: &schemapb.VectorField_SparseFloatVector{SparseFloatVector: &schemapb.SparseFloatArray{Contents: v.texts}}}
	}
	return nil
}

func (c *Column) scalars(v values) (*schemapb.ScalarField, error) {
	switch c.field.GetDataType() {
	case schemapb.DataType_Bool:
		return &schemapb.ScalarField{Data: &schemapb.ScalarField_BoolData{BoolData: &schemapb.BoolArray{Data: truths(v.fixed)}}}, nil
	case schemapb.DataType_Int8, schemapb.DataType_Int16, schemapb.DataType_Int32:
		return &schemapb.ScalarField{Data: &schemapb.ScalarField_IntData{IntData: &schemapb.IntArray{Data: arrow.Int32Traits.CastFromBytes(v.fixed)}}}, nil
	case schemapb.DataType_Int64:
		return &schemapb.ScalarField{Data: &schemapb.ScalarField_LongData{LongData: &schemapb.LongArray{Data: arrow.Int64Traits.CastFromBytes(v.fixed)}}}, nil
	case schemapb.DataType_Float:
		return &schemapb.ScalarField{Data: &schemapb.ScalarField_FloatData{FloatData: &schemapb.FloatArray{Data: arrow.Float32Traits.CastFromBytes(v.fixed)}}}, nil
	case schemapb.DataType_Double:
		return &schemapb.ScalarField{Data: &schemapb.ScalarField_DoubleData{DoubleData: &schemapb.DoubleArray{Data: arrow.Float64Traits.CastFromBytes(v.fixed)}}}, nil
	case schemapb.DataType_JSON:
		return &schemapb.ScalarField{Data: &schemapb.ScalarField_JsonData{JsonData: &schemapb.JSONArray{Data: v.texts}}}, nil
	case schemapb.DataType_Array:
		return arraysOf(v.texts, c.field.GetElementType())
	case schemapb.DataType_Geometry:
		return geometriesOf(v.texts)
	default:
		return &schemapb.ScalarField{Data: &schemapb.ScalarField_StringData{StringData: &schemapb.StringArray{Data: textsOf(v.texts)}}}, nil
	}
}

func truths(bytes []byte) []bool {
	all := make([]bool, len(bytes))
	for i, b := range bytes {
		all[i] = b != 0
	}
	return all
}

// textsOf shares the bytes, which nobody writes again.
func textsOf(bytes [][]byte) []string {
	all := make([]string, len(bytes))
	for i, b := range bytes {
		all[i] = unsafe.String(unsafe.SliceData(b), len(b))
	}
	return all
}

func arraysOf(rows [][]byte, element schemapb.DataType) (*schemapb.ScalarField, error) {
	all := &schemapb.ArrayArray{Data: make([]*schemapb.ScalarField, len(rows)), ElementType: element}
	for i, row := range rows {
		all.Data[i] = &schemapb.ScalarField{}
		if err := proto.Unmarshal(row, all.Data[i]); err != nil {
			return nil, damaged("an array that is none: %w", err)
		}
	}
	return &schemapb.ScalarField{Data: &schemapb.ScalarField_ArrayData{ArrayData: all}}, nil
}

// geometriesOf are well-known text, as a server answers, of the well-known binary that it keeps.
func geometriesOf(rows [][]byte) (*schemapb.ScalarField, error) {
	all := &schemapb.GeometryWktArray{Data: make([]string, len(rows))}
	for i, row := range rows {
		geometry, err := wkb.Unmarshal(row)
		if err != nil {
			return nil, damaged("a geometry that is none: %w", err)
		}
		if all.Data[i], err = wkt.Marshal(geometry); err != nil {
			return nil, damaged("a geometry without a text: %w", err)
		}
	}
	return &schemapb.ScalarField{Data: &schemapb.ScalarField_GeometryWktData{GeometryWktData: all}}, nil
}
