package columns_test

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"pgregory.net/rapid"

	"migrate/internal/columns"
	"migrate/internal/labtest"
)

const (
	dim  = 3
	bits = 16
)

// everything is a schema with a field of each type and element type.
func everything() *schemapb.CollectionSchema {
	schema := labtest.Schema(labtest.IntKey("id"),
		labtest.Vector("floats", schemapb.DataType_FloatVector, dim), labtest.Vector("bits", schemapb.DataType_BinaryVector, bits),
		labtest.Vector("halves", schemapb.DataType_Float16Vector, dim), labtest.Vector("brains", schemapb.DataType_BFloat16Vector, dim),
		labtest.Vector("ints", schemapb.DataType_Int8Vector, dim), labtest.Field("sparse", schemapb.DataType_SparseFloatVector),
		labtest.Field("place", schemapb.DataType_Geometry), labtest.Field("time", schemapb.DataType_Timestamptz),
		labtest.Field("JSON", schemapb.DataType_JSON))
	for _, t := range []schemapb.DataType{
		schemapb.DataType_Bool, schemapb.DataType_Int8, schemapb.DataType_Int16, schemapb.DataType_Int32, schemapb.DataType_Int64,
		schemapb.DataType_Float, schemapb.DataType_Double, schemapb.DataType_VarChar,
	} {
		schema.Fields = append(schema.Fields, labtest.Field(t.String(), t), labtest.Array("Array of "+t.String(), t))
	}
	schema.EnableDynamicField = true
	return schema
}

func layoutOf(t rapid.TB, schema *schemapb.CollectionSchema) *columns.Layout {
	t.Helper()
	layout, err := columns.NewLayout(schema)
	if err != nil {
		t.Fatal(err)
	}
	return layout
}

// A record batch holds exactly what the server sent, in the schema's order, in whatever order it came.
func TestDecode(t *testing.T) {
	schema := everything()
	layout := layoutOf(t, schema)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 20).Draw(t, "rows")
		sent, want := drawColumns(t, schema, n)
		rec, err := layout.Decode(rapid.Permutation(sent).Draw(t, "order"))
		if err != nil {
			t.Fatal(err)
		}
		if !rec.Schema().Equal(layout.Arrow) || int(rec.NumRows()) != n {
			t.Errorf("%d rows of %v, want %d of %v", rec.NumRows(), rec.Schema(), n, layout.Arrow)
		}
		for i, name := range layout.Names() {
			if got := values(rec.Column(i)); !reflect.DeepEqual(got, want[name]) {
				t.Errorf("column %q holds %v, want %v", name, got, want[name])
			}
		}
		if got := columns.Bytes(rec); n > 0 && got <= 0 {
			t.Errorf("%d rows take %d bytes", n, got)
		}
	})
}

// values are the rows of a column, each as a value that == compares by its bits; nil for NULL.
func values(col arrow.Array) []any {
	all := make([]any, col.Len())
	for i := range all {
		all[i] = value(col, i)
	}
	return all
}

func value(col arrow.Array, i int) any {
	if col.IsNull(i) {
		return nil
	}
	switch c := col.(type) {
	case *array.Boolean:
		return c.Value(i)
	case *array.Int8:
		return int32(c.Value(i))
	case *array.Int16:
		return int32(c.Value(i))
	case *array.Int32:
		return c.Value(i)
	case *array.Int64:
		return c.Value(i)
	case *array.Uint8:
		return c.Value(i)
	case *array.Float32:
		return math.Float32bits(c.Value(i))
	case *array.Float64:
		return math.Float64bits(c.Value(i))
	case *array.String:
		return c.Value(i)
	case *array.List:
		from, to := c.ValueOffsets(i)
		return values(array.NewSlice(c.ListValues(), from, to))
	}
	return col.DataType()
}

// drawColumns draws n rows: as a server sends them, and as values gives them.
func drawColumns(t *rapid.T, schema *schemapb.CollectionSchema, n int) (sent []*schemapb.FieldData, want map[string][]any) {
	want = map[string][]any{}
	for _, f := range schema.Fields {
		d, w := drawColumn(t, f, n)
		sent, want[f.Name] = append(sent, d), w
	}
	objects, w := draw(t, rapid.SliceOf(rapid.Byte()), n, func(b []byte) any { return string(b) })
	want[columns.Meta] = w
	return append(sent, labtest.Dynamic(objects)), want
}

