package columns_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"pgregory.net/rapid"

	"migrate/internal/columns"
	"migrate/internal/labtest"
)

// TestDefaults: a NULL in a field with a default is that default, of every type that may have one, and no other NULL is.
func TestDefaults(t *testing.T) {
	defaults := map[schemapb.DataType]*schemapb.ValueField{
		schemapb.DataType_Bool: {Data: &schemapb.ValueField_BoolData{BoolData: true}}, schemapb.DataType_VarChar: {Data: &schemapb.ValueField_StringData{StringData: "none"}},
		schemapb.DataType_Int8: {Data: &schemapb.ValueField_IntData{IntData: -3}}, schemapb.DataType_Int16: {Data: &schemapb.ValueField_IntData{IntData: 300}},
		schemapb.DataType_Int32: {Data: &schemapb.ValueField_IntData{IntData: 1 << 20}}, schemapb.DataType_Int64: {Data: &schemapb.ValueField_LongData{LongData: 1 << 40}},
		schemapb.DataType_Timestamptz: {Data: &schemapb.ValueField_StringData{StringData: "2025-01-01T01:00:00.50+01:00"}},
		schemapb.DataType_Geometry:    {Data: &schemapb.ValueField_StringData{StringData: "POINT(1 2)"}},
		schemapb.DataType_Float:       {Data: &schemapb.ValueField_FloatData{FloatData: 0.5}}, schemapb.DataType_Double: {Data: &schemapb.ValueField_DoubleData{DoubleData: 1.5}},
	}
	want := map[string]any{
		"Bool": true, "VarChar": "none", "Int8": int32(-3), "Int16": int32(300), "Int32": int32(1 << 20), "Int64": int64(1 << 40),
		"time": "2025-01-01T00:00:00.5Z", "place": "POINT (1 2)",
		"Float": float32Bits(0.5), "Double": math.Float64bits(1.5),
	}
	schema := nullables()
	for _, f := range schema.Fields {
		f.DefaultValue = defaults[f.DataType]
	}
	layout := layoutOf(t, schema)
	rapid.Check(t, func(t *rapid.T) {
		rec := layout.Sample(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), rapid.IntRange(0, 9).Draw(t, "rows"))
		filled, nulls, err := columns.DefaultsOf(schema).Fill(rec)
		if err != nil {
			t.Fatal(err)
		}
		var wantNulls int64
		for i, name := range layout.Names() {
			was := values(rec.Column(i))
			for row, v := range was {
				if with, ok := want[name]; ok && v == nil {
					was[row], wantNulls = with, wantNulls+1
				}
			}
			if got := values(filled.Column(i)); !slices.EqualFunc(got, was, sameValue) {
				t.Errorf("column %q holds %v, want %v", name, got, was)
			}
		}
		if nulls != wantNulls {
			t.Errorf("%d NULLs became defaults, want %d", nulls, wantNulls)
		}
	})
}

// TestWithoutDefaults leaves a batch as it is that has no NULL where there is a default, and refuses one whose default is no value of
// its type.
func TestWithoutDefaults(t *testing.T) {
	id, number, plain := labtest.IntKey("id"), labtest.Field("number", schemapb.DataType_Int64), labtest.Field("plain", schemapb.DataType_Int64)
	number.Nullable, plain.Nullable = true, true
	number.DefaultValue = &schemapb.ValueField{Data: &schemapb.ValueField_StringData{StringData: "7"}}
	schema := labtest.Schema(id, number, plain)
	layout := layoutOf(t, schema)
	for valid, says := range map[bool]string{true: "", false: `column "number": putting its default in the place of NULLs: "7" is no int64`} {
		rec, err := layout.Decode([]*schemapb.FieldData{
			labtest.Column(id, []int64{1}), validity(labtest.Column(number, []int64{5}), valid), validity(labtest.Column(plain, []int64{0}), false),
		})
		if err != nil {
			t.Fatal(err)
		}
		filled, nulls, err := columns.DefaultsOf(schema).Fill(rec)
		switch {
		case says == "" && (err != nil || filled != rec || nulls != 0):
			t.Errorf("without a NULL: %v, %d, %v", filled, nulls, err)
		case says != "" && (err == nil || !strings.Contains(err.Error(), says)):
			t.Errorf("a default of another type: %v", err)
		}
	}
	if got := columns.DefaultsOf(labtest.Schema(id, plain)); got != nil {
		t.Errorf("a schema without defaults has %v", got)
	}
}
