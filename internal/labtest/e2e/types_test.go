//go:build lab

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/exporter"
	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/milvus"
)

// typesColumns are a field of each type, and how pyarrow calls its column.
var typesColumns = []struct {
	field *schemapb.FieldSchema
	says  string
}{
	{labtest.IntKey("id"), "int64"},
	{labtest.Field("bool", schemapb.DataType_Bool), "bool"},
	{labtest.Field("int8", schemapb.DataType_Int8), "int8"},
	{labtest.Field("int16", schemapb.DataType_Int16), "int16"},
	{labtest.Field("int32", schemapb.DataType_Int32), "int32"},
	{labtest.Field("float", schemapb.DataType_Float), "float"},
	{labtest.Field("double", schemapb.DataType_Double), "double"},
	{labtest.Field("text", schemapb.DataType_VarChar), "string"},
	{labtest.Field("json", schemapb.DataType_JSON), "string"},
	{labtest.Array("bytes", schemapb.DataType_Int8), "list<element: int8>"},
	{labtest.Array("texts", schemapb.DataType_VarChar), "list<element: string>"},
	{labtest.Vector("floats", schemapb.DataType_FloatVector, 33), "list<element: float>"},
	{labtest.Vector("bits", schemapb.DataType_BinaryVector, 264), "list<element: uint8>"},
	{labtest.Vector("few_bits", schemapb.DataType_BinaryVector, 8), "list<element: uint8>"}, // whose pages are the library's
	{labtest.Vector("halves", schemapb.DataType_Float16Vector, 33), "list<element: uint8>"},
	{labtest.Vector("brains", schemapb.DataType_BFloat16Vector, 33), "list<element: uint8>"},
	{labtest.Vector("ints", schemapb.DataType_Int8Vector, 33), "list<element: int8>"},
	{labtest.Field("sparse", schemapb.DataType_SparseFloatVector), "string"},
	{labtest.Field("place", schemapb.DataType_Geometry), "string"},
	{labtest.Field("time", schemapb.DataType_Timestamptz), "string"},
}

