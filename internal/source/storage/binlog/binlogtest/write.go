// Package binlogtest writes logs of the layout v1 as Milvus does, for tests that have no server of the version that would.
package binlogtest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"github.com/twpayne/go-geom/encoding/wkb"
	"github.com/twpayne/go-geom/encoding/wkt"
	"google.golang.org/protobuf/proto"

	"migrate/internal/model"
	"migrate/internal/source/storage/binlog"
)

// Delete is one key and when it was deleted.
type Delete struct {
	Key model.Key
	TS  uint64
}

// Insert is an insert log of a column as an insert takes it, of one event each.
func Insert(of binlog.Owner, field *schemapb.FieldSchema, columns ...*schemapb.FieldData) []byte {
	out := begin(of, field.GetDataType())
	for _, d := range columns {
		event(out, 1, file([]string{"val"}, []bool{field.GetNullable()}, column(field, d)))
	}
	return out.Bytes()
}

// Deletes is a delta log of texts.
func Deletes(of binlog.Owner, deletes ...Delete) []byte {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	for _, d := range deletes {
		kind := schemapb.DataType_Int64
		if d.Key.IsText() {
			kind = schemapb.DataType_VarChar
		}
		key, _ := json.Marshal(d.Key) // a number or a string
		b.Append(fmt.Sprintf(`{"pk":%s,"ts":%d,"pkType":%d}`, key, d.TS, kind))
	}
	return deleted(of, []string{"val"}, b.NewArray())
}

// EarlyDeletes is a delta log as the first servers wrote it.
func EarlyDeletes(of binlog.Owner, deletes ...Delete) []byte {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	for _, d := range deletes {
		b.Append(fmt.Sprintf("%d,%d", d.Key.Int, d.TS))
	}
	return deleted(of, []string{"val"}, b.NewArray())
}

// ColumnDeletes is a delta log of two columns.
func ColumnDeletes(of binlog.Owner, deletes ...Delete) []byte {
	numbers, texts, times := array.NewInt64Builder(memory.DefaultAllocator), array.NewStringBuilder(memory.DefaultAllocator), array.NewInt64Builder(memory.DefaultAllocator)
	for _, d := range deletes {
		numbers.Append(d.Key.Int)
		texts.Append(d.Key.Text)
		times.Append(int64(d.TS))
	}
	var keys arrow.Array = numbers.NewArray()
	if len(deletes) > 0 && deletes[0].Key.IsText() {
		keys = texts.NewArray()
	}
	return deleted(of, []string{"pk", "ts"}, keys, times.NewArray())
}

func deleted(of binlog.Owner, names []string, columns ...arrow.Array) []byte {
	out := begin(of, schemapb.DataType_String)
	event(out, 2, file(names, make([]bool, len(names)), columns...))
	return out.Bytes()
}

func begin(of binlog.Owner, typ schemapb.DataType) *bytes.Buffer {
	extra := []byte(`{"original_size":"1"}`)
	var body bytes.Buffer
	put(&body, of.Collection, of.Partition, of.Segment, of.Field, uint64(1), uint64(2), int32(typ), [8]byte{16, 16, 16, 16, 16, 16, 16, 16}, int32(len(extra)), extra)
	out := &bytes.Buffer{}
	put(out, uint32(0xfffabc))
	head(out, 0, body.Len())
	out.Write(body.Bytes())
	return out
}

func event(out *bytes.Buffer, kind byte, file []byte) {
	head(out, kind, 16+len(file))
	put(out, uint64(1), uint64(2), file)
}

func head(out *bytes.Buffer, kind byte, body int) {
	length := int32(17 + body)
	put(out, uint64(3), kind, length, int32(out.Len())+length)
}

func put(out *bytes.Buffer, values ...any) {
	for _, v := range values {
		if err := binary.Write(out, binary.LittleEndian, v); err != nil {
			panic(err) // of a value of no fixed size
		}
	}
}

func file(names []string, nullable []bool, columns ...arrow.Array) []byte {
	var fields []arrow.Field
	for i, c := range columns {
		fields = append(fields, arrow.Field{Name: names[i], Type: c.DataType(), Nullable: nullable[i]})
	}
	schema := arrow.NewSchema(fields, nil)
	table := array.NewTableFromRecords(schema, []arrow.Record{array.NewRecord(schema, columns, int64(columns[0].Len()))})
	var out bytes.Buffer
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(1))
	if err := pqarrow.WriteTable(table, &out, 1<<30, props, pqarrow.DefaultWriterProps()); err != nil {
		panic(err) // of a type that Parquet has not
	}
	return out.Bytes()
}

