package columns_test

import (
	"reflect"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"pgregory.net/rapid"

	"migrate/internal/columns"
)

// TestTake picks rows of an answer: read again, they are those rows, in that order, as they were; and what the server left
// out of empty arrays is there.
func TestTake(t *testing.T) {
	schema := everything()
	layout := layoutOf(t, schema)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "rows")
		sent, want := drawColumns(t, schema, n)
		rows := rapid.SliceOf(rapid.IntRange(0, n-1)).Draw(t, "numbers")
		taken, err := layout.Take(rapid.Permutation(sent).Draw(t, "order"), rows)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := layout.Record(taken)
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range layout.Names() {
			picked := make([]any, len(rows))
			for j, r := range rows {
				picked[j] = want[name][r]
			}
			if got := values(rec.Column(i)); !reflect.DeepEqual(got, picked) {
				t.Errorf("column %q holds %v, want %v", name, got, picked)
			}
			wantTyped(t, taken[i])
		}
	})
}

// wantTyped wants the type of its elements in each array.
func wantTyped(t *rapid.T, d *schemapb.FieldData) {
	t.Helper()
	if d.GetType() != schemapb.DataType_Array {
		return
	}
	if d.GetScalars().GetArrayData().GetElementType() == schemapb.DataType_None {
		t.Errorf("column %q does not say of what its arrays are", d.GetFieldName())
	}
	for _, a := range d.GetScalars().GetArrayData().GetData() {
		if a.GetData() == nil {
			t.Errorf("column %q has an array without a type", d.GetFieldName())
		}
	}
}

// TestTakeRefuses an answer that lacks a column.
func TestTakeRefuses(t *testing.T) {
	layout := layoutOf(t, everything())
	if _, err := layout.Take(nil, nil); err == nil {
		t.Error("nothing is taken for rows")
	}
}

// TestAppend joins two answers to one question, whatever order their columns come in.
func TestAppend(t *testing.T) {
	schema := everything()
	layout := layoutOf(t, schema)
	rapid.Check(t, func(t *rapid.T) {
		n, m := rapid.IntRange(0, 5).Draw(t, "rows"), rapid.IntRange(0, 5).Draw(t, "more")
		first, want := drawColumns(t, schema, n)
		second, more := drawColumns(t, schema, m)
		rec, err := layout.Record(columns.Append(rapid.Permutation(first).Draw(t, "order"), rapid.Permutation(second).Draw(t, "order")))
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range layout.Names() {
			if got, all := values(rec.Column(i)), append(want[name], more[name]...); len(got) != len(all) || len(all) > 0 && !reflect.DeepEqual(got, all) {
				t.Errorf("column %q holds %v, want %v", name, got, all)
			}
		}
	})
}
