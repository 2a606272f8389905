package columns_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"migrate/internal/columns"
	"migrate/internal/model"
)

// row is one row of a table: its values in the order of the columns, those of a list as []any.
type row []any

// scalars are the columns' types, and those of the lists' elements.
var scalars = []arrow.DataType{
	arrow.FixedWidthTypes.Boolean, arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32,
	arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64, arrow.BinaryTypes.String,
	arrow.PrimitiveTypes.Uint8,
}

// allColumns has a column of each type; "id" is the first.
func allColumns() []arrow.Field {
	fields := []arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}
	for _, t := range scalars {
		fields = append(fields, arrow.Field{Name: t.Name(), Type: t}, arrow.Field{Name: "list of " + t.Name(), Type: arrow.ListOf(t)})
	}
	return fields
}

func record(fields []arrow.Field, rows []row) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	for _, r := range rows {
		for i, v := range r {
			appendTo(b.Field(i), v)
		}
	}
	return b.NewRecord()
}

func appendTo(b array.Builder, v any) {
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v.(bool))
	case *array.Int8Builder:
		b.Append(v.(int8))
	case *array.Int16Builder:
		b.Append(v.(int16))
	case *array.Int32Builder:
		b.Append(v.(int32))
	case *array.Int64Builder:
		b.Append(v.(int64))
	case *array.Uint8Builder:
		b.Append(v.(uint8))
	case *array.Float32Builder:
		b.Append(v.(float32))
	case *array.Float64Builder:
		b.Append(v.(float64))
	case *array.StringBuilder:
		b.Append(v.(string))
	case *array.ListBuilder:
		b.Append(true)
		for _, element := range v.([]any) {
			appendTo(b.ValueBuilder(), element)
		}
	}
}

// drawRows draws at least least rows of every type, with distinct ids.
func drawRows(t *rapid.T, least int) []row {
	rows := make([]row, rapid.IntRange(least, 12).Draw(t, "rows"))
	for i := range rows {
		rows[i] = row{int64(i)}
		for _, f := range allColumns()[1:] {
			rows[i] = append(rows[i], drawValue(t, f.Type))
		}
	}
	return rows
}

func drawValue(t *rapid.T, typ arrow.DataType) any {
	switch typ.ID() {
	case arrow.BOOL:
		return rapid.Bool().Draw(t, "bool")
	case arrow.INT8:
		return rapid.Int8().Draw(t, "int8")
	case arrow.INT16:
		return rapid.Int16().Draw(t, "int16")
	case arrow.INT32:
		return rapid.Int32().Draw(t, "int32")
	case arrow.INT64:
		return rapid.Int64().Draw(t, "int64")
	case arrow.UINT8:
		return rapid.Uint8().Draw(t, "uint8")
	case arrow.FLOAT32:
		return rapid.Float32().Draw(t, "float32")
	case arrow.FLOAT64:
		return rapid.Float64().Draw(t, "float64")
	case arrow.STRING:
		return rapid.String().Draw(t, "text")
	}
	list := make([]any, rapid.IntRange(0, 3).Draw(t, "length"))
	for i := range list {
		list[i] = drawValue(t, typ.(*arrow.ListType).Elem())
	}
	return list
}

func sum(t rapid.TB, rec arrow.Record, without ...string) model.Sum {
	t.Helper()
	var s model.Sum
	s.AddRows(hashes(t, rec, without...))
	return s
}

func hashes(t rapid.TB, rec arrow.Record, without ...string) []uint64 {
	t.Helper()
	h, err := columns.Hash(rec, without...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// The sum is that of the rows, whatever their order, that of their columns, and the batches in which they come.
func TestOrderDoesNotCount(t *testing.T) {
	fields := allColumns()
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t, 0)
		want := sum(t, record(fields, rows))
		if want.Rows != int64(len(rows)) {
			t.Errorf("%d rows summed, of %d", want.Rows, len(rows))
		}
		shuffled := rapid.Permutation(rows).Draw(t, "shuffled")
		if got := sum(t, record(fields, shuffled)); got != want {
			t.Errorf("rows in another order: %v, want %v", got, want)
		}
		at := rapid.IntRange(0, len(rows)).Draw(t, "cut")
		got := sum(t, record(fields, shuffled[:at]))
		got.Add(sum(t, record(fields, shuffled[at:])))
		if got != want {
			t.Errorf("rows in two batches: %v, want %v", got, want)
		}
		order := rapid.Permutation(indices(fields)).Draw(t, "columns")
		if got := sum(t, record(permute(fields, order), permuteAll(rows, order))); got != want {
			t.Errorf("columns in another order: %v, want %v", got, want)
		}
	})
}

