package exporter_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/exporter"
	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/sinks"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden is a collection, and how servers of some versions have it exported into the folder of its name in testdata/golden.
type golden struct {
	*model.Collection
	versions        []string
	partBytes       int64
	sealed, growing map[string]labtest.Rows // by partition
}

var everyVersion = []string{"v2.3.5", "v2.5.10"}

// goldens are all, made anew: no test changes another's.
func goldens() []golden { return []golden{types(), parts(), texts(), growing()} }

// values are the fields of a collection, and its rows.
type values struct {
	fields []*schemapb.FieldSchema
	rows   labtest.Rows
}

func (v *values) add(f *schemapb.FieldSchema, data *schemapb.FieldData) {
	v.fields, v.rows.Columns = append(v.fields, f), append(v.rows.Columns, data)
}

// column adds a scalar field.
func column[T any](v *values, f *schemapb.FieldSchema, value func(i int) T) {
	v.add(f, labtest.Column(f, labtest.Each(v.rows.N, value)))
}

// arrays adds an ARRAY. Each fifth row is empty.
func arrays[T any](v *values, element schemapb.DataType, value func(i int) T) {
	f := labtest.Array("array_of_"+strings.ToLower(element.String()), element)
	v.add(f, labtest.Arrays(f, labtest.Each(v.rows.N, func(row int) []T {
		return labtest.Each(row%5, func(i int) T { return value((row + i) % v.rows.N) })
	})))
}

// named is a collection whose name and indexes are always the same.
func (v *values) named(name string, partitions ...string) *model.Collection {
	c := labtest.Collection(labtest.Schema(v.fields...), partitions...)
	c.Shards = 1
	c.Name = name
	return c
}

// types has a field of each type that is carried, with the least integers, and NaN, infinities, zero bytes and JSON that is not UTF-8.
func types() golden {
	v := &values{rows: labtest.Rows{N: 64}}
	boolean := func(i int) bool { return i%3 == 0 }
	whole := func(bits int) func(i int) int32 { return func(i int) int32 { return int32(i-32) << (bits - 6) } }
	long := func(i int) int64 { return int64(i-32) << 58 }
	float := func(i int) float32 {
		odd := []float32{0, float32(math.Copysign(0, -1)), math.MaxFloat32, math.SmallestNonzeroFloat32, float32(math.NaN()), float32(math.Inf(-1))}
		return append(odd, float32(i)/10)[i%7]
	}
	double := func(i int) float64 {
		odd := []float64{0, math.Copysign(0, -1), math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1)}
		return append(odd, float64(i)/10)[i%7]
	}
	text := func(i int) string { return strings.Repeat("ä\x00\"", i) }
	column(v, labtest.IntKey("id"), long)
	column(v, labtest.Field("bool", schemapb.DataType_Bool), boolean)
	column(v, labtest.Field("int8", schemapb.DataType_Int8), whole(8))
	column(v, labtest.Field("int16", schemapb.DataType_Int16), whole(16))
	column(v, labtest.Field("int32", schemapb.DataType_Int32), whole(32))
	column(v, labtest.Field("int64", schemapb.DataType_Int64), long)
	column(v, labtest.Field("float", schemapb.DataType_Float), float)
	column(v, labtest.Field("double", schemapb.DataType_Double), double)
	column(v, labtest.Field("varchar", schemapb.DataType_VarChar), text)
	column(v, labtest.Field("json", schemapb.DataType_JSON), func(i int) []byte {
		return [][]byte{[]byte("null"), fmt.Appendf(nil, `{"b": %d, "a": [1.50, "ключ"]}`, i), []byte("\"\xff\""), []byte("[ ]")}[i%4] // bytes that stay as they are
	})
	arrays(v, schemapb.DataType_Bool, boolean)
	arrays(v, schemapb.DataType_Int8, whole(8))
	arrays(v, schemapb.DataType_Int16, whole(16))
	arrays(v, schemapb.DataType_Int32, whole(32))
	arrays(v, schemapb.DataType_Int64, long)
	arrays(v, schemapb.DataType_Float, float)
	arrays(v, schemapb.DataType_Double, double)
	arrays(v, schemapb.DataType_VarChar, text)
	v.add(labtest.Vector("floats", schemapb.DataType_FloatVector, 5), labtest.Vectors("floats", 5, v.rows.N, 1))
	v.add(labtest.Vector("bits", schemapb.DataType_BinaryVector, 24), labtest.BinaryVectors("bits", 24, v.rows.N, 1))
	v.rows.Columns = append(v.rows.Columns, labtest.Dynamic(labtest.Each(v.rows.N, func(i int) []byte {
		return [][]byte{[]byte("{}"), fmt.Appendf(nil, `{"more": %d}`, i)}[i%2]
	})))
	c := v.named("types")
	c.Schema.EnableDynamicField = true
	return golden{Collection: c, versions: everyVersion, sealed: map[string]labtest.Rows{model.DefaultPartition: v.rows}}
}