func drawColumn(t *rapid.T, f *schemapb.FieldSchema, n int) (*schemapb.FieldData, []any) {
	switch f.DataType {
	case schemapb.DataType_FloatVector:
		v, want := draw(t, float32s(), n*dim, float32Bits)
		return &schemapb.FieldData{FieldName: f.Name, Field: &schemapb.FieldData_Vectors{Vectors: &schemapb.VectorField{
			Dim: dim, Data: &schemapb.VectorField_FloatVector{FloatVector: &schemapb.FloatArray{Data: v}},
		}}}, cut(want, dim)
	case schemapb.DataType_BinaryVector:
		return drawBytes(t, f, n, bits/8)
	case schemapb.DataType_Float16Vector, schemapb.DataType_BFloat16Vector:
		return drawBytes(t, f, n, 2*dim)
	case schemapb.DataType_Int8Vector:
		v, want := draw(t, rapid.Int8(), n*dim, func(v int8) any { return int32(v) })
		return labtest.ByteVectors(f, arrow.Int8Traits.CastToBytes(v)), cut(want, dim)
	case schemapb.DataType_SparseFloatVector:
		return drawSparse(t, f, n)
	case schemapb.DataType_Array:
		return drawArrays(t, f, n)
	}
	v, want := drawScalars(t, f.DataType, n)
	return labtest.Column(f, v), want
}

// drawBytes draws vectors of so many bytes each: halves have any bits, NaNs too.
func drawBytes(t *rapid.T, f *schemapb.FieldSchema, n, width int) (*schemapb.FieldData, []any) {
	v, want := draw(t, rapid.Byte(), n*width, itself)
	return labtest.ByteVectors(f, v), cut(want, width)
}

// drawSparse draws sparse vectors of any weights but NaN and infinities, which no server takes.
func drawSparse(t *rapid.T, f *schemapb.FieldSchema, n int) (*schemapb.FieldData, []any) {
	rows, want := make([][]byte, n), make([]any, n)
	finite := float32s().Filter(func(w float32) bool { return w-w == 0 && w != math.MaxFloat32 && w != -math.MaxFloat32 })
	weights := rapid.MapOfN(rapid.OneOf(rapid.Uint32Range(0, 3), rapid.Uint32()), finite, 0, 4)
	for i := range rows {
		row := weights.Draw(t, "weights")
		rows[i] = labtest.Pairs(row)
		var pairs []string
		for _, index := range slices.Sorted(maps.Keys(row)) {
			pairs = append(pairs, fmt.Sprintf(`"%d":%s`, index, strconv.FormatFloat(float64(row[index]), 'g', -1, 32)))
		}
		want[i] = "{" + strings.Join(pairs, ",") + "}"
	}
	return labtest.SparseVectors(f.Name, rows...), want
}

// cut makes rows of width values each.
func cut(values []any, width int) []any {
	rows := []any{}
	for row := range slices.Chunk(values, width) {
		rows = append(rows, row)
	}
	return rows
}

// drawArrays draws arrays as servers send them: an empty one has no element type.
func drawArrays(t *rapid.T, f *schemapb.FieldSchema, n int) (*schemapb.FieldData, []any) {
	rows, want := make([]*schemapb.ScalarField, n), make([]any, n)
	for i := range rows {
		rows[i] = &schemapb.ScalarField{}
		length := rapid.IntRange(0, 3).Draw(t, "length")
		v, w := drawScalars(t, f.ElementType, length)
		if want[i] = w; length > 0 {
			rows[i] = labtest.Column(f, v).GetScalars()
		}
	}
	return &schemapb.FieldData{FieldName: f.Name, Field: &schemapb.FieldData_Scalars{Scalars: &schemapb.ScalarField{
		Data: &schemapb.ScalarField_ArrayData{ArrayData: &schemapb.ArrayArray{Data: rows, ElementType: f.ElementType}},
	}}}, want
}