func indices(fields []arrow.Field) []int {
	all := make([]int, len(fields))
	for i := range all {
		all[i] = i
	}
	return all
}

func permute[S ~[]E, E any](s S, order []int) S {
	permuted := make(S, len(order))
	for i, from := range order {
		permuted[i] = s[from]
	}
	return permuted
}

func permuteAll(rows []row, order []int) []row {
	permuted := make([]row, len(rows))
	for i, r := range rows {
		permuted[i] = permute(r, order)
	}
	return permuted
}

// Any value that is another, or in another row, makes another sum.
func TestEveryValueCounts(t *testing.T) {
	fields := allColumns()
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t, 2)
		before := sum(t, record(fields, rows))
		column := rapid.IntRange(1, len(fields)-1).Draw(t, "column")
		i := rapid.IntRange(0, len(rows)-2).Draw(t, "row")
		a, b := rows[i][column], rows[i+1][column]

		other := drawValue(t, fields[column].Type)
		rows[i][column] = other
		if got := sum(t, record(fields, rows)); sameValue(a, other) != (got == before) {
			t.Errorf("%v became %v in %q: sum %v, before %v", a, other, fields[column].Name, got, before)
		}
		rows[i][column], rows[i+1][column] = b, a
		if got := sum(t, record(fields, rows)); sameValue(a, b) != (got == before) {
			t.Errorf("%v and %v changed places in %q: sum %v, before %v", a, b, fields[column].Name, got, before)
		}
	})
}

// same compares bits, and lists by their elements: %#v tells a -0.0 from a 0.0, and "a" from a.
func sameValue(a, b any) bool { return fmt.Sprintf("%#v", a) == fmt.Sprintf("%#v", b) }

// An element that moves to the list of the next row, where the bits of the whole column stay as they are.
func TestBoundsOfListsCount(t *testing.T) {
	for _, typ := range scalars {
		fields := []arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "list", Type: arrow.ListOf(typ)}}
		rapid.Check(t, func(t *rapid.T) {
			elements := make([]any, rapid.IntRange(1, 6).Draw(t, "elements"))
			for i := range elements {
				elements[i] = drawValue(t, typ)
			}
			at := rapid.IntRange(0, len(elements)-1).Draw(t, "bound")
			cut := func(at int) []row { return []row{{int64(1), elements[:at]}, {int64(2), elements[at:]}} }
			if a, b := sum(t, record(fields, cut(at))), sum(t, record(fields, cut(at+1))); a == b {
				t.Errorf("lists of %v cut at %d and %d have the same sum %v", elements, at, at+1, a)
			}
		})
	}
}

func TestWhatDiffers(t *testing.T) {
	for _, test := range []struct {
		what string
		typ  arrow.DataType
		a, b any
	}{
		{"zero and minus zero", arrow.PrimitiveTypes.Float32, float32(0), float32(math.Copysign(0, -1))},
		{"zero and minus zero", arrow.PrimitiveTypes.Float64, 0.0, math.Copysign(0, -1)},
		{"vectors with zero and minus zero", arrow.ListOf(arrow.PrimitiveTypes.Float32), []any{float32(0)}, []any{float32(math.Copysign(0, -1))}},
		{"NaNs of other bits", arrow.PrimitiveTypes.Float64, math.NaN(), math.Float64frombits(math.Float64bits(math.NaN()) ^ 2)},
		{"an empty list and one of zero", arrow.ListOf(arrow.PrimitiveTypes.Int8), []any{}, []any{int8(0)}},
		{"an empty list and one of no text", arrow.ListOf(arrow.BinaryTypes.String), []any{}, []any{""}},
		{"lists of one and two empty texts", arrow.ListOf(arrow.BinaryTypes.String), []any{""}, []any{"", ""}},
		{"texts cut elsewhere", arrow.ListOf(arrow.BinaryTypes.String), []any{"ab", "c"}, []any{"a", "bc"}},
		{"texts in another order", arrow.ListOf(arrow.BinaryTypes.String), []any{"a", "b"}, []any{"b", "a"}},
		{"numbers in another order", arrow.ListOf(arrow.PrimitiveTypes.Int16), []any{int16(1), int16(2)}, []any{int16(2), int16(1)}},
		{"text with a zero byte more", arrow.BinaryTypes.String, "a", "a\x00"},
		{"text in another normal form", arrow.BinaryTypes.String, "\u00e4", "a\u0308"},
	} {
		fields := []arrow.Field{{Name: "x", Type: test.typ}}
		a, b := sum(t, record(fields, []row{{test.a}})), sum(t, record(fields, []row{{test.b}}))
		if a == b {
			t.Errorf("%s have the same sum %v", test.what, a)
		}
	}
}

