package export_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"pgregory.net/rapid"

	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/model"
	"migrate/sinks"
)

// othersSchema is that of the rows in testdata/foreign.
func othersSchema() *schemapb.CollectionSchema {
	given := labtest.Field("given", schemapb.DataType_Int64)
	given.DefaultValue = &schemapb.ValueField{Data: &schemapb.ValueField_LongData{LongData: 5}}
	s := labtest.Schema(
		labtest.IntKey("id"), labtest.Field("flag", schemapb.DataType_Bool), labtest.Field("small", schemapb.DataType_Int8),
		labtest.Field("short", schemapb.DataType_Int16), labtest.Field("int", schemapb.DataType_Int32), labtest.Field("long", schemapb.DataType_Int64),
		labtest.Field("float", schemapb.DataType_Float), labtest.Field("double", schemapb.DataType_Double), labtest.Field("name", schemapb.DataType_VarChar),
		labtest.Field("doc", schemapb.DataType_JSON), labtest.Array("tags", schemapb.DataType_VarChar), labtest.Array("numbers", schemapb.DataType_Int64),
		labtest.Vector("vector", schemapb.DataType_FloatVector, 4), labtest.Vector("bits", schemapb.DataType_BinaryVector, 16),
		labtest.Vector("half", schemapb.DataType_Float16Vector, 4), labtest.Vector("brain", schemapb.DataType_BFloat16Vector, 4),
		labtest.Field("sparse", schemapb.DataType_SparseFloatVector), labtest.MayBeNull(labtest.Field("maybe", schemapb.DataType_VarChar)), given,
	)
	s.EnableDynamicField = true
	return s
}

const othersRows = 20

// othersSum is that of the rows of testdata/foreign, made as make.py makes them.
func othersSum(t *testing.T) (sum model.Sum) {
	t.Helper()
	s := othersSchema()
	of := func(name string) *schemapb.FieldSchema {
		for _, f := range s.Fields {
			if f.Name == name {
				return f
			}
		}
		panic(name)
	}
	ints := func(times, plus int) []int32 {
		return labtest.Each(othersRows, func(k int) int32 { return int32(times*k + plus) })
	}
	var vector []float32
	var bits, half, brain []byte
	for k := range othersRows {
		vector = append(vector, float32(k), float32(k)+0.5, float32(-k), 0.25)
		bits = append(bits, byte(k), byte(255-k))
		for _, v := range []float32{float32(k) / 2, float32(-k), 0.25, float32(k) * 8} {
			half = binary.LittleEndian.AppendUint16(half, halves[v])
			brain = binary.LittleEndian.AppendUint16(brain, uint16(math.Float32bits(v)>>16))
		}
	}
	layout, err := columns.NewLayout(s)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := layout.Decode([]*schemapb.FieldData{
		labtest.Column(of("id"), labtest.Each(othersRows, func(k int) int64 { return int64(7*k + 1) })),
		labtest.Column(of("flag"), labtest.Each(othersRows, func(k int) bool { return k%2 == 0 })),
		labtest.Column(of("small"), ints(1, -10)), labtest.Column(of("short"), ints(100, 0)), labtest.Column(of("int"), ints(-1000, 0)),
		labtest.Column(of("long"), labtest.Each(othersRows, func(k int) int64 { return int64(k) << 40 })),
		labtest.Column(of("float"), labtest.Each(othersRows, func(k int) float32 { return float32(k) / 4 })),
		labtest.Column(of("double"), labtest.Each(othersRows, func(k int) float64 { return float64(k)/8 + 0.1 })),
		labtest.Column(of("name"), labtest.Each(othersRows, func(k int) string { return fmt.Sprintf("näme %d", k) })),
		labtest.Column(of("doc"), labtest.Each(othersRows, func(k int) []byte { return fmt.Appendf(nil, `{"k": %d}`, k) })),
		labtest.Arrays(of("tags"), labtest.Each(othersRows, func(k int) []string {
			return labtest.Each(k%3, func(i int) string { return fmt.Sprintf("t%d", i) })
		})),
		labtest.Arrays(of("numbers"), labtest.Each(othersRows, func(k int) []int64 { return []int64{int64(k), int64(-k)} })),
		{Type: schemapb.DataType_FloatVector, FieldName: "vector", Field: &schemapb.FieldData_Vectors{Vectors: &schemapb.VectorField{
			Dim: 4, Data: &schemapb.VectorField_FloatVector{FloatVector: &schemapb.FloatArray{Data: vector}}}}},
		labtest.ByteVectors(of("bits"), bits), labtest.ByteVectors(of("half"), half), labtest.ByteVectors(of("brain"), brain),
		labtest.SparseVectors("sparse", labtest.Each(othersRows, func(k int) []byte {
			return labtest.Pairs(map[uint32]float32{uint32(k): 0.5, uint32(70000 + k): 2})
		})...),
		labtest.Nullable(othersRows, func(k int) bool { return k%4 == 0 }, func(rows []int) *schemapb.FieldData {
			return labtest.Column(of("maybe"), labtest.Each(len(rows), func(int) string { return "m" }))
		}),
		labtest.Column(of("given"), labtest.Each(othersRows, func(k int) int64 { return int64(k) })),
		labtest.Dynamic(labtest.Each(othersRows, func(k int) []byte { return fmt.Appendf(nil, `{"extra": %d}`, k) })),
	})
	if err != nil {
		t.Fatal(err)
	}
	hashes, err := columns.Hash(rec)
	if err != nil {
		t.Fatal(err)
	}
	sum.AddRows(hashes)
	return sum
}