// column is a column of the types that Milvus gives a field's log.
func column(field *schemapb.FieldSchema, d *schemapb.FieldData) arrow.Array {
	values := &spread{valid: d.GetValidData()}
	switch s := d.GetScalars(); field.GetDataType() {
	case schemapb.DataType_Bool:
		return fill(values, array.NewBooleanBuilder(memory.DefaultAllocator), s.GetBoolData().GetData(), (*array.BooleanBuilder).Append)
	case schemapb.DataType_Int8:
		return fill(values, array.NewInt8Builder(memory.DefaultAllocator), s.GetIntData().GetData(), func(b *array.Int8Builder, v int32) { b.Append(int8(v)) })
	case schemapb.DataType_Int16:
		return fill(values, array.NewInt16Builder(memory.DefaultAllocator), s.GetIntData().GetData(), func(b *array.Int16Builder, v int32) { b.Append(int16(v)) })
	case schemapb.DataType_Int32:
		return fill(values, array.NewInt32Builder(memory.DefaultAllocator), s.GetIntData().GetData(), (*array.Int32Builder).Append)
	case schemapb.DataType_Int64:
		return fill(values, array.NewInt64Builder(memory.DefaultAllocator), s.GetLongData().GetData(), (*array.Int64Builder).Append)
	case schemapb.DataType_Float:
		return fill(values, array.NewFloat32Builder(memory.DefaultAllocator), s.GetFloatData().GetData(), (*array.Float32Builder).Append)
	case schemapb.DataType_Double:
		return fill(values, array.NewFloat64Builder(memory.DefaultAllocator), s.GetDoubleData().GetData(), (*array.Float64Builder).Append)
	case schemapb.DataType_VarChar:
		return fill(values, array.NewStringBuilder(memory.DefaultAllocator), s.GetStringData().GetData(), (*array.StringBuilder).Append)
	}
	return binaries(field, d, values)
}

// binaries are columns that Milvus keeps as bytes.
func binaries(field *schemapb.FieldSchema, d *schemapb.FieldData, values *spread) arrow.Array {
	texts := array.NewBinaryBuilder(memory.DefaultAllocator, arrow.BinaryTypes.Binary)
	switch s, v := d.GetScalars(), d.GetVectors(); field.GetDataType() {
	case schemapb.DataType_JSON:
		return fill(values, texts, s.GetJsonData().GetData(), (*array.BinaryBuilder).Append)
	case schemapb.DataType_Array:
		return fill(values, texts, s.GetArrayData().GetData(), func(b *array.BinaryBuilder, row *schemapb.ScalarField) {
			text, _ := proto.Marshal(row) // of a message that was made here
			b.Append(text)
		})
	case schemapb.DataType_Geometry:
		return fill(values, texts, s.GetGeometryWktData().GetData(), func(b *array.BinaryBuilder, row string) { b.Append(binaryOf(row)) })
	case schemapb.DataType_SparseFloatVector:
		return fill(values, texts, v.GetSparseFloatVector().GetContents(), (*array.BinaryBuilder).Append)
	case schemapb.DataType_FloatVector:
		return vectors(values, arrow.Float32Traits.CastToBytes(v.GetFloatVector().GetData()), 4*int(v.GetDim()))
	case schemapb.DataType_BinaryVector:
		return vectors(values, v.GetBinaryVector(), int(v.GetDim())/8)
	case schemapb.DataType_Float16Vector:
		return vectors(values, v.GetFloat16Vector(), 2*int(v.GetDim()))
	case schemapb.DataType_BFloat16Vector:
		return vectors(values, v.GetBfloat16Vector(), 2*int(v.GetDim()))
	}
	panic(fmt.Sprintf("no log of %s", field.GetDataType()))
}

func binaryOf(text string) []byte {
	geometry, err := wkt.Unmarshal(text)
	if err != nil {
		panic(err)
	}
	b, err := wkb.Marshal(geometry, binary.LittleEndian)
	if err != nil {
		panic(err)
	}
	return b
}

func vectors(values *spread, bytes []byte, width int) arrow.Array {
	var rows [][]byte
	for ; len(bytes) > 0; bytes = bytes[width:] {
		rows = append(rows, bytes[:width])
	}
	return fill(values, array.NewFixedSizeBinaryBuilder(memory.DefaultAllocator, &arrow.FixedSizeBinaryType{ByteWidth: width}), rows,
		(*array.FixedSizeBinaryBuilder).Append)
}

// spread says which rows have a value.
type spread struct{ valid []bool }

// fill appends values to the rows that have one, and NULL to the others.
func fill[B array.Builder, V any](s *spread, b B, values []V, add func(B, V)) arrow.Array {
	if s.valid == nil {
		s.valid = make([]bool, len(values))
		for i := range s.valid {
			s.valid[i] = true
		}
	}
	for _, is := range s.valid {
		if !is {
			b.AppendNull()
			continue
		}
		add(b, values[0])
		values = values[1:]
	}
	return b.NewArray()
}
