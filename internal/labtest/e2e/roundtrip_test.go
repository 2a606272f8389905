//go:build lab

package e2e

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/query"
	"migrate/internal/verify"
	"migrate/sinks"
)

const dim = 16

// trip is one collection's way from the standalone to the cluster.
type trip struct {
	coll   *model.Collection
	rows   int64 // that the export must hold
	export exporter.Options
	imp    importer.Options
	second bool // imports through the second proxy
}

// run exports, imports and verifies on both ways, and returns what was exported.
func (tr trip) run(t *testing.T, sink sinks.Sink) *export.Manifest {
	t.Helper()
	ctx := t.Context()
	from, to, check := labtest.Source(t), labtest.Target(t), labtest.SecondProxy(t)
	if tr.second {
		to, check = check, to
	}
	tr.export.Job = tr.coll.Name
	m, err := exporter.Export(ctx, from, tr.coll.Name, sink, tr.export)
	if err != nil {
		t.Fatal(err)
	}
	if m.Total.Rows != tr.rows {
		t.Fatalf("exported %d rows of %d", m.Total.Rows, tr.rows)
	}
	labtest.DropLater(t, to, tr.coll.Name)
	if _, err := importer.Import(ctx, to, sink, m, labtest.Staging(t), tr.imp); err != nil {
		t.Fatal(err)
	}
	other := side(t, check, tr.coll.Name)
	opts := verify.Options{WithoutKeys: model.AutoID(other.Collection().Schema)}
	wantEqual(t, compare(t, side(t, from, tr.coll.Name), other, opts), tr.rows)
	wantEqual(t, compare(t, export.Source{Sink: sink, Manifest: m}, other, opts), tr.rows)
	return m
}

func side(t *testing.T, server *milvus.Server, name string) *query.Source {
	t.Helper()
	reader, err := query.Open(t.Context(), server, labtest.Describe(t, server, name))
	if err != nil {
		t.Fatal(err)
	}
	return reader
}

func compare(t *testing.T, left source.Source, right source.Ranged, opts verify.Options) *verify.Report {
	t.Helper()
	report, err := verify.Compare(t.Context(), left, right, opts)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func wantEqual(t *testing.T, r *verify.Report, rows int64) {
	t.Helper()
	if !r.Equal || r.Left.Rows != rows || r.Right.Rows != rows {
		t.Fatalf("%d rows should be equal on both sides: %+v", rows, r)
	}
}

// narrow is a collection of an INT64 key and a vector; with the dynamic field nothing else is needed.
func narrow() *schemapb.CollectionSchema {
	return labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, dim))
}

func narrowRows(keys []int64) labtest.Rows {
	return labtest.Rows{N: len(keys), Columns: []*schemapb.FieldData{
		labtest.Column(labtest.IntKey("id"), keys), labtest.Vectors("v", dim, len(keys), uint64(len(keys))),
	}}
}

// TestIntegerKeys moves collections whose keys are hard to cut into ranges.
func TestIntegerKeys(t *testing.T) {
	sequence := func(n int) []int64 { return labtest.Each(n, func(i int) int64 { return int64(i) }) }
	random := rand.New(rand.NewPCG(7, 7))
	for name, keys := range map[string][]int64{
		"none":               {},
		"one":                {42},
		"one window":         sequence(16384),
		"one window and one": sequence(16385),
		"both extremes":      {math.MinInt64, math.MinInt64 + 1, -1, 0, 1, math.MaxInt64 - 1},
		"sparse":             labtest.Each(5000, func(int) int64 { return int64(random.Uint64() >> 1) }),
		"two clusters":       append(sequence(3000), labtest.Each(3000, func(i int) int64 { return math.MaxInt64 - 5000 + int64(i) })...),
		"negative":           labtest.Each(5000, func(i int) int64 { return int64(-i * 1000) }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := labtest.Collection(narrow())
			labtest.Create(t, labtest.Source(t), c)
			labtest.Insert(t, labtest.Source(t), c.Name, "", narrowRows(keys))
			trip{coll: c, rows: int64(len(keys))}.run(t, labtest.Local(t))
		})
	}
}