// TestTypesAreRead has pyarrow, pandas and DuckDB read a part with every type, and find in it what was put there.
func TestTypesAreRead(t *testing.T) {
	t.Parallel()
	schema, says := labtest.Schema(), map[string]string{}
	for _, c := range typesColumns {
		schema.Fields, says[c.field.Name] = append(schema.Fields, c.field), c.says
	}
	layout, err := columns.NewLayout(schema)
	if err != nil {
		t.Fatal(err)
	}
	const rows = 1000
	rec, folder := layout.Sample(rand.New(rand.NewPCG(1, 2)), rows), t.TempDir()
	part, expected := filepath.Join(folder, "part.parquet"), filepath.Join(folder, "expected.json")
	typesWrite(t, part, rec)
	text, err := json.Marshal(map[string]any{"columns": says, "rows": typesRows(rec)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(expected, text, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := readersPython(t.Context(), "testdata/parts.py", part, expected)
	if err != nil {
		t.Fatal(err)
	}
	var compared map[string]int
	if err := json.Unmarshal(out, &compared); err != nil {
		t.Fatalf("the comparison printed %q: %v", out, err)
	}
	all := rows * len(typesColumns)
	if want := map[string]int{"by_pyarrow": all, "by_pandas": all, "by_duckdb": all}; !maps.Equal(compared, want) {
		t.Errorf("compared %v values, want %v", compared, want)
	}
}

// TestTypesOfLite writes the later types that each Milvus Lite has as a sync does, exports them, and finds in the parts what pymilvus reads
// there.
func TestTypesOfLite(t *testing.T) {
	for name, test := range map[string]struct {
		server *milvus.Server
		fields []*schemapb.FieldSchema
	}{
		"2.5": {labtest.Lite25(t), []*schemapb.FieldSchema{
			labtest.Vector("bits", schemapb.DataType_BinaryVector, 264), labtest.Vector("halves", schemapb.DataType_Float16Vector, 33),
			labtest.Vector("brains", schemapb.DataType_BFloat16Vector, 33), labtest.Field("sparse", schemapb.DataType_SparseFloatVector),
		}},
		"3": {labtest.Lite3(t), []*schemapb.FieldSchema{
			labtest.Field("sparse", schemapb.DataType_SparseFloatVector), labtest.Field("place", schemapb.DataType_Geometry),
			labtest.Field("time", schemapb.DataType_Timestamptz),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const rows = 300
			c := labtest.Collection(labtest.Schema(append([]*schemapb.FieldSchema{labtest.IntKey("id")}, test.fields...)...))
			layout, err := columns.NewLayout(c.Schema)
			if err != nil {
				t.Fatal(err)
			}
			data, err := layout.Encode(layout.Sample(rand.New(rand.NewPCG(1, 2)), rows), labtest.Each(rows, func(i int) int { return i }))
			if err != nil {
				t.Fatal(err)
			}
			labtest.Create(t, test.server, c)
			labtest.Upsert(t, test.server, c.Name, labtest.Rows{N: rows, Columns: data})
			want := typesByPymilvus(t, test.server, c.Name)
			sink := labtest.Local(t)
			m, err := exporter.Export(t.Context(), test.server, c.Name, sink, exporter.Options{Job: "j", PartBytes: 30_000})
			if err != nil {
				t.Fatal(err)
			}
			var got []map[string]any
			for _, p := range m.Parts {
				stream, err := m.ReadPart(t.Context(), sink, p)
				for rec := range labtest.Batches(t, stream, err) {
					got = append(got, typesPlain(t, rec)...)
				}
			}
			if len(m.Parts) < 2 || len(got) != rows {
				t.Fatalf("%d parts with %d rows", len(m.Parts), len(got))
			}
			for i := range want {
				if !reflect.DeepEqual(got[i], want[i]) {
					t.Fatalf("the parts hold %v, pymilvus reads %v", got[i], want[i])
				}
			}
		})
	}
}

// typesByPymilvus are the rows of a collection by their keys, as values.py prints them. What is written in several ways is in the one of ours.
func typesByPymilvus(t *testing.T, server *milvus.Server, collection string) (rows []map[string]any) {
	t.Helper()
	if err := labtest.NewPython(t.Context(), &rows, "testdata/values.py", server.Address, collection); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if text, ok := row["time"].(string); ok {
			instant, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				t.Fatal(err)
			}
			row["time"] = instant.UTC().Format(time.RFC3339Nano)
		}
	}
	return rows
}

// typesPlain are the rows of a batch as values.py prints them.
func typesPlain(t *testing.T, rec arrow.Record) []map[string]any {
	t.Helper()
	text, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]any
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		sparse, weights := map[string]any{}, map[string]float64{}
		if err := json.Unmarshal([]byte(row["sparse"].(string)), &weights); err != nil {
			t.Fatal(err)
		}
		for index, weight := range weights {
			sparse[index] = fmt.Sprintf("%08x", math.Float32bits(float32(weight)))
		}
		row["sparse"] = sparse
	}
	return rows
}

// typesWrite writes a part of the rows, cut elsewhere than they came.
func typesWrite(t *testing.T, path string, rec arrow.Record) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := export.NewWriter(f, rec.Schema())
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range [][2]int64{{0, 1}, {1, 500}, {500, rec.NumRows()}} {
		if err := w.Write(rec.NewSlice(to[0], to[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// typesRows are the rows as parts.py wants them.
func typesRows(rec arrow.Record) [][]any {
	rows := make([][]any, rec.NumRows())
	for i := range rows {
		for _, col := range rec.Columns() {
			rows[i] = append(rows[i], typesValue(col, i))
		}
	}
	return rows
}

func typesValue(col arrow.Array, i int) any {
	switch c := col.(type) {
	case *array.Float32:
		return fmt.Sprintf("%016x", math.Float64bits(float64(c.Value(i))))
	case *array.Float64:
		return fmt.Sprintf("%016x", math.Float64bits(c.Value(i)))
	case *array.List:
		from, to := c.ValueOffsets(i)
		values := []any{}
		for j := from; j < to; j++ {
			values = append(values, typesValue(c.ListValues(), int(j)))
		}
		return values
	}
	return col.GetOneForMarshal(i)
}