// drawScalars draws n values as the protocol carries them.
func drawScalars(t *rapid.T, kind schemapb.DataType, n int) (sent any, want []any) {
	switch kind {
	case schemapb.DataType_Bool:
		return draw(t, rapid.Bool(), n, itself)
	case schemapb.DataType_Int8:
		return draw(t, rapid.Int32Range(math.MinInt8, math.MaxInt8), n, itself)
	case schemapb.DataType_Int16:
		return draw(t, rapid.Int32Range(math.MinInt16, math.MaxInt16), n, itself)
	case schemapb.DataType_Int32:
		return draw(t, rapid.Int32(), n, itself)
	case schemapb.DataType_Int64:
		return draw(t, rapid.Int64(), n, itself)
	case schemapb.DataType_Float:
		return draw(t, float32s(), n, float32Bits)
	case schemapb.DataType_Double:
		return draw(t, rapid.Map(rapid.Uint64(), math.Float64frombits), n, func(v float64) any { return math.Float64bits(v) })
	case schemapb.DataType_JSON:
		return draw(t, rapid.SliceOf(rapid.Byte()), n, func(b []byte) any { return string(b) })
	case schemapb.DataType_Geometry:
		return draw(t, rapid.SampledFrom([]string{
			"POINT (1 -2.5)", "POINT EMPTY", "POLYGON ((0 0, 0 1, 1 1, 0 0))", "GEOMETRYCOLLECTION Z (POINT Z (1 2 3), POINT Z (4 5 6))",
		}), n, itself)
	case schemapb.DataType_Timestamptz:
		return draw(t, rapid.Map(rapid.Int64Range(-6e16, 2e17), instant), n, itself)
	}
	return draw(t, rapid.String(), n, itself)
}

// instant is a number of microseconds as a TIMESTAMPTZ.
func instant(micros int64) string { return time.UnixMicro(micros).UTC().Format(time.RFC3339Nano) }

// float32s are all of them: NaNs, infinities and both zeros too.
func float32s() *rapid.Generator[float32] { return rapid.Map(rapid.Uint32(), math.Float32frombits) }
func float32Bits(v float32) any           { return math.Float32bits(v) }
func itself[T any](v T) any               { return v }

func draw[T any](t *rapid.T, g *rapid.Generator[T], n int, box func(T) any) ([]T, []any) {
	sent, want := rapid.SliceOfN(g, n, n).Draw(t, "values"), make([]any, n)
	for i, v := range sent {
		want[i] = box(v)
	}
	return sent, want
}

// validity adds to a column what a later server says of each row: false for a NULL.
func validity(d *schemapb.FieldData, valid ...bool) *schemapb.FieldData {
	d.ValidData = valid
	return d
}

