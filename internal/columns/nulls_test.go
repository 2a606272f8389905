package columns_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"migrate/internal/columns"
	"migrate/internal/labtest"
)

// nullables is everything, with NULL in all but the key.
func nullables() *schemapb.CollectionSchema {
	_, schema := nullableToo(everything())
	return schema
}

// drawNullables draws n rows as servers send them: of each field none, some or all are NULL, and these rows are left out, or have any
// value under them, or nobody says which they are since there are none.
func drawNullables(t *rapid.T, schema *schemapb.CollectionSchema, n int) (sent []*schemapb.FieldData, want map[string][]any) {
	sent, want = drawColumns(t, schema, n)
	for i, f := range schema.Fields {
		if !f.Nullable {
			continue
		}
		valid, there := drawValid(t, n)
		if there < n && rapid.Bool().Draw(t, "compact") {
			var values []any
			sent[i], values = drawColumn(t, f, there)
			want[f.Name] = spread(values, valid)
		}
		for row, v := range valid {
			if !v {
				want[f.Name][row] = nil
			}
		}
		if there < n || rapid.Bool().Draw(t, "said") {
			sent[i].ValidData = valid
		}
	}
	return sent, want
}

func drawValid(t *rapid.T, n int) (valid []bool, there int) {
	of := rapid.SampledFrom([]*rapid.Generator[bool]{rapid.Just(true), rapid.Just(false), rapid.Bool()}).Draw(t, "NULLs")
	valid = rapid.SliceOfN(of, n, n).Draw(t, "valid")
	for _, v := range valid {
		if v {
			there++
		}
	}
	return valid, there
}

func spread(values []any, valid []bool) []any {
	rows := make([]any, len(valid))
	for i, v := range valid {
		if v {
			rows[i], values = values[0], values[1:]
		}
	}
	return rows
}

// TestNulls decodes NULLs at any place in either form, and gives any of the rows as an insert takes them.
func TestNulls(t *testing.T) {
	schema := nullables()
	layout := layoutOf(t, schema)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 8).Draw(t, "rows")
		sent, want := drawNullables(t, schema, n)
		rec, err := layout.Decode(overTheWire(t, sent))
		if err != nil {
			t.Fatal(err)
		}
		wantValues(t, rec, layout, want)
		rows := []int{}
		if n > 0 {
			rows = rapid.SliceOf(rapid.IntRange(0, n-1)).Draw(t, "numbers")
		}
		data, err := layout.Encode(rec, rows)
		if err != nil {
			t.Fatal(err)
		}
		again, err := layout.Decode(overTheWire(t, data))
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range want {
			picked := make([]any, len(rows))
			for i, r := range rows {
				picked[i] = v[r]
			}
			want[name] = picked
		}
		wantValues(t, again, layout, want)
	})
}

func wantValues(t rapid.TB, rec arrow.Record, layout *columns.Layout, want map[string][]any) {
	t.Helper()
	if !rec.Schema().Equal(layout.Arrow) {
		t.Errorf("columns %v, want %v", rec.Schema(), layout.Arrow)
	}
	for i, name := range layout.Names() {
		if got := values(rec.Column(i)); !reflect.DeepEqual(got, want[name]) {
			t.Errorf("column %q holds %v, want %v", name, got, want[name])
		}
	}
}

// TestAnswer gives rows as servers of 2.5 and later answer, which decode as the same rows: scalars in full length, vectors without NULLs.
func TestAnswer(t *testing.T) {
	schema := nullables()
	layout := layoutOf(t, schema)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "rows")
		rec := layout.Sample(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), n).NewSlice(1, int64(n))
		rows := labtest.Each(n-1, func(i int) int { return i })
		answer, err := layout.Answer(rec, rows)
		if err != nil {
			t.Fatal(err)
		}
		back, err := layout.Decode(overTheWire(t, answer))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(hashes(t, back), hashes(t, rec)) {
			t.Errorf("%v came back of %v", back, rec)
		}
		_, plain := nullableToo(everything())
		for i, f := range plain.Fields {
			if f.DataType == schemapb.DataType_Geometry || f.DataType == schemapb.DataType_Timestamptz {
				continue // what lies under a NULL is none
			}
			f.Nullable = false
			answer[i].ValidData = nil
			alone := layoutOf(t, plain).Only(func(name string) bool { return name == f.Name })
			got, err := alone.Decode(answer[i : i+1])
			if err != nil {
				t.Fatal(err)
			}
			want := n - 1
			if answer[i].GetVectors() != nil {
				want -= rec.Column(i).NullN()
			}
			if int(got.NumRows()) != want {
				t.Errorf("column %q has %d values, want %d", f.Name, got.NumRows(), want)
			}
		}
	})
}