// halves are the floats of these rows in half precision: all of them have few digits.
var halves = func() map[float32]uint16 {
	of := map[float32]uint16{}
	for bits := range 1 << 16 {
		sign, exponent, fraction := bits>>15, bits>>10&31, bits&1023
		if exponent == 31 {
			continue
		}
		v := math.Ldexp(float64(1024+fraction), exponent-25)
		if exponent == 0 {
			v = math.Ldexp(float64(fraction), -24)
		}
		of[float32(v*float64(1-2*sign))] = uint16(bits)
	}
	of[0] = 0
	return of
}()

// TestOthers reads what others wrote, each in the types that are its own: the rows are the same.
func TestOthers(t *testing.T) {
	want := othersSum(t)
	for _, name := range []string{"exact", "odd", "pandas", "polars", "duckdb", "pymilvus"} {
		t.Run(name, func(t *testing.T) {
			sink, err := sinks.NewLocal(filepath.Join("testdata", "foreign", name))
			if err != nil {
				t.Fatal(err)
			}
			c := labtest.Collection(othersSchema())
			m, err := export.Folder{Sink: sink, Job: "j", Collection: c}.Manifest(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if m.Total != want {
				t.Errorf("%+v, want %+v", m.Total, want)
			}
			var read model.Sum
			for _, p := range m.Parts {
				if p.Foreign == nil || !p.Foreign.Rewrite || p.Foreign.Keyless || !p.Scattered || p.SHA256 == "" || p.Bytes == 0 {
					t.Errorf("part %+v", p)
				}
				stream, err := m.ReadPart(t.Context(), sink, p)
				for rec := range labtest.Batches(t, stream, err) {
					hashes, err := columns.Hash(rec)
					if err != nil {
						t.Fatal(err)
					}
					read.AddRows(hashes)
				}
			}
			if read != want {
				t.Errorf("read again: %+v, want %+v", read, want)
			}
		})
	}
}

// table is a file of some columns, by names; nil values are NULL.
type table []struct {
	name   string
	typ    arrow.DataType
	values string // as a JSON array
}

// put writes a table as a file of a folder.
func (tab table) put(t testing.TB, sink sinks.Sink, name string) {
	t.Helper()
	var fields []arrow.Field
	var cols []arrow.Array
	rows := 0
	for _, c := range tab {
		col, _, err := array.FromJSON(memory.DefaultAllocator, c.typ, strings.NewReader(c.values))
		if err != nil {
			t.Fatal(c.name, err)
		}
		fields, cols, rows = append(fields, arrow.Field{Name: c.name, Type: c.typ, Nullable: true}), append(cols, col), col.Len()
	}
	schema := arrow.NewSchema(fields, nil)
	rec := array.NewTableFromRecords(schema, []arrow.Record{array.NewRecord(schema, cols, int64(rows))})
	var out bytes.Buffer
	if err := pqarrow.WriteTable(rec, &out, 1<<20, nil, pqarrow.DefaultWriterProps()); err != nil {
		t.Fatal(err)
	}
	putBytes(t, sink, name, out.Bytes())
}

func putBytes(t testing.TB, sink sinks.Sink, name string, data []byte) {
	t.Helper()
	_, err := sink.Put(t.Context(), name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

var (
	int64s    = arrow.PrimitiveTypes.Int64
	texts     = arrow.BinaryTypes.String
	floatList = arrow.ListOf(arrow.PrimitiveTypes.Float32)
)

// keyed are a few rows that fit.
func keyed(keys string) table {
	return table{{"id", int64s, keys}, {"v", floatList, "[[1,2],[3,4]]"}}
}

// TestUnfit tells what a folder has that its collection can't have, by the names of file and column.
func TestUnfit(t *testing.T) {
	narrow := labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2))
	wide := func(f *schemapb.FieldSchema) *schemapb.CollectionSchema {
		return labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2), f)
	}
	small, doc := labtest.Field("small", schemapb.DataType_Int8), labtest.Field("doc", schemapb.DataType_JSON)
	sparse := labtest.Field("s", schemapb.DataType_SparseFloatVector)
	tags := labtest.Array("tags", schemapb.DataType_Int64)
	dynamic := labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2))
	dynamic.EnableDynamicField = true
	and := func(name string, typ arrow.DataType, values string) table {
		return append(keyed("[1,2]"), table{{name, typ, values}}...)
	}
	for title, c := range map[string]struct {
		schema *schemapb.CollectionSchema
		files  map[string]table
		want   string
	}{
		"nothing":                {narrow, nil, "no file in it ends in .parquet"},
		"a missing column":       {narrow, map[string]table{"a/b.parquet": {{"id", int64s, "[1]"}}}, `a/b.parquet: unfit to be imported: reading part a/b.parquet: column "v": does not fit the collection: it is missing`},
		"an unknown column":      {narrow, map[string]table{"b.parquet": and("more", int64s, "[1,2]")}, `column "more": does not fit the collection: it has no such field`},
		"another type":           {narrow, map[string]table{"b.parquet": {{"id", texts, `["1"]`}, {"v", floatList, "[[1,2]]"}}}, `column "id": does not fit the collection: it is utf8, and its field Int64`},
		"another dimension":      {narrow, map[string]table{"b.parquet": {{"id", int64s, "[1,2]"}, {"v", floatList, "[[1,2],[3]]"}}}, `column "v", row 1: does not fit the collection: 1 values, where all have 2`},
		"a key that is NULL":     {narrow, map[string]table{"b.parquet": keyed("[1,null]")}, `column "id", row 1: does not fit the collection: it is NULL`},
		"a NULL in a vector":     {narrow, map[string]table{"b.parquet": {{"id", int64s, "[1,2]"}, {"v", floatList, "[[1,2],[3,null]]"}}}, `column "v", row 1: does not fit the collection: an element is NULL`},
		"keys of two files":      {narrow, map[string]table{"a.parquet": keyed("[1,2]"), "b.parquet": keyed("[3,1]")}, `1 duplicate key (1 row beyond one of each; such as 1); 1 is in a.parquet and in b.parquet`},
		"keys of one file":       {narrow, map[string]table{"a.parquet": keyed("[7,7]"), "b.parquet": keyed("[3,1]")}, `such as 7); 7 is in a.parquet`},
		"a number too large":     {wide(small), map[string]table{"b.parquet": and("small", int64s, "[1,128]")}, `column "small", row 1: does not fit the collection: 128 does not fit`},
		"a float for a number":   {wide(small), map[string]table{"b.parquet": and("small", arrow.PrimitiveTypes.Float64, "[1,2]")}, `column "small": does not fit the collection: it is float64, and its field Int8`},
		"what is no JSON":        {wide(doc), map[string]table{"b.parquet": and("doc", texts, `["{}","{"]`)}, `column "doc", row 1: does not fit the collection: "{" is not JSON`},
		"what is no object":      {dynamic, map[string]table{"b.parquet": and("$meta", texts, `["{}","[1]"]`)}, `column "$meta", row 1: does not fit the collection: "[1]" is not a JSON object`},
		"what is no sparse":      {wide(sparse), map[string]table{"b.parquet": and("s", texts, `["{\"1\":1}","{\"-1\":1}"]`)}, `column "s", row 1`},
		"a sparse index twice":   {wide(sparse), map[string]table{"b.parquet": and("s", texts, `["{}","{\"indices\":[1,1],\"values\":[1,2]}"]`)}, `column "s", row 1: does not fit the collection: a sparse vector with index 1 after 1`},
		"a NULL in an array":     {wide(tags), map[string]table{"b.parquet": and("tags", arrow.ListOf(int64s), `[[1],[null]]`)}, `column "tags", row 1: does not fit the collection: an element is NULL`},
		"keys in some files":     {autoID(narrow), map[string]table{"a.parquet": keyed("[1,2]"), "b.parquet": {{"v", floatList, "[[1,2]]"}}}, `a.parquet has the key "id", and b.parquet has not`},
		"a file that is no file": {narrow, map[string]table{"b.parquet": nil}, `parquet damaged`},
	} {
		t.Run(title, func(t *testing.T) {
			sink := labtest.Local(t)
			for name, tab := range c.files {
				if tab == nil {
					putBytes(t, sink, name, []byte("PAR1PAR1PAR1"))
					continue
				}
				tab.put(t, sink, name)
			}
			_, err := export.Folder{Sink: sink, Job: "j", Collection: labtest.Collection(c.schema)}.Manifest(t.Context())
			if !errors.Is(err, export.ErrFolder) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %s", err, c.want)
			}
		})
	}
}