// The same values under other names are other rows.
func TestNamesCount(t *testing.T) {
	typ := arrow.PrimitiveTypes.Int64
	ab := []arrow.Field{{Name: "a", Type: typ}, {Name: "b", Type: typ}}
	ba := []arrow.Field{ab[1], ab[0]}
	rows := []row{{int64(1), int64(2)}}
	if a, b := sum(t, record(ab, rows)), sum(t, record(ba, rows)); a == b {
		t.Errorf("columns that changed their names have the same sum %v", a)
	}
}

// A row twice is not none: sums are added, not folded.
func TestDoubledRowsCount(t *testing.T) {
	fields := []arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}}
	one := sum(t, record(fields, []row{{int64(1)}}))
	two := sum(t, record(fields, []row{{int64(1)}, {int64(1)}}))
	if want := (model.Sum{Rows: 2, Hash: 2 * one.Hash}); two != want || two.Hash == 0 {
		t.Errorf("a row twice: %v, want %v", two, want)
	}
}

func TestWithout(t *testing.T) {
	fields := allColumns()
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t, 1)
		column := rapid.IntRange(0, len(fields)-1).Draw(t, "column")
		left := slices.Delete(indices(fields), column, column+1)
		want := hashes(t, record(permute(fields, left), permuteAll(rows, left)))
		if got := hashes(t, record(fields, rows), fields[column].Name); !slices.Equal(got, want) {
			t.Errorf("without %q: %x, want %x", fields[column].Name, got, want)
		}
	})
}

// A slice of a batch, which shares its arrays, hashes as the rows that it holds.
func TestSlices(t *testing.T) {
	fields := allColumns()
	rapid.Check(t, func(t *rapid.T) {
		rec := record(fields, drawRows(t, 1))
		want := hashes(t, rec)
		from := rapid.Int64Range(0, rec.NumRows()).Draw(t, "from")
		to := rapid.Int64Range(from, rec.NumRows()).Draw(t, "to")
		slice := rec.NewSlice(from, to)
		if got := hashes(t, slice); !slices.Equal(got, want[from:to]) {
			t.Errorf("rows %d to %d: %x, want %x", from, to, got, want[from:to])
		}
		if got := hashes(t, slice.NewSlice(0, (to-from)/2)); !slices.Equal(got, want[from:from+(to-from)/2]) {
			t.Errorf("a slice of a slice: %x, want a part of %x", got, want)
		}
	})
}

func TestRowsRefuses(t *testing.T) {
	for _, typ := range []arrow.DataType{arrow.FixedWidthTypes.Date32, arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int8))} {
		_, err := columns.Hash(record([]arrow.Field{{Name: "odd", Type: typ}}, nil))
		if err == nil || !strings.Contains(err.Error(), `"odd"`) {
			t.Errorf("%s: %v, want an error that names the column", typ, err)
		}
	}
}

func TestSumInJSON(t *testing.T) {
	for text, s := range map[string]model.Sum{
		`{"rows":0,"hash":"0000000000000000"}`: {},
		`{"rows":3,"hash":"00000000000000ff"}`: {Rows: 3, Hash: 255},
		`{"rows":1,"hash":"ffffffffffffffff"}`: {Rows: 1, Hash: math.MaxUint64},
	} {
		got, err := json.Marshal(s)
		if err != nil || string(got) != text {
			t.Errorf("%v: %s, %v; want %s", s, got, err, text)
		}
		var back model.Sum
		if err := json.Unmarshal([]byte(text), &back); err != nil || back != s {
			t.Errorf("%s: %v, %v; want %v", text, back, err, s)
		}
	}
}

func TestDigestRefuses(t *testing.T) {
	for _, text := range []string{"", "xyz", "12zz", " 12", "+12", "0x12", "12 34", "10000000000000000"} {
		var d model.Digest
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q became %x", text, d)
		}
	}
}