// TestEncodeNulls gives servers what they want: the values that are there, and of each row whether it has one.
func TestEncodeNulls(t *testing.T) {
	id, number := labtest.IntKey("id"), labtest.Field("number", schemapb.DataType_Int64)
	tags, vector := labtest.Array("tags", schemapb.DataType_VarChar), labtest.Vector("v", schemapb.DataType_FloatVector, 2)
	seven := labtest.Field("seven", schemapb.DataType_Int64)
	seven.DefaultValue = &schemapb.ValueField{Data: &schemapb.ValueField_LongData{LongData: 7}}
	number.Nullable, tags.Nullable, vector.Nullable = true, true, true
	layout := layoutOf(t, labtest.Schema(id, number, tags, vector, seven))
	rec, err := layout.Decode([]*schemapb.FieldData{
		labtest.Column(id, []int64{1, 2, 3}), validity(labtest.Column(number, []int64{5, 0, 0}), true, false, false),
		validity(labtest.Arrays(tags, [][]string{{}, {}, {"a"}}), false, true, true), validity(labtest.Vectors("v", 2, 1, 1), false, false, true),
		labtest.Column(seven, []int64{7, 8, 9}),
	})
	if err != nil {
		t.Fatal(err)
	}
	third := labtest.Vectors("v", 2, 1, 1).GetVectors().GetFloatVector().Data
	for _, test := range []struct {
		rows                                    []int
		numbers                                 []int64
		tags                                    [][]string
		vectors                                 []float32
		hasNumber, hasTags, hasVector, hasSeven []bool
	}{
		{[]int{2, 1, 0}, []int64{5}, [][]string{{"a"}, {}}, third, []bool{false, false, true}, []bool{true, true, false}, []bool{true, false, false}, []bool{true, true, true}},
		{[]int{1}, nil, [][]string{{}}, nil, []bool{false}, []bool{true}, []bool{false}, []bool{true}},
	} {
		data, err := layout.Encode(rec, test.rows)
		if err != nil {
			t.Fatal(err)
		}
		data = overTheWire(t, data)
		if got := data[1]; !slices.Equal(got.GetScalars().GetLongData().GetData(), test.numbers) || !slices.Equal(got.ValidData, test.hasNumber) {
			t.Errorf("rows %d: numbers %v", test.rows, got)
		}
		var lists [][]string
		for _, list := range data[2].GetScalars().GetArrayData().GetData() {
			lists = append(lists, append([]string{}, list.GetStringData().GetData()...))
		}
		if !reflect.DeepEqual(lists, test.tags) || !slices.Equal(data[2].ValidData, test.hasTags) {
			t.Errorf("rows %d: tags %v", test.rows, data[2])
		}
		if got := data[3].GetVectors(); !slices.Equal(got.GetFloatVector().GetData(), test.vectors) || got.Dim != 2 || !slices.Equal(data[3].ValidData, test.hasVector) {
			t.Errorf("rows %d: vectors %v", test.rows, data[3])
		}
		for i, d := range data[1:] {
			if d.GetScalars().GetData() == nil && d.GetVectors().GetData() == nil {
				t.Errorf("rows %d: column %d says not what its values are", test.rows, i+1)
			}
		}
		if data[0].ValidData != nil || !slices.Equal(data[4].ValidData, test.hasSeven) {
			t.Errorf("rows %d: of the key it says %v, and of a field with a default %v", test.rows, data[0].ValidData, data[4].ValidData)
		}
	}
}

