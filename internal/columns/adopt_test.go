package columns_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/labtest"
)

// adopted is a column that others wrote, as a field has it; from JSON.
func adopted(t *testing.T, f *schemapb.FieldSchema, typ arrow.DataType, values string) (arrow.Array, error) {
	t.Helper()
	col, _, err := array.FromJSON(memory.DefaultAllocator, typ, strings.NewReader(values))
	if err != nil {
		t.Fatal(err)
	}
	keys := make([]int64, col.Len())
	ids := array.NewInt64Builder(memory.DefaultAllocator)
	ids.AppendValues(keys, nil)
	have := arrow.NewSchema([]arrow.Field{{Name: f.Name, Type: typ}, {Name: "id", Type: arrow.PrimitiveTypes.Int64}}, nil)
	a, err := columns.Adopt(labtest.Schema(labtest.IntKey("id"), f), have)
	if err != nil {
		return nil, err
	}
	rec, err := a.Batch(array.NewRecord(have, []arrow.Array{col, ids.NewArray()}, int64(col.Len())), 100)
	if err != nil {
		return nil, err
	}
	return rec.Column(1), nil
}

// TestAdopt makes columns of the types that others use.
func TestAdopt(t *testing.T) {
	of := func(kind schemapb.DataType) *schemapb.FieldSchema { return labtest.MayBeNull(labtest.Field("f", kind)) }
	vector := func(kind schemapb.DataType, dim int) *schemapb.FieldSchema {
		return labtest.MayBeNull(labtest.Vector("f", kind, dim))
	}
	numbers := labtest.MayBeNull(labtest.Array("f", schemapb.DataType_Int8))
	pairs := arrow.StructOf(arrow.Field{Name: "indices", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64)}, arrow.Field{Name: "values", Type: arrow.ListOf(arrow.PrimitiveTypes.Float64)})
	types := arrow.PrimitiveTypes
	for title, c := range map[string]struct {
		field        *schemapb.FieldSchema
		typ          arrow.DataType
		values, want string // what is refused is said after a !
	}{
		"narrower":               {of(schemapb.DataType_Int8), types.Uint64, `[1,null,127]`, `[1 (null) 127]`},
		"too narrow":             {of(schemapb.DataType_Int8), types.Uint64, `[1,null,128]`, `!row 102: does not fit the collection: 128 does not fit`},
		"without a sign":         {of(schemapb.DataType_Int64), types.Uint64, `[9223372036854775808]`, `!row 100: does not fit the collection: 9223372036854775808 does not fit`},
		"wider":                  {of(schemapb.DataType_Int64), types.Int8, `[-1,null]`, `[-1 (null)]`},
		"a float of a number":    {of(schemapb.DataType_Float), types.Int64, `[16777216,null]`, `[1.6777216e+07 (null)]`},
		"no float of a number":   {of(schemapb.DataType_Float), types.Int64, `[16777217]`, `!16777217 does not fit`},
		"a narrower float":       {of(schemapb.DataType_Float), types.Float64, `[0.1,null]`, `[0.1 (null)]`},
		"no narrower float":      {of(schemapb.DataType_Float), types.Float64, `[1e39]`, `!1e+39 does not fit`},
		"text of bytes":          {of(schemapb.DataType_VarChar), arrow.BinaryTypes.Binary, `["YQ==",null]`, `["a" (null)]`},
		"no text of bytes":       {of(schemapb.DataType_VarChar), arrow.BinaryTypes.Binary, `["/w=="]`, `!"\xff" is not UTF-8`},
		"a geometry":             {of(schemapb.DataType_Geometry), arrow.BinaryTypes.String, `["point(1 2.50)",null]`, `["POINT (1 2.5)" (null)]`},
		"no geometry":            {of(schemapb.DataType_Geometry), arrow.BinaryTypes.String, `["here"]`, `!row 100: does not fit the collection: a geometry "here"`},
		"a time":                 {of(schemapb.DataType_Timestamptz), arrow.BinaryTypes.String, `["2025-02-01T01:00:00.500+01:00",null]`, `["2025-02-01T00:00:00.5Z" (null)]`},
		"no time":                {of(schemapb.DataType_Timestamptz), arrow.BinaryTypes.String, `["2025-02-01T01:00:00"]`, `!which is no instant`},
		"an instant":             {of(schemapb.DataType_Timestamptz), &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, `["2025-02-01 00:00:00.5",null]`, `["2025-02-01T00:00:00.5Z" (null)]`},
		"an instant too fine":    {of(schemapb.DataType_Timestamptz), &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}, `["2025-02-01 00:00:00.000000001"]`, `!finer than a microsecond`},
		"a time of no zone":      {of(schemapb.DataType_Timestamptz), &arrow.TimestampType{Unit: arrow.Microsecond}, `["2025-02-01 00:00:00.5"]`, `!it is timestamp[us], and its field Timestamptz`},
		"an array":               {numbers, arrow.ListOf(types.Int64), `[[1,-2],[],null]`, `[[1 -2] [] (null)]`},
		"no array":               {numbers, arrow.ListOf(types.Int64), `[[1],[],[2,200]]`, `!row 102: does not fit the collection: 200 does not fit`},
		"bytes of bits":          {vector(schemapb.DataType_BinaryVector, 16), arrow.BinaryTypes.Binary, `["AQI=",null]`, `[[1 2] (null)]`},
		"bits of a fixed size":   {vector(schemapb.DataType_BinaryVector, 16), &arrow.FixedSizeBinaryType{ByteWidth: 2}, `["AQI=",null,"AwQ="]`, `[[1 2] (null) [3 4]]`},
		"too many bytes of bits": {vector(schemapb.DataType_BinaryVector, 8), arrow.BinaryTypes.Binary, `["AQI="]`, `!2 values, where all have 1`},
		"numbers of bits":        {vector(schemapb.DataType_BinaryVector, 16), arrow.ListOf(types.Int32), `[[1,255],null]`, `[[1 255] (null)]`},
		"no byte":                {vector(schemapb.DataType_BinaryVector, 16), arrow.ListOf(types.Int32), `[[1,256]]`, `!256 does not fit`},
		"small numbers":          {vector(schemapb.DataType_Int8Vector, 2), arrow.ListOf(types.Int64), `[[-128,127],null]`, `[[-128 127] (null)]`},
		"no small number":        {vector(schemapb.DataType_Int8Vector, 2), arrow.ListOf(types.Int64), `[[-128,128]]`, `!128 does not fit`},
		"halves of floats":       {vector(schemapb.DataType_Float16Vector, 2), arrow.ListOf(types.Float64), `[[1,-2],null]`, `[[0 60 0 192] (null)]`},
		"no half of a float":     {vector(schemapb.DataType_Float16Vector, 2), arrow.ListOf(types.Float32), `[[1,2],[1,-65520]]`, `!row 101: does not fit the collection: -65520 does not fit`},
		"the greatest half":      {vector(schemapb.DataType_Float16Vector, 1), arrow.ListOf(types.Float32), `[[65519]]`, `[[255 123]]`},
		"no brain of a float":    {vector(schemapb.DataType_BFloat16Vector, 1), arrow.ListOf(types.Float32), `[[3.4e38]]`, `!row 100: does not fit the collection: 3.4e+38 does not fit`},
		"brains of floats":       {vector(schemapb.DataType_BFloat16Vector, 2), arrow.ListOf(types.Float32), `[[1,-2],null]`, `[[128 63 0 192] (null)]`},
		"vectors of numbers":     {vector(schemapb.DataType_FloatVector, 2), arrow.ListOf(types.Int64), `[[1,2],null]`, `[[1 2] (null)]`},
		"sparse structs":         {of(schemapb.DataType_SparseFloatVector), pairs, `[{"indices":[9,7],"values":[1,0.5]},null]`, `["{\"7\":0.5,\"9\":1}" (null)]`},
		"no sparse struct":       {of(schemapb.DataType_SparseFloatVector), pairs, `[{"indices":[9],"values":[1,0.5]}]`, `!1 indices and 2 values`},
		"a sparse index below 0": {of(schemapb.DataType_SparseFloatVector), pairs, `[{"indices":[-9],"values":[1]}]`, `!-9 is no index`},
		"sparse lists as JSON":   {of(schemapb.DataType_SparseFloatVector), arrow.BinaryTypes.String, `["{\"values\": [1, 2], \"indices\": [9, 7]}"]`, `["{\"7\":2,\"9\":1}"]`},
		"no boolean":             {of(schemapb.DataType_Bool), types.Int64, `[1]`, `!it is int64, and its field Bool`},
	} {
		got, err := adopted(t, c.field, c.typ, c.values)
		refused, isRefused := strings.CutPrefix(c.want, "!")
		switch {
		case isRefused:
			if !errors.Is(err, columns.ErrUnfit) || !strings.Contains(err.Error(), refused) || !strings.Contains(err.Error(), `column "f"`) {
				t.Errorf("%s: %v; want %s", title, err, refused)
			}
		case err != nil || got.String() != c.want:
			t.Errorf("%s: %v, %v; want %s", title, got, err, c.want)
		}
	}
}

