package importer_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/checkpoint"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/ingest/ingesttest"
	"migrate/internal/labtest"
	"migrate/internal/source/query"
	"migrate/internal/verify"
	"migrate/sinks"
	store "migrate/sinks/memory"
)

// folder is a few files of others, whose keys lie among each other: vectors of the width of schema, of floats that are 64 bits wide
// where they are to be written anew.
func folder(t *testing.T, keys [][]int64, element arrow.DataType) *store.Sink {
	t.Helper()
	sink := &store.Sink{}
	for i, some := range keys {
		fields := []arrow.Field{{Name: "v", Type: arrow.ListOf(element)}}
		if some[0] >= 0 {
			fields = append(fields, arrow.Field{Name: "id", Type: arrow.PrimitiveTypes.Int64})
		}
		b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
		for _, k := range some {
			lists := b.Field(0).(*array.ListBuilder)
			lists.Append(true)
			for _, v := range []float64{float64(k), 0.5} {
				switch b := lists.ValueBuilder().(type) {
				case *array.Float32Builder:
					b.Append(float32(v))
				case *array.Float64Builder:
					b.Append(v)
				}
			}
			if len(fields) > 1 {
				b.Field(1).(*array.Int64Builder).Append(k)
			}
		}
		var out bytes.Buffer
		if err := pqarrow.WriteTable(array.NewTableFromRecords(b.Schema(), []arrow.Record{b.NewRecord()}), &out, 100, nil, pqarrow.DefaultWriterProps()); err != nil {
			t.Fatal(err)
		}
		write(t, sink, filepath.Join("any name ä", string(rune('a'+i))+".parquet"), out.Bytes())
	}
	return sink
}

// described is a folder as an export.
func described(t *testing.T, sink sinks.Sink, s *schemapb.CollectionSchema) *export.Manifest {
	t.Helper()
	m, err := export.Folder{Sink: sink, Job: "j", Collection: labtest.Collection(s)}.Manifest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestFolder brings what others wrote, as it is and written anew, on its own and after an interruption.
func TestFolder(t *testing.T) {
	t.Parallel()
	keys := [][]int64{{0, 6, 3}, {4, 1, 7}, {5, 2}}
	for title, element := range map[string]arrow.DataType{"as it is": arrow.PrimitiveTypes.Float32, "written anew": arrow.PrimitiveTypes.Float64} {
		for when, interrupt := range map[string]func(target){
			"at once": func(target) {},
			"unheard, and found again": func(to target) {
				to.Queue(ingesttest.Submit, ingesttest.LoseAnswer())
				to.Queue(ingesttest.Find, ingesttest.Refuse(errBroken))
			},
		} {
			sink := folder(t, keys, element)
			m, to := described(t, sink, schema()), newTarget(t)
			for _, p := range m.Parts {
				if p.Foreign.Rewrite != (element.ID() == arrow.FLOAT64) {
					t.Errorf("%s: part %+v", title, p.Foreign)
				}
			}
			interrupt(to)
			do := func(m *export.Manifest) error {
				_, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient())
				return err
			}
			if err := do(m); err != nil {
				if kept := new(checkpoint.ResumableError); when == "at once" || !errors.As(err, &kept) {
					t.Fatalf("%s, %s: %v", title, when, err)
				}
				if err := do(described(t, sink, schema())); err != nil {
					t.Fatalf("%s, %s, resumed: %v", title, when, err)
				}
			}
			to.wantOnce(t, m, sink)
		}
	}
}

// TestKeylessFolder brings rows without keys, to which the target gives some.
func TestKeylessFolder(t *testing.T) {
	t.Parallel()
	auto := schema()
	auto.Fields[0].AutoID = true
	for title, keys := range map[string][][]int64{"without": {{-1, -2}, {-3}}, "with keys": {{1, 2}, {3}}} {
		sink := folder(t, keys, arrow.PrimitiveTypes.Float32)
		m, to := described(t, sink, auto), newTarget(t)
		if _, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient()); err != nil {
			t.Fatal(title, err)
		}
		side, err := query.OpenByName(t.Context(), to.client, "t")
		if err != nil {
			t.Fatal(err)
		}
		report, err := verify.Compare(t.Context(), export.Source{Sink: sink, Manifest: m}, side, verify.Options{WithoutKeys: true})
		if err != nil || !report.Equal || report.Right.Rows != 3 {
			t.Errorf("%s: %+v, %v", title, report, err)
		}
		to.wantUnstaged(t)
	}
}