func TestDecodeRefusesNulls(t *testing.T) {
	id, number := labtest.IntKey("id"), labtest.Field("number", schemapb.DataType_Int64)
	number.Nullable = true
	layout := layoutOf(t, labtest.Schema(id, number))
	for name, test := range map[string]struct {
		id, number *schemapb.FieldData
		says       string
	}{
		"a key":            {validity(labtest.Column(id, []int64{1, 0}), true, false), labtest.Column(number, []int64{1, 2}), `"id": it holds NULLs`},
		"too few values":   {labtest.Column(id, []int64{1, 2, 3}), validity(labtest.Column(number, []int64{}), true, false, false), `"number": 0 values of 3 rows, of which 1 are valid`},
		"too many values":  {labtest.Column(id, []int64{1, 2}), validity(labtest.Column(number, []int64{1, 2, 3}), true, false), `"number": 3 values of 2 rows`},
		"rows of others":   {labtest.Column(id, []int64{1, 2}), validity(labtest.Column(number, []int64{1}), false, true, false), `"number" has 3 rows`},
		"nobody says whom": {labtest.Column(id, []int64{1, 2}), labtest.Column(number, []int64{1}), `"number" has 1 rows`},
	} {
		if _, err := layout.Decode([]*schemapb.FieldData{test.id, test.number}); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want an error that says %q", name, err, test.says)
		}
	}
}

// TestDynamicNull: where later servers say that a row has no dynamic fields, it has an empty object.
func TestDynamicNull(t *testing.T) {
	id := labtest.IntKey("id")
	schema := labtest.Schema(id)
	schema.EnableDynamicField = true
	layout := layoutOf(t, schema)
	for _, sent := range []*schemapb.FieldData{
		labtest.Dynamic([][]byte{[]byte("{}"), []byte(`{"a":1}`)}),
		validity(labtest.Dynamic([][]byte{nil, []byte(`{"a":1}`)}), false, true),
		validity(labtest.Dynamic([][]byte{[]byte(`{"a":1}`)}), false, true),
	} {
		rec, err := layout.Decode([]*schemapb.FieldData{labtest.Column(id, []int64{1, 2}), sent})
		if err != nil {
			t.Fatal(err)
		}
		wantValues(t, rec, layout, map[string][]any{"id": {int64(1), int64(2)}, "$meta": {"{}", `{"a":1}`}})
	}
}

// TestNullsCount: NULL is no value of any column, and what lies under it is none.
func TestNullsCount(t *testing.T) {
	schema := nullables()
	layout := layoutOf(t, schema)
	rapid.Check(t, func(t *rapid.T) {
		values, _ := drawColumns(t, schema, 3)
		others, _ := drawColumns(t, schema, 3)
		rec, err := layout.Decode(values)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range schema.Fields[1:] {
			null := slices.Clone(values)
			null[i+1] = validity(proto.CloneOf(values[i+1]), true, false, true)
			withNull, err := layout.Decode(null)
			if err != nil {
				t.Fatal(err)
			}
			a, b := hashes(t, rec), hashes(t, withNull)
			if a[0] != b[0] || a[1] == b[1] || a[2] != b[2] {
				t.Errorf("%q is NULL in the second of three rows: %x, and %x without", f.Name, b, a)
			}
			null[i+1] = validity(others[i+1], false, false, false)
			all, err := layout.Decode(null)
			if err != nil {
				t.Fatal(err)
			}
			if got := hashes(t, all); got[1] != b[1] {
				t.Errorf("another value under a NULL of %q counts: %x, want %x", f.Name, got, b)
			}
		}
	})
}

// TestEmptyIsNotNull: what looks like nothing is something.
func TestEmptyIsNotNull(t *testing.T) {
	for kind, empty := range map[schemapb.DataType]any{
		schemapb.DataType_Bool: []bool{false}, schemapb.DataType_Int8: []int32{0}, schemapb.DataType_Int64: []int64{0},
		schemapb.DataType_Double: []float64{0}, schemapb.DataType_VarChar: []string{""}, schemapb.DataType_JSON: [][]byte{[]byte("null")},
	} {
		wantNotNull(t, labtest.Field("x", kind), labtest.Column(labtest.Field("x", kind), empty))
	}
	for _, element := range []schemapb.DataType{schemapb.DataType_Int64, schemapb.DataType_VarChar} {
		field := labtest.Array("x", element)
		wantNotNull(t, field, labtest.Arrays(field, [][]int64{{}}))
	}
}

func wantNotNull(t *testing.T, field *schemapb.FieldSchema, column *schemapb.FieldData) {
	t.Helper()
	plain := layoutOf(t, labtest.Schema(labtest.IntKey("id"), proto.CloneOf(field)))
	field.Nullable = true
	layout := layoutOf(t, labtest.Schema(labtest.IntKey("id"), field))
	hash := func(l *columns.Layout, column *schemapb.FieldData) uint64 {
		rec, err := l.Decode([]*schemapb.FieldData{labtest.Column(labtest.IntKey("id"), []int64{1}), column})
		if err != nil {
			t.Fatal(err)
		}
		return hashes(t, rec)[0]
	}
	asPlain, value, null := hash(plain, column), hash(layout, proto.CloneOf(column)), hash(layout, validity(proto.CloneOf(column), false))
	if value != asPlain || null == value {
		t.Errorf("an empty %s: %x, NULL %x, and %x where it takes none", field.DataType, value, null, asPlain)
	}
}

