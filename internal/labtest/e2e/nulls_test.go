//go:build lab

package e2e

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/exporter"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/labtest/pairs"
	"migrate/internal/milvus"
	"migrate/internal/verify"
)

// TestNulls exports NULLs and defaults of a Milvus Lite 3, and finds in the parts what pymilvus reads there; and syncs them onto
// another collection, where pymilvus reads the same.
func TestNulls(t *testing.T) {
	t.Parallel()
	const rows = 300
	server := labtest.Lite3(t)
	c := labtest.Collection(labtest.NullableSchema(labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
	labtest.Create(t, server, c)
	labtest.Insert(t, server, c.Name, "", labtest.NullableRows(0, rows, labtest.Vectors("v", 2, rows, 1)))
	want := readByPymilvus(t, server, c.Name)
	if nulls := nullsIn(want); len(want) != rows || nulls["number"] != 100 || nulls["title"] != 75 || nulls["doc"] != 150 || nulls["tags"] != 60 || nulls["size"] != 0 {
		t.Errorf("pymilvus reads %d rows with NULLs %v", len(want), nulls)
	}

	sink := labtest.Local(t)
	m, err := exporter.Export(t.Context(), server, c.Name, sink, exporter.Options{Job: "j", PartBytes: 5000})
	if err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	for _, p := range m.Parts {
		stream, err := m.ReadPart(t.Context(), sink, p)
		for rec := range labtest.Batches(t, stream, err) {
			got = append(got, plainRows(t, rec)...)
		}
	}
	wantRows(t, "the parts hold", got, want)

	there := labtest.Collection(c.Schema)
	labtest.Create(t, server, there)
	p := pairs.Pair{Source: server, Target: server, Name: c.Name, Sink: sink}
	opts := p.Options()
	opts.As = there.Name
	if _, err := p.Sync(t, opts); err != nil {
		t.Fatal(err)
	}
	wantRows(t, "after a sync there are", readByPymilvus(t, server, there.Name), want)
	wantEqual(t, compare(t, export.Source{Sink: sink, Manifest: m}, side(t, server, there.Name), verify.Options{}), rows)

	// Values become NULL, and NULLs values.
	labtest.Upsert(t, server, c.Name, rekeyed(labtest.NullableRows(1, 31, labtest.Vectors("v", 2, 30, 2)), 100))
	if _, err := p.Sync(t, opts); err != nil {
		t.Fatal(err)
	}
	wantRows(t, "after another sync there are", readByPymilvus(t, server, there.Name), readByPymilvus(t, server, c.Name))
	wantEqual(t, compare(t, side(t, server, c.Name), side(t, server, there.Name), verify.Options{}), rows)
}

// rekeyed gives rows the keys from one on.
func rekeyed(rows labtest.Rows, first int64) labtest.Rows {
	rows.Columns[0] = labtest.Column(labtest.IntKey("id"), labtest.Each(rows.N, func(i int) int64 { return first + int64(i) }))
	return rows
}

// TestDefaults moves and syncs a collection with defaults between servers that have no NULL, and ignore what is said of one.
func TestDefaults(t *testing.T) {
	t.Parallel()
	number, text := labtest.Field("number", schemapb.DataType_Int64), labtest.Field("text", schemapb.DataType_VarChar)
	number.DefaultValue = &schemapb.ValueField{Data: &schemapb.ValueField_LongData{LongData: 7}}
	text.DefaultValue = &schemapb.ValueField{Data: &schemapb.ValueField_StringData{StringData: "none"}}
	rows := func(from, to int, add int64) labtest.Rows {
		n := to - from
		return labtest.Rows{N: n, Columns: []*schemapb.FieldData{
			labtest.Column(labtest.IntKey("id"), labtest.Each(n, func(i int) int64 { return int64(from + i) })), labtest.Vectors("v", 2, n, 1),
			labtest.Column(number, labtest.Each(n, func(i int) int64 { return int64(i%10) + add })),
			labtest.Column(text, labtest.Each(n, func(i int) string { return []string{"", "none", "some"}[i%3] })),
		}}
	}
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2), number, text))
	from, to := labtest.Source(t), labtest.Target(t)
	labtest.Create(t, from, c)
	labtest.Insert(t, from, c.Name, "", rows(0, 300, 0))
	trip{coll: c, rows: 300}.run(t, labtest.Local(t))
	if d := labtest.Describe(t, to, c.Name).Schema.Fields[2].GetDefaultValue(); d.GetLongData() != 7 {
		t.Errorf("the target has the default %v", d)
	}
	labtest.Upsert(t, from, c.Name, rows(100, 130, 1))
	p := pairs.Pair{Source: from, Target: to, Name: c.Name, Sink: labtest.Local(t)}
	p.WantSync(t)
	p.WantEqual(t)
}

// readByPymilvus are the rows of a collection as pymilvus reads them, without the vectors.
func readByPymilvus(t *testing.T, server *milvus.Server, collection string) (rows []map[string]any) {
	t.Helper()
	if err := labtest.NewPython(t.Context(), &rows, "../testdata/nulls.py", server.Address, collection); err != nil {
		t.Fatal(err)
	}
	return rows
}

func nullsIn(rows []map[string]any) map[string]int {
	nulls := map[string]int{}
	for _, row := range rows {
		for name, v := range row {
			if v == nil {
				nulls[name]++
			}
		}
	}
	return nulls
}

// plainRows are the rows of a batch in terms of JSON, without the vectors: what is in the dynamic field lies beside the others.
func plainRows(t *testing.T, rec arrow.Record) (rows []map[string]any) {
	t.Helper()
	for i := range int(rec.NumRows()) {
		row := map[string]any{}
		for j, f := range rec.Schema().Fields() {
			switch v := plainValue(rec.Column(j), i); f.Name {
			case "v":
			case "$meta":
				document(t, v, &row)
			case "doc":
				row["doc"] = nil
				if v != nil {
					var doc any
					document(t, v, &doc)
					row["doc"] = doc
				}
			default:
				row[f.Name] = v
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func document(t *testing.T, text any, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text.(string)), into); err != nil {
		t.Fatal(err)
	}
}

func plainValue(col arrow.Array, i int) any {
	if col.IsNull(i) {
		return nil
	}
	switch c := col.(type) {
	case *array.Int64:
		return float64(c.Value(i))
	case *array.Int32:
		return float64(c.Value(i))
	case *array.Float64:
		return c.Value(i)
	case *array.String:
		return c.Value(i)
	case *array.List:
		from, to := c.ValueOffsets(i)
		list := []any{}
		for j := from; j < to; j++ {
			list = append(list, plainValue(c.ListValues(), int(j)))
		}
		return list
	}
	return math.NaN() // equal to nothing
}

func wantRows(t *testing.T, what string, got, want []map[string]any) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s %d rows, pymilvus reads %d", what, len(got), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("%s %v, pymilvus reads %v", what, got[i], want[i])
		}
	}
}