func autoID(s *schemapb.CollectionSchema) *schemapb.CollectionSchema {
	s = model.CloneSchema(s)
	s.Fields[0].AutoID = true
	return s
}

// TestKeyless takes rows without keys where the collection gives them, and not where they are to be kept.
func TestKeyless(t *testing.T) {
	sink := labtest.Local(t)
	table{{"v", floatList, "[[1,2],[3,4]]"}}.put(t, sink, "a.parquet")
	narrow := autoID(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
	f := export.Folder{Sink: sink, Job: "j", Collection: labtest.Collection(narrow)}
	m, err := f.Manifest(t.Context())
	if err != nil || m.Total.Rows != 2 || !m.Parts[0].Foreign.Keyless || m.Parts[0].Foreign.Rewrite {
		t.Errorf("%+v, %v", m, err)
	}
	f.KeepKeys = true
	if _, err := f.Manifest(t.Context()); !errors.Is(err, export.ErrFolder) || !strings.Contains(err.Error(), "there are no keys to keep") {
		t.Errorf("to be kept: %v", err)
	}
}

// TestLeftOut fills in what files may lack: NULL, a default, no dynamic fields.
func TestLeftOut(t *testing.T) {
	sink := labtest.Local(t)
	keyed("[1,2]").put(t, sink, "a.parquet")
	given, maybe := labtest.Field("given", schemapb.DataType_Int64), labtest.MayBeNull(labtest.Array("maybe", schemapb.DataType_Int64))
	given.DefaultValue = &schemapb.ValueField{Data: &schemapb.ValueField_LongData{LongData: 5}}
	s := labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2), given, maybe)
	s.EnableDynamicField = true
	m, err := export.Folder{Sink: sink, Job: "j", Collection: labtest.Collection(s)}.Manifest(t.Context())
	if err != nil || !m.Parts[0].Foreign.Rewrite || m.Columns["maybe"].Nulls.Rows != 2 {
		t.Fatalf("%+v, %v", m, err)
	}
	stream, err := m.ReadPart(t.Context(), sink, m.Parts[0])
	for rec := range labtest.Batches(t, stream, err) {
		if got := rec.Column(2).String() + rec.Column(3).String() + rec.Column(4).String(); got != `[5 5][(null) (null)]["{}" "{}"]` {
			t.Errorf("read %s", got)
		}
	}
}