// TestMeasureNulls counts NULLs and arrays without elements, with the first key of each, and looks at no value under a NULL.
func TestMeasureNulls(t *testing.T) {
	id, title := labtest.IntKey("id"), labtest.Field("title", schemapb.DataType_VarChar)
	tags, plain := labtest.Array("tags", schemapb.DataType_VarChar), labtest.Array("plain", schemapb.DataType_VarChar)
	title.Nullable, tags.Nullable = true, true
	layout := layoutOf(t, labtest.Schema(id, title, tags, plain))
	var all map[string]columns.Stats
	for _, keys := range [][]int64{{9, 3, 5}, {1, 8, 2}} {
		rec, err := layout.Decode([]*schemapb.FieldData{
			labtest.Column(id, keys), validity(labtest.Column(title, []string{"far too long", "ab", ""}), false, true, false),
			validity(labtest.Arrays(tags, [][]string{{"far too long"}, {}, {"x"}}), false, true, true), labtest.Arrays(plain, [][]string{{}, {}, {}}),
		})
		if err != nil {
			t.Fatal(err)
		}
		all = columns.AddStats(all, layout.Measure(rec))
	}
	want := map[string]string{
		"title": "longest 2 at 3, NULL in 4 from 1", "tags": "longest 1 at 2, NULL in 2 from 1, empty in 2 from 3",
	}
	for name, s := range all {
		got := fmt.Sprintf("longest %d at %s, NULL in %d from %s", s.Longest.N, s.Longest.Key, s.Nulls.Rows, s.Nulls.Key)
		if s.Empty != nil {
			got += fmt.Sprintf(", empty in %d from %s", s.Empty.Rows, s.Empty.Key)
		}
		if got != want[name] {
			t.Errorf("%s: %s; want %s", name, got, want[name])
		}
	}
	if len(all) != len(want) {
		t.Errorf("stats of %d columns: %v", len(all), all)
	}
}

// TestAllocations: those of a batch do not grow with its rows.
func TestAllocations(t *testing.T) {
	layout := layoutOf(t, nullables())
	allocations := func(rows int) (decode, encode float64) {
		rec := layout.Sample(rand.New(rand.NewPCG(1, 2)), rows)
		numbers := labtest.Each(rows, func(i int) int { return i })
		data, err := layout.Encode(rec, numbers)
		if err != nil {
			t.Fatal(err)
		}
		return testing.AllocsPerRun(3, func() { _, err = layout.Decode(data) }), testing.AllocsPerRun(3, func() { _, err = layout.Encode(rec, numbers) })
	}
	decode, encode := allocations(100)
	if d, e := allocations(1000); d > decode || e > encode {
		t.Errorf("1,000 rows take %v and %v allocations, and 100 rows %v and %v", d, e, decode, encode)
	}
}

// FuzzDecode decodes anything that a connection may bring: what is refused is refused by an error, and the rest is rows.
func FuzzDecode(f *testing.F) {
	layout := layoutOf(f, nullables())
	add := func(data []*schemapb.FieldData) {
		wire, err := proto.Marshal(&milvuspb.QueryResults{FieldsData: data})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	for n := range 3 {
		rec := layout.Sample(rand.New(rand.NewPCG(1, 2)), n)
		data, err := layout.Encode(rec, labtest.Each(n, func(i int) int { return i }))
		if err != nil {
			f.Fatal(err)
		}
		add(data)
	}
	add(layout.Empty())
	f.Fuzz(func(t *testing.T, wire []byte) {
		var answer milvuspb.QueryResults
		if proto.Unmarshal(wire, &answer) != nil {
			return
		}
		rec, err := layout.Decode(answer.FieldsData)
		if err != nil {
			return
		}
		n := int(rec.NumRows())
		layout.Measure(rec)
		copied, err := layout.Rows(rec, labtest.Each(n, func(i int) int { return i }))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(hashes(t, copied), hashes(t, rec)) {
			t.Errorf("a copy of %d rows is not equal", n)
		}
	})
}