// TestHalves rounds floats to the nearest half, and from the middle of two to the even one.
func TestHalves(t *testing.T) {
	var floats []float32
	var want []uint16
	for bits := range uint16(0x7BFF) {
		v, next := halfValue(bits), halfValue(bits+1)
		middle := (v + next) / 2
		floats = append(floats, v, -next, math.Nextafter32(middle, v), middle, math.Nextafter32(middle, next))
		want = append(want, bits, bits+1|0x8000, bits, bits+bits&1, bits+1)
	}
	b := array.NewListBuilder(memory.DefaultAllocator, arrow.PrimitiveTypes.Float32)
	for _, v := range floats {
		b.Append(true)
		b.ValueBuilder().(*array.Float32Builder).Append(v)
	}
	have := arrow.NewSchema([]arrow.Field{{Name: "v", Type: arrow.ListOf(arrow.PrimitiveTypes.Float32)}}, nil)
	keyless := labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_Float16Vector, 1))
	keyless.Fields[0].AutoID = true
	a, err := columns.Adopt(keyless, have)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := a.Batch(array.NewRecord(have, []arrow.Array{b.NewArray()}, int64(len(floats))), 0)
	if err != nil {
		t.Fatal(err)
	}
	halves := arrow.Uint16Traits.CastFromBytes(rec.Column(0).(*array.List).ListValues().(*array.Uint8).Uint8Values())
	for i, got := range halves {
		if got != want[i] {
			t.Fatalf("%v is %04x, want %04x", floats[i], got, want[i])
		}
	}
	if len(halves) != len(floats) {
		t.Errorf("%d halves of %d floats", len(halves), len(floats))
	}
}

// halfValue is what the bits of a half that is finite and not negative stand for.
func halfValue(bits uint16) float32 {
	exponent, fraction := int(bits>>10), float64(bits&1023)
	if exponent == 0 {
		return float32(math.Ldexp(fraction, -24))
	}
	return float32(math.Ldexp(1024+fraction, exponent-25))
}