func TestDecodeRefuses(t *testing.T) {
	id, small, medium := labtest.IntKey("id"), labtest.Field("small", schemapb.DataType_Int8), labtest.Field("medium", schemapb.DataType_Int16)
	list := labtest.Array("list", schemapb.DataType_Int8)
	place, clock := labtest.Field("place", schemapb.DataType_Geometry), labtest.Field("clock", schemapb.DataType_Timestamptz)
	half := labtest.Vector("h", schemapb.DataType_Float16Vector, dim)
	brain := labtest.Vector("h", schemapb.DataType_BFloat16Vector, dim) // by the name of the other
	layout := layoutOf(t, labtest.Schema(id, small, medium, list,
		labtest.Vector("v", schemapb.DataType_FloatVector, dim), labtest.Vector("b", schemapb.DataType_BinaryVector, bits), half,
		labtest.Field("s", schemapb.DataType_SparseFloatVector), place, clock))
	unsorted := slices.Concat(labtest.Pairs(map[uint32]float32{2: 1}), labtest.Pairs(map[uint32]float32{1: 1}))
	for name, test := range map[string]struct {
		column *schemapb.FieldData // in place of a right one
		says   string
	}{
		"int8 too large":               {labtest.Column(small, []int32{1, 128}), `column "small": row 1: 128 does not fit`},
		"int8 too small":               {labtest.Column(small, []int32{-129, 1}), `column "small": row 0: -129 does not fit`},
		"int16 too large":              {labtest.Column(medium, []int32{1, 32768}), `column "medium": row 1`},
		"int16 too small":              {labtest.Column(medium, []int32{-32769, 1}), `column "medium": row 0`},
		"element too large":            {labtest.Arrays(list, [][]int32{{1}, {128}}), `column "list"`},
		"elements of another type":     {labtest.Arrays(list, [][]int64{{}, {1}}), `column "list": row 1`},
		"column too short":             {labtest.Column(small, []int32{1}), `column "small" has 1 rows where "id" has 2`},
		"column too long":              {labtest.Column(medium, []int32{1, 2, 3}), `column "medium" has 3 rows`},
		"column of another type":       {labtest.Column(small, []int64{1, 2}), `column "small" has 0 rows`},
		"list too short":               {labtest.Arrays(list, [][]int32{{1}}), `column "list" has 1 rows`},
		"vectors too few":              {labtest.Vectors("v", dim, 1, 1), `column "v" has 1 rows`},
		"vectors too narrow":           {labtest.Vectors("v", dim-1, 2, 1), `column "v": 4 values do not make vectors of 3`},
		"vectors twice as wide":        {labtest.Vectors("v", 2*dim, 2, 1), `column "v" has 4 rows`},
		"binary vectors too narrow":    {labtest.BinaryVectors("b", 8, 1, 1), `column "b": 1 values do not make vectors of 2`},
		"binary vectors too many":      {labtest.BinaryVectors("b", bits, 3, 1), `column "b" has 3 rows`},
		"half vectors too narrow":      {labtest.ByteVectors(half, make([]byte, 4*dim-1)), `column "h": 11 values do not make vectors of 6`},
		"half vectors too few":         {labtest.ByteVectors(half, make([]byte, 2*dim)), `column "h" has 1 rows`},
		"halves of the other kind":     {labtest.ByteVectors(brain, make([]byte, 4*dim)), `column "h" has 0 rows`},
		"half of a sparse pair":        {labtest.SparseVectors("s", nil, make([]byte, 12)), `column "s": row 1: a sparse vector of 12 bytes`},
		"sparse indices twice":         {labtest.SparseVectors("s", make([]byte, 16), nil), `column "s": row 0: a sparse vector with index 0 after 0`},
		"sparse indices unsorted":      {labtest.SparseVectors("s", nil, unsorted), `column "s": row 1: a sparse vector with index 1 after 2`},
		"sparse weight NaN":            {labtest.SparseVectors("s", nil, labtest.Pairs(map[uint32]float32{7: float32(math.NaN())})), `column "s": row 1: a sparse vector with the weight NaN of index 7`},
		"sparse weight infinite":       {labtest.SparseVectors("s", nil, labtest.Pairs(map[uint32]float32{7: float32(math.Inf(-1))})), `the weight -Inf of index 7`},
		"sparse vectors too few":       {labtest.SparseVectors("s", nil), `column "s" has 1 rows`},
		"floats where sparse ones are": {rename(labtest.Vectors("v", dim, 2, 1), "s"), `column "s" has 0 rows`},
		"what is no geometry":          {labtest.Column(place, []string{"POINT (1 2)", "POINT (1 2"}), `column "place": row 1: a geometry "POINT (1 2"`},
		"what is no instant":           {labtest.Column(clock, []string{"2025-01-01T00:00:00", ""}), `column "clock": row 0: a timestamp "2025-01-01T00:00:00", which is no instant`},
		"a NULL, of a later server":    {validity(labtest.Column(small, []int32{1, 0}), true, false), `column "small": it holds NULLs`},
		"bits where floats should be":  {rename(labtest.BinaryVectors("b", bits, 2, 1), "v"), `column "v" has 0 rows`},
	} {
		sent := []*schemapb.FieldData{
			labtest.Column(id, []int64{1, 2}), validity(labtest.Column(small, []int32{1, 2}), true, true), labtest.Column(medium, []int32{1, 2}),
			labtest.Arrays(list, [][]int32{{1}, {2}}), labtest.Vectors("v", dim, 2, 1), labtest.BinaryVectors("b", bits, 2, 1),
			labtest.ByteVectors(half, make([]byte, 4*dim)), labtest.SparseVectors("s", nil, make([]byte, 8)),
			labtest.Column(place, []string{"POINT (1 2)", "POINT EMPTY"}), labtest.Column(clock, []string{"2025-01-01T00:00:00Z", "2025-01-01T00:00:00+01:00"}),
		}
		if _, err := layout.Decode(sent); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(sent, func(d *schemapb.FieldData) bool { return d.FieldName == test.column.FieldName })
		sent[i] = test.column
		if _, err := layout.Decode(sent); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want an error that says %q", name, err, test.says)
		}
		missing := slices.Delete(sent, i, i+1)
		if _, err := layout.Decode(missing); err == nil || !strings.Contains(err.Error(), test.column.FieldName) {
			t.Errorf("without column %q: %v", test.column.FieldName, err)
		}
	}
}

func rename(d *schemapb.FieldData, name string) *schemapb.FieldData {
	d.FieldName = name
	return d
}