// TestFolderInserted brings the rows of others by inserts, with their keys and with new ones, and writes nothing beside them.
func TestFolderInserted(t *testing.T) {
	t.Parallel()
	auto := schema()
	auto.Fields[0].AutoID = true
	for title, c := range map[string]struct {
		schema  *schemapb.CollectionSchema
		keys    [][]int64
		newKeys bool
	}{"with keys": {schema(), [][]int64{{0, 6, 3}, {4, 1, 7}}, false}, "without": {auto, [][]int64{{-1, -2, -3}, {-4, -5, -6}}, true}} {
		sink, jobs := folder(t, c.keys, arrow.PrimitiveTypes.Float64), &store.Sink{}
		m, to := described(t, sink, c.schema), newTarget(t)
		opts := to.patient()
		opts.Via, opts.NewKeys, opts.Checkpoint = importer.Insert, c.newKeys, jobs
		if _, err := importer.Import(t.Context(), to.client, sink, m, nil, opts); err != nil {
			t.Fatal(title, err)
		}
		side, err := query.OpenByName(t.Context(), to.client, "t")
		if err != nil {
			t.Fatal(err)
		}
		report, err := verify.Compare(t.Context(), export.Source{Sink: sink, Manifest: m}, side, verify.Options{WithoutKeys: c.newKeys})
		if err != nil || !report.Equal || report.Right.Rows != 6 {
			t.Errorf("%s: %+v, %v", title, report, err)
		}
		for info := range sink.List(t.Context(), "") {
			if !strings.HasSuffix(info.Name, ".parquet") {
				t.Errorf("%s: written beside the files: %s", title, info.Name)
			}
		}
	}
}

// TestFolderChanged refuses a folder of which a file is another, or gone, since it was described: the target stays as it is.
func TestFolderChanged(t *testing.T) {
	t.Parallel()
	for title, change := range map[string]func(*testing.T, sinks.Sink, string){
		"altered": func(t *testing.T, sink sinks.Sink, name string) {
			data := read(t, sink, name)
			data[len(data)/2] ^= 1
			write(t, sink, name, data)
		},
		"truncated": func(t *testing.T, sink sinks.Sink, name string) { write(t, sink, name, read(t, sink, name)[:100]) },
		"missing": func(t *testing.T, sink sinks.Sink, name string) {
			if err := sink.Delete(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		},
	} {
		sink := folder(t, [][]int64{{1, 2}, {3, 4}}, arrow.PrimitiveTypes.Float32)
		m, to := described(t, sink, schema()), newTarget(t)
		change(t, sink, m.Parts[1].Object)
		_, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient())
		if !errors.Is(err, importer.ErrDamaged) || !strings.Contains(err.Error(), "b.parquet") || !strings.Contains(err.Error(), "leave the folder as it is") {
			t.Errorf("%s: %v", title, err)
		}
		if there := to.Collections(); len(there) > 0 {
			t.Errorf("%s: there are %v", title, there)
		}
	}
}

// TestFolderOther refuses to go on with a job by another folder than the one that it began with.
func TestFolderOther(t *testing.T) {
	t.Parallel()
	sink, to := folder(t, [][]int64{{1, 2}, {3, 4}}, arrow.PrimitiveTypes.Float32), newTarget(t)
	to.Queue(ingesttest.Submit, ingesttest.LoseAnswer())
	to.Queue(ingesttest.Find, ingesttest.Refuse(errBroken))
	do := func(sink sinks.Sink) error {
		_, err := importer.Import(t.Context(), to.client, sink, described(t, sink, schema()), bucket{to.staging}, to.patient())
		return err
	}
	if err := do(sink); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	if err := do(folder(t, [][]int64{{1, 2}, {3, 5}}, arrow.PrimitiveTypes.Float32)); !errors.Is(err, checkpoint.ErrOther) {
		t.Errorf("with another folder: %v", err)
	}
	if err := do(sink); err != nil {
		t.Error(err)
	}
	n, err := to.client.RowCount(t.Context(), "t")
	if err != nil || n != 4 {
		t.Errorf("%d rows, %v", n, err)
	}
}
