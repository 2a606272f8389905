//go:build lab

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/deploy/lab"
	"migrate/exporter"
	"migrate/internal/labtest"
	"migrate/internal/model"
	"migrate/sinks"
)

const readersRows = 3000

// TestReaders exports collections that have every type, with values that are easily lost, and has pyarrow and DuckDB
// read the parts. Every value has to be what pymilvus reads from the source.
func TestReaders(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		key, vector *schemapb.FieldSchema
		columns     func(readersSpan) []*schemapb.FieldData // of those two fields
	}{
		{
			"INT64 key, FLOAT_VECTOR", labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, dim),
			func(s readersSpan) []*schemapb.FieldData {
				return []*schemapb.FieldData{labtest.Column(labtest.IntKey("id"), readersEach(s, readersIntKey)), readersVectors(s)}
			},
		},
		{
			"VARCHAR key, BINARY_VECTOR", labtest.TextKey("id"), labtest.Vector("v", schemapb.DataType_BinaryVector, 64),
			func(s readersSpan) []*schemapb.FieldData {
				return []*schemapb.FieldData{
					labtest.Column(labtest.TextKey("id"), readersEach(s, readersTextKey)), labtest.BinaryVectors("v", 64, s.n, uint64(s.from)),
				}
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			scalars := readersScalars()
			fields := append([]*schemapb.FieldSchema{test.key, test.vector}, scalars.fields...)
			c := labtest.Collection(labtest.Schema(fields...), model.DefaultPartition, "second")
			c.Schema.EnableDynamicField = true
			folder := readersExport(t, c, func(s readersSpan) labtest.Rows {
				columns := append(test.columns(s), scalars.columns(s)...)
				return labtest.Rows{N: s.n, Columns: append(columns, labtest.Dynamic(readersJSON(s, readersMeta)))}
			})
			readersCompare(t, c.Name, folder, len(fields)+1)
		})
	}
}

// readersSpan is n of the rows, from the one of that number on.
type readersSpan struct{ from, n int }

// readersEach makes a column of the value of each row of a span.
func readersEach[T any](s readersSpan, value func(i int) T) []T {
	return labtest.Each(s.n, func(i int) T { return value(s.from + i) })
}

// readersExport fills a collection, a third of it sealed and in a partition of its own, and exports it in several parts.
// It returns the export's folder.
func readersExport(t *testing.T, c *model.Collection, rows func(readersSpan) labtest.Rows) string {
	t.Helper()
	server, folder := labtest.Source(t), t.TempDir()
	labtest.Create(t, server, c)
	labtest.Insert(t, server, c.Name, "second", rows(readersSpan{0, readersRows / 3}))
	labtest.Flush(t, server, c.Name)
	labtest.Insert(t, server, c.Name, "", rows(readersSpan{readersRows / 3, readersRows - readersRows/3}))
	sink, err := sinks.NewLocal(folder)
	if err != nil {
		t.Fatal(err)
	}
	m, err := exporter.Export(t.Context(), server, c.Name, sink, exporter.Options{Job: "job", PartBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Parts) < 4 {
		t.Errorf("exported in %d parts; want several in each partition", len(m.Parts))
	}
	return filepath.Join(folder, "job")
}

// readersCompare runs the comparison, and makes sure that it compared everything.
func readersCompare(t *testing.T, collection, folder string, columns int) {
	t.Helper()
	out, err := readersPython(t.Context(), "testdata/readers.py", lab.Standalone, collection, folder)
	if err != nil {
		t.Fatal(err)
	}
	var compared struct{ Rows, Columns int }
	if err := json.Unmarshal(out, &compared); err != nil {
		t.Fatalf("the comparison printed %q: %v", out, err)
	}
	if compared.Rows != readersRows || compared.Columns != columns {
		t.Errorf("compared %d rows and %d columns; want %d and %d", compared.Rows, compared.Columns, readersRows, columns)
	}
}

// readersPython runs a script with the lab's Python; its error is what the script complains of.
func readersPython(ctx context.Context, script string, args ...string) ([]byte, error) {
	l, err := lab.Open(os.Getenv(lab.DirVariable))
	if err != nil {
		return nil, err
	}
	python, err := l.Python(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, python, append([]string{script}, args...)...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", script, err, complaint.String())
	}
	return out, nil
}

// readersFields are fields, and how to fill them.
type readersFields struct {
	fields []*schemapb.FieldSchema
	fill   []func(readersSpan) *schemapb.FieldData
}

func (f *readersFields) add(field *schemapb.FieldSchema, fill func(readersSpan) *schemapb.FieldData) {
	f.fields, f.fill = append(f.fields, field), append(f.fill, fill)
}

func (f *readersFields) columns(s readersSpan) []*schemapb.FieldData {
	return labtest.Each(len(f.fill), func(i int) *schemapb.FieldData { return f.fill[i](s) })
}

// readersScalars are a field of every scalar type, and one of every ARRAY.
func readersScalars() *readersFields {
	f := &readersFields{}
	readersAdd(f, schemapb.DataType_Bool, func(i int) bool { return i%3 == 0 })
	readersAdd(f, schemapb.DataType_Int8, readersInts(math.MinInt8, math.MaxInt8))
	readersAdd(f, schemapb.DataType_Int16, readersInts(math.MinInt16, math.MaxInt16))
	readersAdd(f, schemapb.DataType_Int32, readersInts(math.MinInt32, math.MaxInt32))
	readersAdd(f, schemapb.DataType_Int64, readersMixed([]int64{math.MinInt64, math.MaxInt64, -1, 0, 1<<53 + 1},
		func(i int) int64 { return int64(i) * 3_037_000_499_977 }))
	readersAdd(f, schemapb.DataType_Float, readersMixed([]float32{
		math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, float32(math.Copysign(0, -1)), 0.1,
		float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()),
	}, func(i int) float32 { return float32(i) / 7 }))
	readersAdd(f, schemapb.DataType_Double, readersMixed([]float64{
		math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, math.Copysign(0, -1), 0.1,
		math.Inf(1), math.Inf(-1), math.NaN(),
	}, func(i int) float64 { return float64(i) / 7 }))
	readersAdd(f, schemapb.DataType_VarChar, readersMixed(readersTexts, func(i int) string { return fmt.Sprint("text ", i) }))
	document := labtest.Field("json", schemapb.DataType_JSON)
	f.add(document, func(s readersSpan) *schemapb.FieldData {
		return labtest.Column(document, readersJSON(s, readersDocuments))
	})
	return f
}