// TestTextKeys moves keys with everything in them that an expression has to escape.
func TestTextKeys(t *testing.T) {
	t.Parallel()
	keys := []string{"", `"`, `\`, `\\`, `\"`, `'`, "a\nb", "a\tb", "a\rb", "%", "ключ", "鍵", "🗝", "𠮷", "𠮷1", " ", "a b", `\n`, "\u0001", "\u007f", `x" or id != "`}
	for i := range 20_000 {
		keys = append(keys, fmt.Sprintf(`k"%05d\`, i))
	}
	c := labtest.Collection(labtest.Schema(labtest.TextKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, dim)))
	labtest.Create(t, labtest.Source(t), c)
	labtest.Insert(t, labtest.Source(t), c.Name, "", labtest.Rows{N: len(keys), Columns: []*schemapb.FieldData{
		labtest.Column(labtest.TextKey("id"), keys), labtest.Vectors("v", dim, len(keys), 1),
	}})
	trip{coll: c, rows: int64(len(keys)), export: exporter.Options{PartBytes: 1 << 20}}.run(t, labtest.Sink(t))
}

// TestChangedRows moves what is alive: rows that are not flushed, without those deleted, in their last version.
func TestChangedRows(t *testing.T) {
	t.Parallel()
	from := labtest.Source(t)
	c := labtest.Collection(narrow())
	labtest.Create(t, from, c)
	sequence := labtest.Each(6000, func(i int) int64 { return int64(i) })
	labtest.Insert(t, from, c.Name, "", narrowRows(sequence[:5000]))
	labtest.Flush(t, from, c.Name)
	labtest.Delete(t, from, c.Name, "id in [0, 17, 4999]")
	labtest.Upsert(t, from, c.Name, narrowRows(sequence[100:300]))
	labtest.Insert(t, from, c.Name, "", narrowRows(sequence[5000:]))
	trip{coll: c, rows: 5997}.run(t, labtest.Sink(t))
}

// TestPartitions keeps every row in its partition.
func TestPartitions(t *testing.T) {
	t.Parallel()
	from := labtest.Source(t)
	c := labtest.Collection(narrow(), "red", "blue", "empty")
	labtest.Create(t, from, c)
	for i, partition := range []string{"_default", "red", "blue"} {
		keys := labtest.Each(2000, func(k int) int64 { return int64(3*k + i) })
		labtest.Insert(t, from, c.Name, partition, narrowRows(keys))
	}
	m := trip{coll: c, rows: 6000, second: true}.run(t, labtest.Sink(t))
	rows := map[string]int64{}
	for _, p := range m.Parts {
		rows[p.Partition] += p.Rows.Rows
	}
	if rows["_default"] != 2000 || rows["red"] != 2000 || rows["blue"] != 2000 {
		t.Errorf("rows by partition: %v", rows)
	}
}

// TestPartitionKey moves a collection whose partitions nobody may name.
func TestPartitionKey(t *testing.T) {
	t.Parallel()
	from := labtest.Source(t)
	tenant := labtest.Field("tenant", schemapb.DataType_VarChar)
	tenant.IsPartitionKey = true
	schema := narrow()
	schema.Fields = append(schema.Fields, tenant)
	c := labtest.Collection(schema, labtest.Each(8, func(i int) string { return fmt.Sprintf("_default_%d", i) })...)
	labtest.Create(t, from, c)
	rows := narrowRows(labtest.Each(4000, func(i int) int64 { return int64(i) }))
	rows.Columns = append(rows.Columns, labtest.Column(tenant, labtest.Each(4000, func(i int) string { return fmt.Sprint("tenant ", i%37) })))
	labtest.Insert(t, from, c.Name, "", rows)
	trip{coll: c, rows: 4000}.run(t, labtest.Sink(t))
	if got := len(labtest.Describe(t, labtest.Target(t), c.Name).Partitions); got != 8 {
		t.Errorf("%d partitions on the target, 8 on the source", got)
	}
}

// TestAutoID gives new keys, or keeps the old ones where that is asked for.
func TestAutoID(t *testing.T) {
	for name, keep := range map[string]bool{"new keys": false, "kept keys": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := labtest.Source(t)
			schema := narrow()
			schema.Fields[0].AutoID = true
			schema.EnableDynamicField = true
			c := labtest.Collection(schema)
			labtest.Create(t, from, c)
			labtest.Insert(t, from, c.Name, "", labtest.Rows{N: 3000, Columns: []*schemapb.FieldData{
				labtest.Vectors("v", dim, 3000, 3),
				labtest.Dynamic(labtest.Each(3000, func(i int) []byte { return fmt.Appendf(nil, `{"n": %d}`, i) })),
			}})
			if keep {
				keptKeys(t, c)
				return
			}
			trip{coll: c, rows: 3000}.run(t, labtest.Sink(t))
		})
	}
}

func keptKeys(t *testing.T, c *model.Collection) {
	ctx, sink, to := t.Context(), labtest.Sink(t), labtest.Target(t)
	m, err := exporter.Export(ctx, labtest.Source(t), c.Name, sink, exporter.Options{Job: "kept"})
	if err != nil {
		t.Fatal(err)
	}
	labtest.DropLater(t, to, c.Name)
	if _, err := importer.Import(ctx, to, sink, m, labtest.Staging(t), importer.Options{KeepIDs: true}); err != nil {
		t.Fatal(err)
	}
	report := compare(t, side(t, labtest.Source(t), c.Name), side(t, to, c.Name), verify.Options{})
	if !report.Equal || !report.KeptKeys || report.Left.Rows != 3000 {
		t.Errorf("rows with kept keys differ: %+v", report)
	}
}

// TestEveryType moves a column of each type, with the values that are likely to be lost.
func TestEveryType(t *testing.T) {
	t.Parallel()
	from := labtest.Source(t)
	schema, rows := everyType(2500)
	c := labtest.Collection(schema)
	labtest.Create(t, from, c)
	labtest.Insert(t, from, c.Name, "", rows)
	trip{coll: c, rows: int64(rows.N)}.run(t, labtest.Sink(t))
}

// TestBinaryVectors moves the other vector type of Milvus 2.3, which allows one vector field only.
func TestBinaryVectors(t *testing.T) {
	t.Parallel()
	const n = 2500
	from := labtest.Source(t)
	schema := labtest.Schema(labtest.IntKey("id"), labtest.Vector("bits", schemapb.DataType_BinaryVector, 64))
	c := labtest.Collection(schema)
	labtest.Create(t, from, c)
	labtest.Insert(t, from, c.Name, "", labtest.Rows{N: n, Columns: []*schemapb.FieldData{
		labtest.Column(schema.Fields[0], labtest.Each(n, func(i int) int64 { return int64(i) })),
		labtest.BinaryVectors("bits", 64, n, 9),
	}})
	trip{coll: c, rows: n}.run(t, labtest.Sink(t))
}

// everyType is a collection with a field of each type but BINARY_VECTOR, and rows for it.
func everyType(n int) (*schemapb.CollectionSchema, labtest.Rows) {
	schema := labtest.Schema(labtest.IntKey("id"))
	schema.EnableDynamicField = true
	rows := labtest.Rows{N: n, Columns: []*schemapb.FieldData{
		labtest.Column(schema.Fields[0], labtest.Each(n, func(i int) int64 { return int64(i) })),
	}}
	add := func(f *schemapb.FieldSchema, d *schemapb.FieldData) {
		schema.Fields, rows.Columns = append(schema.Fields, f), append(rows.Columns, d)
	}
	column := func(t schemapb.DataType, values any) {
		f := labtest.Field(strings.ToLower(t.String()), t)
		add(f, labtest.Column(f, values))
	}
	column(schemapb.DataType_Bool, labtest.Each(n, func(i int) bool { return i%3 == 0 }))
	column(schemapb.DataType_Int8, labtest.Each(n, func(i int) int32 { return int32(i%256 - 128) }))
	column(schemapb.DataType_Int16, labtest.Each(n, func(i int) int32 { return []int32{math.MinInt16, math.MaxInt16, 0, -1}[i%4] }))
	column(schemapb.DataType_Int32, labtest.Each(n, func(i int) int32 { return []int32{math.MinInt32, math.MaxInt32, 0, -1}[i%4] }))
	column(schemapb.DataType_Int64, labtest.Each(n, func(i int) int64 { return []int64{math.MinInt64, math.MaxInt64, 0, -1}[i%4] }))
	column(schemapb.DataType_Float, labtest.Each(n, func(i int) float32 {
		return []float32{math.MaxFloat32, math.SmallestNonzeroFloat32, float32(math.Copysign(0, -1)), 0.1}[i%4]
	}))
	column(schemapb.DataType_Double, labtest.Each(n, func(i int) float64 {
		return []float64{math.MaxFloat64, math.SmallestNonzeroFloat64, math.Copysign(0, -1), 0.1}[i%4]
	}))
	column(schemapb.DataType_VarChar, labtest.Each(n, oddText))
	column(schemapb.DataType_JSON, labtest.Each(n, oddJSON))
	vector := labtest.Vector("embedding", schemapb.DataType_FloatVector, dim)
	add(vector, labtest.Vectors("embedding", dim, n, 9))
	addArrays(n, add)
	rows.Columns = append(rows.Columns, labtest.Dynamic(labtest.Each(n, func(i int) []byte {
		return fmt.Appendf(nil, `{"big": 9007199254740993, "n": %d, "ключ": "з\"н\\к"}`, i)
	})))
	return schema, rows
}

func addArrays(n int, add func(*schemapb.FieldSchema, *schemapb.FieldData)) {
	array := func(element schemapb.DataType) *schemapb.FieldSchema {
		return labtest.Array("array_"+strings.ToLower(element.String()), element)
	}
	ints := func(low, high int32) [][]int32 {
		return labtest.Each(n, func(i int) []int32 { return []int32{low, high, 0, int32(i % 100)}[:i%5] })
	}
	f := array(schemapb.DataType_Bool)
	add(f, labtest.Arrays(f, labtest.Each(n, func(i int) []bool { return []bool{true, false, true}[:i%4] })))
	f = array(schemapb.DataType_Int8)
	add(f, labtest.Arrays(f, ints(math.MinInt8, math.MaxInt8)))
	f = array(schemapb.DataType_Int16)
	add(f, labtest.Arrays(f, ints(math.MinInt16, math.MaxInt16)))
	f = array(schemapb.DataType_Int32)
	add(f, labtest.Arrays(f, ints(math.MinInt32, math.MaxInt32)))
	f = array(schemapb.DataType_Int64)
	add(f, labtest.Arrays(f, labtest.Each(n, func(i int) []int64 { return []int64{math.MinInt64, math.MaxInt64, int64(i)}[:i%4] })))
	f = array(schemapb.DataType_Float)
	add(f, labtest.Arrays(f, labtest.Each(n, func(i int) []float32 { return []float32{0.1, float32(i), math.MaxFloat32}[:i%4] })))
	f = array(schemapb.DataType_Double)
	add(f, labtest.Arrays(f, labtest.Each(n, func(i int) []float64 { return []float64{0.1, float64(i), math.MaxFloat64}[:i%4] })))
	f = array(schemapb.DataType_VarChar)
	add(f, labtest.Arrays(f, labtest.Each(n, func(i int) []string { return []string{"", oddText(i % 7), "x"}[:i%4] })))
}

// oddText is long, empty or full of signs by turns; 65,535 bytes is the most that a field takes.
func oddText(i int) string {
	switch i % 500 {
	case 7:
		return strings.Repeat("é", 32767) + "x"
	case 8:
		return ""
	}
	return []string{"plain", `quo"te \ back`, "многобайтный", "表\n\t\r", "🙂🙃", "\u0000nul", "\ufeffbom"}[i%7]
}

func oddJSON(i int) []byte {
	return []byte([]string{
		`{}`, `{"i": 9223372036854775807}`, `{"huge": 1180591620717411303424}`, `{"a": 1, "a": 2}`, `{"f": 1.0000000000000000001, "s": "\u00e9\ud83d\ude42"}`,
		`{"nested": {"list": [1, "2", null, {"x": []}]}}`, `{ "space" :  [ ] }`,
	}[i%7])
}

// TestLongArrays moves arrays of up to as many elements as a field takes.
func TestLongArrays(t *testing.T) {
	t.Parallel()
	const n = 40
	from := labtest.Source(t)
	schema := narrow()
	array := labtest.Array("numbers", schemapb.DataType_Int64)
	array.TypeParams = []*commonpb.KeyValuePair{{Key: "max_capacity", Value: "4096"}}
	schema.Fields = append(schema.Fields, array)
	c := labtest.Collection(schema)
	labtest.Create(t, from, c)
	rows := narrowRows(labtest.Each(n, func(i int) int64 { return int64(i) }))
	lengths := []int{0, 1, 1023, 1024, 1025, 4095, 4096}
	rows.Columns = append(rows.Columns, labtest.Arrays(array, labtest.Each(n, func(i int) []int64 {
		return labtest.Each(lengths[i%len(lengths)], func(j int) int64 { return int64(i + j) })
	})))
	labtest.Insert(t, from, c.Name, "", rows)
	trip{coll: c, rows: n}.run(t, labtest.Sink(t))
}

// TestLongRows reads rows of which a page of the usual size would be too large to send.
func TestLongRows(t *testing.T) {
	t.Parallel()
	from := labtest.Source(t)
	schema := narrow()
	text := labtest.Field("text", schemapb.DataType_VarChar)
	schema.Fields = append(schema.Fields, text)
	c := labtest.Collection(schema)
	labtest.Create(t, from, c)
	const n = 3000
	long := strings.Repeat("x", 65535)
	rows := narrowRows(labtest.Each(n, func(i int) int64 { return int64(i) }))
	// The first rows are short, so that the sample misleads.
	rows.Columns = append(rows.Columns, labtest.Column(text, labtest.Each(n, func(i int) string { return long[:min(i*i, len(long))] })))
	labtest.Insert(t, from, c.Name, "", rows)
	trip{coll: c, rows: n}.run(t, labtest.Local(t))
}