// spread are rows with integer keys that lie the farther from each other, the farther they are from 0.
func spread(from, to int) *values {
	v := &values{rows: labtest.Rows{N: to - from}}
	column(v, labtest.IntKey("id"), func(i int) int64 { return int64(from+i) * int64(max(from+i, -from-i)) })
	column(v, labtest.Field("text", schemapb.DataType_VarChar), func(i int) string { return fmt.Sprint("row ", from+i) })
	v.add(labtest.Vector("v", schemapb.DataType_FloatVector, 4), labtest.Vectors("v", 4, v.rows.N, uint64(to)))
	return v
}

// parts has two partitions of several parts each, and a third without a row.
func parts() golden {
	one, two := spread(-1000, 1000), spread(1000, 2000)
	return golden{
		Collection: one.named("parts", "one", "two", "none"), versions: everyVersion, partBytes: 16 << 10,
		sealed: map[string]labtest.Rows{"one": one.rows, "two": two.rows},
	}
}

// texts has VARCHAR keys that a filter can't have as they are, and is read as one partition, since the server spreads its rows.
func texts() golden {
	v := &values{rows: labtest.Rows{N: 600}}
	tenant := labtest.Field("tenant", schemapb.DataType_Int64)
	tenant.IsPartitionKey = true
	column(v, labtest.TextKey("id"), func(i int) string { return fmt.Sprintf("\"ключ\"\\%04d\n𠜎", i*7) })
	column(v, tenant, func(i int) int64 { return int64(i % 3) })
	v.add(labtest.Vector("v", schemapb.DataType_BinaryVector, 16), labtest.BinaryVectors("v", 16, v.rows.N, 1))
	return golden{
		Collection: v.named("texts"), versions: everyVersion, partBytes: 8 << 10,
		sealed: map[string]labtest.Rows{model.DefaultPartition: v.rows},
	}
}

// growing has its lowest keys in a growing segment: from 2.5 on an answer ends after them, so that one part is read by two, and
// is not quite what 2.3 would give, since each answer's vectors begin a page of the file.
func growing() golden {
	low, high := spread(0, 100), spread(100, 300)
	return golden{
		Collection: low.named("growing"), versions: everyVersion[1:],
		growing: map[string]labtest.Rows{model.DefaultPartition: low.rows}, sealed: map[string]labtest.Rows{model.DefaultPartition: high.rows},
	}
}

// start starts a server of a version that has the collection, and returns a connection to it.
func (g golden) start(t *testing.T, version string) *milvus.Server {
	t.Helper()
	s := memory.Start(t, version)
	s.Add(t, g.Collection)
	server := s.Client(t)
	insert := func(rows map[string]labtest.Rows) {
		for partition, r := range rows {
			labtest.Insert(t, server, g.Name, partition, r)
		}
	}
	insert(g.sealed)
	labtest.Flush(t, server, g.Name)
	insert(g.growing)
	return server
}