// readersAdd adds a field of a type, and an ARRAY of it that holds none to six of the values.
func readersAdd[T any](f *readersFields, t schemapb.DataType, value func(i int) T) {
	one := labtest.Field(strings.ToLower(t.String()), t)
	many := labtest.Array(one.Name+"_array", t)
	f.add(one, func(s readersSpan) *schemapb.FieldData { return labtest.Column(one, readersEach(s, value)) })
	f.add(many, func(s readersSpan) *schemapb.FieldData {
		return labtest.Arrays(many, readersEach(s, func(i int) []T { return readersEach(readersSpan{i, i % 7}, value) }))
	})
}

// readersMixed has odd and usual values in turns.
func readersMixed[T any](odd []T, usual func(i int) T) func(i int) T {
	return func(i int) T {
		if i%2 == 0 {
			return odd[i/2%len(odd)]
		}
		return usual(i)
	}
}

func readersInts(lowest, highest int32) func(i int) int32 {
	return readersMixed([]int32{lowest, highest, 0, -1}, func(i int) int32 { return int32(i) % highest })
}

// readersIntKey has the lowest key that there is, and the highest that Milvus 2.3 returns.
func readersIntKey(i int) int64 {
	switch i {
	case 0:
		return math.MinInt64
	case readersRows - 1:
		return math.MaxInt64 - 1
	}
	return int64(i-readersRows/2) * 5_000_000_000_001
}

// readersTextKey has the empty key, and odd texts with a number that makes them unique.
func readersTextKey(i int) string {
	if i == 0 {
		return ""
	}
	return fmt.Sprint(readersTexts[i%len(readersTexts)], i)
}

// readersVectors are random ones and, now and then, one of zeros and extremes.
func readersVectors(s readersSpan) *schemapb.FieldData {
	column := labtest.Vectors("v", dim, s.n, uint64(s.from))
	values := column.GetVectors().GetFloatVector().Data
	odd := []float32{0, float32(math.Copysign(0, -1)), math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32}
	for at := 0; at < len(values); at += 10 * dim {
		for i := range dim {
			values[at+i] = odd[(at/dim+i)%len(odd)]
		}
	}
	return column
}

var readersTexts = []string{
	"", " ", "it's", `"quoted"`, `back\slash`, `\n`, "line\nbreak\r\n", "tab\t", "a,b;c", "%_", "null", "NaN", "$meta",
	"grüße", "e\u0301", "日本語", "👩‍👩‍👧", "\u202eright to left", "\ufeffmark", "\u0000zero", "\u0001", "\uffff", strings.Repeat("long ", 190),
}

// readersDocuments and readersMeta are JSON as it was sent: big numbers, spaces, escapes, the order of names.
var (
	readersDocuments = []string{
		`{}`, `{"big": 9223372036854775807, "small": -9223372036854775808, "unsigned": 18446744073709551615}`,
		`{"beyond": 1180591620717411303424}`, `{"exact": 9007199254740993, "float": 0.1, "huge": 1e308, "tiny": 5e-324, "whole": 1.0}`,
		`{"z": 1, "a": {"deep": [1, [2, {"x": null}], true, "", -0.0]}}`, `{ "spaces" :  [ 1 ,2 ] }`,
		`{"quote": "\"it's\" \\ \/", "escaped": "gr\u00fc\u00dfe \ud83d\ude00", "plain": "grüße 😀", "": "no name"}`,
	}
	readersMeta = []string{
		`{}`, `{"page": 9007199254740993, "beyond": 1180591620717411303424}`, `{"späte \"names\"": {"deep": ["日本語", null]}, "b": 1.50}`,
	}
)

// readersJSON has odd and usual documents in turns.
func readersJSON(s readersSpan, odd []string) [][]byte {
	text := readersMixed(odd, func(i int) string { return fmt.Sprintf(`{"n": %d, "of": "row %d"}`, i, i) })
	return readersEach(s, func(i int) []byte { return []byte(text(i)) })
}
