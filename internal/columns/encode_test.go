package columns_test

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"migrate/internal/columns"
	"migrate/internal/labtest"
)

// TestEncode gives any rows of a record batch, or of a slice of one, in any order: sent and decoded again, they are those rows bit for
// bit, and an empty array has the type of its elements, which a server leaves out.
func TestEncode(t *testing.T) {
	schema := everything()
	layout := layoutOf(t, schema)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "rows")
		sent, want := drawColumns(t, schema, n)
		rec, err := layout.Decode(sent)
		if err != nil {
			t.Fatal(err)
		}
		from := rapid.IntRange(0, n-1).Draw(t, "from")
		rows := rapid.SliceOf(rapid.IntRange(0, n-from-1)).Draw(t, "numbers")
		data, err := layout.Encode(rec.NewSlice(int64(from), int64(n)), rows)
		if err != nil {
			t.Fatal(err)
		}
		again, err := layout.Decode(overTheWire(t, data))
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range layout.Names() {
			picked := make([]any, len(rows))
			for j, r := range rows {
				picked[j] = want[name][from+r]
			}
			if got := values(again.Column(i)); !reflect.DeepEqual(got, picked) {
				t.Errorf("column %q holds %v, want %v", name, got, picked)
			}
			wantTyped(t, data[i])
		}
	})
}

// overTheWire is data as the other end of a call has it.
func overTheWire(t rapid.TB, data []*schemapb.FieldData) []*schemapb.FieldData {
	t.Helper()
	received := make([]*schemapb.FieldData, len(data))
	for i, d := range data {
		bytes, err := proto.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		received[i] = &schemapb.FieldData{}
		if err := proto.Unmarshal(bytes, received[i]); err != nil {
			t.Fatal(err)
		}
	}
	return received
}

// wantTyped wants a column to say what it is, and each array what it is of.
func wantTyped(t *rapid.T, d *schemapb.FieldData) {
	t.Helper()
	if d.Type == schemapb.DataType_None || d.IsDynamic != (d.FieldName == columns.Meta) {
		t.Errorf("column %q says %s, dynamic %t", d.FieldName, d.Type, d.IsDynamic)
	}
	if want := map[string]int64{"floats": dim, "bits": bits, "halves": dim, "brains": dim, "ints": dim, "sparse": d.GetVectors().GetSparseFloatVector().GetDim()}[d.FieldName]; d.GetVectors().GetDim() != want {
		t.Errorf("column %q has dimension %d, want %d", d.FieldName, d.GetVectors().GetDim(), want)
	}
	if d.Type != schemapb.DataType_Array {
		return
	}
	if "Array of "+d.GetScalars().GetArrayData().GetElementType().String() != d.FieldName {
		t.Errorf("column %q says that its arrays are of %s", d.FieldName, d.GetScalars().GetArrayData().GetElementType())
	}
	for _, a := range d.GetScalars().GetArrayData().GetData() {
		if a.GetData() == nil {
			t.Errorf("column %q has an array without a type", d.FieldName)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	layout := layoutOf(t, labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, dim)))
	rec := layout.Sample(rand.New(rand.NewPCG(1, 2)), 3)
	id, v := rec.Column(0), rec.Column(1)
	wider := layoutOf(t, labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, dim+1)))
	nulls := array.NewInt64Builder(memory.DefaultAllocator)
	nulls.AppendValues([]int64{1, 2, 0}, []bool{true, true, false})
	for name, test := range map[string]struct {
		layout *columns.Layout
		rec    arrow.Record
		says   string
	}{
		"no such column":     {layout, batch("id", id), `0 columns "v"`},
		"a column twice":     {layout, batch("id", id, "v", v, "v", v), `2 columns "v"`},
		"another type":       {layout, batch("id", v, "v", v), `column "id": its type is list`},
		"a NULL":             {layout, batch("id", nulls.NewArray(), "v", v), `column "id": it holds NULLs`},
		"vectors too narrow": {wider, rec, `column "v": row 2: a vector of 3 values where all have 4`},
	} {
		if _, err := test.layout.Encode(test.rec, []int{2}); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want an error that says %q", name, err, test.says)
		}
	}
}

// batch is of columns with their names before them.
func batch(namesAndColumns ...any) arrow.Record {
	var fields []arrow.Field
	var cols []arrow.Array
	for i := 0; i < len(namesAndColumns); i += 2 {
		col := namesAndColumns[i+1].(arrow.Array)
		fields, cols = append(fields, arrow.Field{Name: namesAndColumns[i].(string), Type: col.DataType()}), append(cols, col)
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), cols, 3)
}

// TestJoin joins record batches, slices among them.
func TestJoin(t *testing.T) {
	schema := everything()
	layout := layoutOf(t, schema)
	rapid.Check(t, func(t *rapid.T) {
		var parts []arrow.Record
		all := map[string][]any{}
		for range rapid.IntRange(0, 3).Draw(t, "parts") {
			n := rapid.IntRange(0, 5).Draw(t, "rows")
			from := rapid.IntRange(0, n).Draw(t, "from")
			sent, want := drawColumns(t, schema, n)
			rec, err := layout.Decode(sent)
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, rec.NewSlice(int64(from), int64(n)))
			for name, v := range want {
				all[name] = append(all[name], v[from:]...)
			}
		}
		rec, err := layout.Join(parts...)
		if err != nil {
			t.Fatal(err)
		}
		if int(rec.NumRows()) != len(all["id"]) || !rec.Schema().Equal(layout.Arrow) {
			t.Errorf("%d rows of %v, want %d of %v", rec.NumRows(), rec.Schema(), len(all["id"]), layout.Arrow)
		}
		for i, name := range layout.Names() {
			if got := values(rec.Column(i)); len(got) != len(all[name]) || len(got) > 0 && !reflect.DeepEqual(got, all[name]) {
				t.Errorf("column %q holds %v, want %v", name, got, all[name])
			}
		}
	})
}

// TestRows copies rows by their numbers.
func TestRows(t *testing.T) {
	layout := layoutOf(t, everything())
	rec := layout.Sample(rand.New(rand.NewPCG(1, 2)), 9)
	rows := []int{8, 0, 3, 3}
	copied, err := layout.Rows(rec, rows)
	if err != nil {
		t.Fatal(err)
	}
	want := hashes(t, rec)
	for i, h := range hashes(t, copied) {
		if h != want[rows[i]] {
			t.Errorf("row %d is not row %d of what was copied", i, rows[i])
		}
	}
}