// sum is the checksum of the rows as they were inserted.
func (g golden) sum(t *testing.T) (sum model.Sum) {
	t.Helper()
	layout, err := columns.NewLayout(g.Schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, rows := range slices.Concat(slices.Collect(maps.Values(g.sealed)), slices.Collect(maps.Values(g.growing))) {
		rec, err := layout.Decode(rows.Columns)
		if err != nil {
			t.Fatal(err)
		}
		addRows(t, &sum, rec)
	}
	return sum
}

func addRows(t *testing.T, sum *model.Sum, rec arrow.Record) {
	t.Helper()
	hashes, err := columns.Hash(rec)
	if err != nil {
		t.Fatal(err)
	}
	sum.AddRows(hashes)
}

func goldenSink(t *testing.T) *sinks.Local {
	t.Helper()
	sink, err := sinks.NewLocal("testdata/golden")
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

// variable are the lines of a manifest that no two exports have in common, or no two versions of a server.
var variable = regexp.MustCompile(`(?m)^(  "(started|finished|snapshot|sha256)"|    "(address|version)"): .*\n`)

// exported are the manifest and the parts of an export.
func exported(t *testing.T, sink *sinks.Local, job string) map[string][]byte {
	t.Helper()
	objects := map[string][]byte{}
	for info, err := range sink.List(t.Context(), job+"/") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(info.Name, ".checkpoint.json") || strings.HasPrefix(info.Name, "_migrate/") {
			continue
		}
		text, _, err := sink.Load(t.Context(), info.Name)
		if err != nil {
			t.Fatal(err)
		}
		objects[info.Name] = text
	}
	return objects
}

// TestGolden exports what an earlier migrate did, byte for byte, and the same from servers of either version. Where a change is
// meant, -update writes the files anew; but exports of before have to be read all the same.
func TestGolden(t *testing.T) {
	for _, g := range goldens() {
		for _, version := range g.versions {
			t.Run(g.Name+" "+version, func(t *testing.T) {
				server, sink := g.start(t, version), labtest.Local(t)
				if _, err := exporter.Export(t.Context(), server, g.Name, sink, exporter.Options{Job: g.Name, PartBytes: g.partBytes}); err != nil {
					t.Fatal(err)
				}
				wantGolden(t, exported(t, sink, g.Name), exported(t, goldenSink(t), g.Name))
			})
		}
	}
}

// wantGolden compares objects, or makes those in testdata/golden the same.
func wantGolden(t *testing.T, got, want map[string][]byte) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(got)) {
		have, before := got[name], want[name]
		delete(want, name)
		switch {
		case bytes.Equal(have, before):
		case strings.HasSuffix(name, ".json") && before != nil && bytes.Equal(variable.ReplaceAll(have, nil), variable.ReplaceAll(before, nil)):
		case *update:
			if _, err := goldenSink(t).Put(t.Context(), name, func(w io.Writer) error { _, err := w.Write(have); return err }); err != nil {
				t.Error(err)
			}
		default:
			t.Errorf("%s (%d bytes) differs from testdata/golden (%d bytes): git diff shows it after -update", name, len(have), len(before))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !*update {
			t.Errorf("%s is not exported", name)
		} else if err := goldenSink(t).Delete(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
}

// TestGoldenIsRead reads the golden exports back, and finds the rows that were inserted.
func TestGoldenIsRead(t *testing.T) {
	sink := goldenSink(t)
	for _, g := range goldens() {
		m, err := export.Read(t.Context(), sink, g.Name)
		if err != nil {
			t.Fatal(err)
		}
		var all model.Sum
		for _, p := range m.Parts {
			var sum model.Sum
			stream, err := m.ReadPart(t.Context(), sink, p)
			for rec := range labtest.Batches(t, stream, err) {
				addRows(t, &sum, rec)
			}
			if sum != p.Rows {
				t.Errorf("%s has %v, its manifest says %v", m.ObjectName(p), sum, p.Rows)
			}
			all.Add(sum)
		}
		if want := g.sum(t); all != want || m.Total != want {
			t.Errorf("%s: read %v, the manifest says %v, inserted were %v", g.Name, all, m.Total, want)
		}
	}
}