// TestAltered refuses to read what is no longer what was described.
func TestAltered(t *testing.T) {
	sink := labtest.Local(t)
	keyed("[1,2]").put(t, sink, "a.parquet")
	s := labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2))
	m, err := export.Folder{Sink: sink, Job: "j", Collection: labtest.Collection(s)}.Manifest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keyed("[1,3]").put(t, sink, "a.parquet")
	stream, err := m.ReadPart(t.Context(), sink, m.Parts[0])
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if _, err := stream.Next(); !errors.Is(err, export.ErrPartDamaged) {
		t.Errorf("altered: %v", err)
	}
}

// stuck is a sink whose objects can be read in order, and give nothing of a place in them until their context ends.
type stuck struct {
	sinks.Sink
	asked chan struct{}
}

type stuckObject struct {
	sinks.Object
	ctx   context.Context
	asked chan struct{}
}

func (s stuck) Open(ctx context.Context, name string) (sinks.Object, error) {
	obj, err := s.Sink.Open(ctx, name)
	return stuckObject{obj, ctx, s.asked}, err
}

func (o stuckObject) ReadAt([]byte, int64) (int, error) {
	o.asked <- struct{}{}
	<-o.ctx.Done()
	return 0, o.ctx.Err()
}

// TestLeftReader leaves a reader that does not come back, whose end is then nobody's: the race detector sees that they share nothing.
func TestLeftReader(t *testing.T) {
	local := labtest.Local(t)
	keyed("[1,2]").put(t, local, "a.parquet")
	s := labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2))
	for range 20 {
		sink := stuck{local, make(chan struct{}, 1)}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-sink.asked; cancel() }()
		if _, err := (export.Folder{Sink: sink, Job: "j", Collection: labtest.Collection(s)}).Manifest(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
}

