package columns_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"pgregory.net/rapid"

	"migrate/internal/columns"
	"migrate/internal/labtest"
	"migrate/internal/model"
)

func TestNewLayout(t *testing.T) {
	floats, octets := arrow.ListOf(arrow.PrimitiveTypes.Float32), arrow.ListOf(arrow.PrimitiveTypes.Uint8)
	dynamic := &schemapb.FieldSchema{Name: columns.Meta, DataType: schemapb.DataType_JSON, IsDynamic: true}
	schema := labtest.Schema(
		labtest.Vector("v", schemapb.DataType_FloatVector, 4), dynamic, labtest.Vector("b", schemapb.DataType_BinaryVector, 16),
		labtest.TextKey("id"), labtest.Array("tags", schemapb.DataType_VarChar))
	schema.EnableDynamicField = true
	layout := layoutOf(t, schema)
	want := arrow.NewSchema([]arrow.Field{
		{Name: "v", Type: floats}, {Name: "b", Type: octets}, {Name: "id", Type: arrow.BinaryTypes.String},
		{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String)}, {Name: "$meta", Type: arrow.BinaryTypes.String},
	}, nil)
	if !layout.Arrow.Equal(want) {
		t.Errorf("columns %v, want %v", layout.Arrow, want)
	}
	if layout.KeyName() != "id" || layout.IntKey() {
		t.Errorf("key %q, an integer: %t; want id, a text", layout.KeyName(), layout.IntKey())
	}
	if got, want := layout.RowBytes(), 4*4+2+3*8; got != want {
		t.Errorf("%d bytes a row, want %d", got, want)
	}
}

func TestNewLayoutRefuses(t *testing.T) {
	id := labtest.IntKey("id")
	for name, test := range map[string]struct {
		schema *schemapb.CollectionSchema
		says   string
		typ    bool // ErrType
	}{
		"no key":                {labtest.Schema(labtest.Field("x", schemapb.DataType_Int64)), "no primary key", false},
		"no fields":             {labtest.Schema(), "no primary key", false},
		"array of vectors":      {labtest.Schema(id, labtest.Field("x", schemapb.DataType_ArrayOfVector)), `"x" (ArrayOfVector)`, true},
		"array of halves":       {labtest.Schema(id, labtest.Array("x", schemapb.DataType_Float16Vector)), `"x" (Array of Float16Vector)`, true},
		"half vector of dim 0":  {labtest.Schema(id, labtest.Vector("x", schemapb.DataType_Float16Vector, 0)), `"x" has no dimension`, true},
		"binary of 12 bits":     {labtest.Schema(id, labtest.Vector("x", schemapb.DataType_BinaryVector, 12)), `"x" has no dimension`, true},
		"type of a later proto": {labtest.Schema(id, labtest.Field("x", 12345)), `"x" (12345)`, true},
		"array of JSON":         {labtest.Schema(id, labtest.Array("x", schemapb.DataType_JSON)), `"x" (Array of JSON)`, true},
		"array of arrays":       {labtest.Schema(id, labtest.Array("x", schemapb.DataType_Array)), `"x" (Array of Array)`, true},
		"vector without dim":    {labtest.Schema(id, labtest.Field("x", schemapb.DataType_FloatVector)), `"x" has no dimension`, true},
		"vector of dim 0":       {labtest.Schema(id, labtest.Vector("x", schemapb.DataType_FloatVector, 0)), `"x" has no dimension`, true},
		"vector of dim -8":      {labtest.Schema(id, labtest.Vector("x", schemapb.DataType_BinaryVector, -8)), `"x" has no dimension`, true},
	} {
		_, err := columns.NewLayout(test.schema)
		if err == nil || !strings.Contains(err.Error(), test.says) || errors.Is(err, columns.ErrType) != test.typ {
			t.Errorf("%s: %v, want an error that says %q, ErrType %t", name, err, test.says, test.typ)
		}
	}
}

// Only and Pick give any choice of columns, in their order, and keep track of the key.
func TestOnlyAndPick(t *testing.T) {
	schema := everything()
	layout := layoutOf(t, schema)
	rapid.Check(t, func(t *rapid.T) {
		sent, want := drawColumns(t, schema, rapid.IntRange(0, 3).Draw(t, "rows"))
		rec, err := layout.Decode(sent)
		if err != nil {
			t.Fatal(err)
		}
		chosen := rapid.SliceOfDistinct(rapid.SampledFrom(layout.Names()), rapid.ID).Draw(t, "chosen")
		some := layout.Only(func(name string) bool { return slices.Contains(chosen, name) })
		names := slices.DeleteFunc(layout.Names(), func(name string) bool { return !slices.Contains(chosen, name) })
		if !slices.Equal(some.Names(), names) || some.Key != slices.Index(names, "id") {
			t.Errorf("chose %q: got %q with the key at %d", chosen, some.Names(), some.Key)
		}
		picked := some.Pick(rec)
		if !picked.Schema().Equal(some.Arrow) || picked.NumRows() != rec.NumRows() {
			t.Errorf("picked %d rows of %v, want %d of %v", picked.NumRows(), picked.Schema(), rec.NumRows(), some.Arrow)
		}
		for i, name := range names {
			if got := values(picked.Column(i)); !reflect.DeepEqual(got, want[name]) {
				t.Errorf("column %q holds %v, want %v", name, got, want[name])
			}
		}
	})
}

// Each type that is said to be carried has its family, and no other.
func TestEveryCarriedTypeHasAFamily(t *testing.T) {
	carried := model.TypesOf(model.Version{math.MaxInt})
	for kind, name := range schemapb.DataType_name {
		field := labtest.Vector("x", schemapb.DataType(kind), 16)
		field.ElementType = schemapb.DataType_Int64
		_, err := columns.NewLayout(labtest.Schema(labtest.IntKey("id"), field))
		if has := err == nil; has != slices.Contains(carried, field.DataType) {
			t.Errorf("%s has a family: %t, and is carried: %t (%v)", name, has, !has, err)
		}
	}
}

// Sample makes rows that pass every check of their values, each under a key of its own.
func TestSample(t *testing.T) {
	for _, key := range []*schemapb.FieldSchema{labtest.IntKey("id"), labtest.TextKey("id")} {
		schema := everything()
		schema.Fields[0] = key
		layout := layoutOf(t, schema)
		rec := layout.Sample(rand.New(rand.NewPCG(1, 2)), 1000)
		keys := layout.Keys(rec)
		if !rec.Schema().Equal(layout.Arrow) || len(keys) != 1000 || !slices.IsSortedFunc(keys, model.Key.Compare) || keys[0] == keys[999] {
			t.Errorf("%d rows of %v, from %v to %v", len(keys), rec.Schema(), keys[0], keys[999])
		}
		for name, s := range layout.Measure(rec) {
			if s.NotFinite != nil || s.NotUTF8 != nil {
				t.Errorf("column %q: %+v", name, s)
			}
		}
	}
}