// FuzzForeign reads what may be damaged in any way, of which nothing is known: rows come, or an error.
func FuzzForeign(f *testing.F) {
	for _, name := range []string{"exact/rows.parquet", "polars/rows.parquet", "duckdb/rows.parquet"} {
		data, err := os.ReadFile(filepath.Join("testdata", "foreign", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, uint(len(data)-100), byte(0))
		f.Add(data, uint(300), byte(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, at uint, flip byte) {
		if len(data) > 0 {
			data = bytes.Clone(data)
			data[at%uint(len(data))] ^= flip
		}
		sink := labtest.Local(t)
		putBytes(t, sink, "a.parquet", data)
		m, err := export.Folder{Sink: sink, Job: "j", Collection: labtest.Collection(othersSchema())}.Manifest(t.Context())
		if err == nil && m.Total.Rows < 0 {
			t.Errorf("%d rows", m.Total.Rows)
		}
	})
}

// TestFlipped flips bits of a file, one at a time, wherever they are: it is read as something, or refused, and it ends.
func TestFlipped(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "foreign", "exact", "rows.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	sink := labtest.Local(t)
	rapid.Check(t, func(t *rapid.T) {
		flipped := bytes.Clone(data)
		flipped[rapid.IntRange(0, len(data)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := sink.Put(t.Context(), "a.parquet", func(w io.Writer) error {
			_, err := w.Write(flipped)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		m, err := export.Folder{Sink: sink, Job: "j", Collection: labtest.Collection(othersSchema())}.Manifest(t.Context())
		if err != nil && !errors.Is(err, export.ErrFolder) {
			t.Fatal(err)
		}
		if err == nil && m.Total.Rows != othersRows {
			t.Fatalf("%d rows", m.Total.Rows)
		}
	})
}
