package importer_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/checkpoint"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/ingest/ingesttest"
	"migrate/internal/labtest"
	"migrate/internal/labtest/double"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source/query"
	"migrate/internal/verify"
	"migrate/sinks/faults"
	store "migrate/sinks/memory"
)

// TestMadeBefore refuses a target that would not take the rows, or lose them, or answer otherwise, before a row is brought, even where
// adding was asked for; and takes one whose index has but another name.
func TestMadeBefore(t *testing.T) {
	t.Parallel()
	m, sink := exported(t, schema())
	index := func(c *model.Collection, name, kind, metric, params string) {
		c.Indexes[0].Name, c.Indexes[0].Params = name, []*commonpb.KeyValuePair{
			{Key: "index_type", Value: kind}, {Key: "metric_type", Value: metric}, {Key: "params", Value: params}}
	}
	for name, test := range map[string]struct {
		change func(c *model.Collection)
		says   string
	}{
		"a field more": {func(c *model.Collection) {
			c.Schema.Fields = append(c.Schema.Fields, labtest.Field("more", schemapb.DataType_Int8))
		}, `"more" is extra`},
		"a time to live": {func(c *model.Collection) {
			c.Properties = []*commonpb.KeyValuePair{{Key: "collection.ttl.seconds", Value: "30"}}
		}, "it removes rows 30s after they were written"},
		"another metric":         {func(c *model.Collection) { index(c, "v", "FLAT", "COSINE", "{}") }, "metric_type COSINE instead of L2"},
		"another index":          {func(c *model.Collection) { index(c, "mine", "IVF_FLAT", "L2", `{"nlist": 16}`) }, "index_type IVF_FLAT instead of FLAT"},
		"another name of it":     {func(c *model.Collection) { c.Indexes[0].Name = "mine" }, ""},
		"no index and no reader": {func(c *model.Collection) { c.Indexes = nil }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to, there := newTarget(t), labtest.Collection(schema())
			test.change(there)
			there.Name = "t"
			to.Add(t, there)
			opts := to.patient()
			opts.IntoExisting = true
			_, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, opts)
			if test.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				to.wantOnce(t, m, sink)
				return
			}
			if !errors.Is(err, importer.ErrSchema) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("import: %v", err)
			}
		})
	}
}

// TestIndexTypes refuses, before anything is made, an index of a type that the target does not build, and names the nearest; with that it
// is made so, and forced as it was.
func TestIndexTypes(t *testing.T) {
	t.Parallel()
	m, sink := exported(t, schema())
	m.Collection.Indexes[0].Params = map[string]string{"index_type": "HNSW_SQ", "metric_type": "L2", "M": "8", "sq_type": "SQ8"}
	to := newTarget(t)
	opts := to.patient()
	_, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, opts)
	if !errors.Is(err, importer.ErrTarget) || !strings.Contains(err.Error(), `index "v" of type HNSW_SQ on field v; import with --index 'v=HNSW'`) {
		t.Errorf("import: %v", err)
	}
	opts.IndexTypes = map[string]string{"w": "HNSW"}
	if _, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, opts); !errors.Is(err, model.ErrIndexTypes) {
		t.Errorf("import with the type of an index that is none: %v", err)
	}
	if left := to.Collections(); len(left) > 0 {
		t.Errorf("made: %v", left)
	}
	for name, test := range map[string]struct {
		types map[string]string
		force bool
		want  map[string]string
	}{
		"nearest": {map[string]string{"v": "HNSW"}, false, map[string]string{"index_type": "HNSW", "metric_type": "L2", "M": "8", "efConstruction": "360"}},
		"forced":  {nil, true, map[string]string{"index_type": "HNSW_SQ", "metric_type": "L2", "M": "8", "sq_type": "SQ8"}},
	} {
		to := newTarget(t)
		opts := to.patient()
		opts.IndexTypes, opts.Force = test.types, test.force
		if _, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, opts); err != nil {
			t.Fatal(err)
		}
		if made := labtest.Describe(t, to.client, "t").Indexes; len(made) != 1 || !maps.Equal(model.ToMap(made[0].Params), test.want) {
			t.Errorf("%s: made %v", name, made)
		}
	}
}

// TestFieldsAddedLater moves a collection whose fields were not all there from the start: rows of before have NULL in one and the default of
// the other, and ids that leave gaps are given anew.
func TestFieldsAddedLater(t *testing.T) {
	t.Parallel()
	from, sink, c := memory.Start(t, "v2.6.1"), &store.Sink{}, labtest.Collection(schema())
	from.Add(t, c)
	from.Sealed(t, c.Name, numbered(0, rows))
	from.AddField(t, c.Name, labtest.MayBeNull(labtest.Field("note", schemapb.DataType_VarChar)))
	size := labtest.MayBeNull(labtest.Field("size", schemapb.DataType_Int64))
	size.DefaultValue = &schemapb.ValueField{Data: &schemapb.ValueField_LongData{LongData: 7}}
	from.AddField(t, c.Name, size)
	m, err := exporter.Export(t.Context(), from.Client(t), c.Name, sink, exporter.Options{Job: "j"})
	if err != nil {
		t.Fatal(err)
	}
	if note, size := m.Columns["note"].Nulls, m.Columns["size"].Nulls; note == nil || note.Rows != rows || size != nil {
		t.Errorf("NULLs of note: %+v, of size: %+v; want all and none", note, size)
	}
	to := newTarget(t)
	to.Upgrade(t, "v2.6.1")
	to.client = to.Server.Client(t)
	if _, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient()); err != nil {
		t.Fatal(err)
	}
	to.wantOnce(t, m, sink)
	for _, f := range labtest.Describe(t, to.client, "t").Schema.Fields {
		if f.FieldID != 0 { // the server in memory gives none
			t.Errorf("field %s was sent with the id %d", f.Name, f.FieldID)
		}
	}
}

// TestWiden tells of elements that a 2.5 refuses after it has accepted the job, before anything is made; with --widen the target takes
// them, and nothing calls it another collection for that.
func TestWiden(t *testing.T) {
	t.Parallel()
	from, sink := memory.Start(t, "v2.3.5"), &store.Sink{}
	schema, tags := schema(), labtest.Array("tags", schemapb.DataType_VarChar)
	tags.TypeParams = []*commonpb.KeyValuePair{{Key: "max_capacity", Value: "4"}, {Key: "max_length", Value: "80"}}
	schema.Fields = append(schema.Fields, tags)
	c := labtest.Collection(schema)
	from.Add(t, c)
	rows := numbered(1, 3)
	rows.Columns = append(rows.Columns, labtest.Arrays(tags, [][]string{{"a"}, {strings.Repeat("b", 80)}}))
	from.Sealed(t, c.Name, rows)
	m, err := exporter.Export(t.Context(), from.Client(t), c.Name, sink, exporter.Options{Job: c.Name})
	if err != nil {
		t.Fatal(err)
	}
	m.Collection.Schema.Fields[2].TypeParams[1].Value = "40" // as of a source that was bulk-inserted into, where 2.3 checks no lengths
	to := newTarget(t)
	server := connectLater(t, milvus.Config{Address: to.later(t, double.Config{Version: "v2.5.10"}).Address})
	opts := to.waiting(labtest.Patience)
	_, err = importer.Import(t.Context(), server, sink, m, bucket{to.staging}, opts)
	if !errors.Is(err, importer.ErrLimits) || !strings.Contains(err.Error(), `field "tags" has 80 bytes at key 2, and its max_length is 40`) {
		t.Errorf("import: %v", err)
	}
	if left := to.Collections(); len(left) > 0 {
		t.Errorf("made: %v", left)
	}
	opts.Widen = true
	if _, err := importer.Import(t.Context(), server, sink, m, bucket{to.staging}, opts); err != nil {
		t.Fatal(err)
	}
	side, err := query.OpenByName(t.Context(), to.client, "t")
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify.Compare(t.Context(), export.Source{Sink: sink, Manifest: m}, side, verify.Options{})
	if err != nil || !r.Equal || r.Right.Rows != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if got := r.Described.Of(model.Lengths).Texts(model.Expected); len(got) != 1 || !strings.Contains(got[0], "max_length 80 instead of 40") {
		t.Errorf("expected differences: %q", got)
	}
}

// TestStaging breaks the staging of a part. The same call resumes the import.
func TestStaging(t *testing.T) {
	t.Parallel()
	m, sink := exported(t, schema())
	for title, c := range map[string]struct {
		faults []faults.Fault
		want   string
	}{
		"refused":            {[]faults.Fault{faults.Error(errBroken).On("part-00001")}, "broken"},
		"cut off":            {[]faults.Fault{faults.ErrorAfter(100, errBroken).On("part-00000")}, "broken"},
		"staged and damaged": {slices.Repeat([]faults.Fault{faults.Truncate(100).On("part-00000")}, 3), "bulk-insert job"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			faulttable.Tried(t, "import: staging "+title, 1, "the same command ends it: every row once, nothing left in the staging folder")
			to := newTarget(t)
			faulty := faults.Watch(t, to.staging)
			faulty.Queue(faults.Put, c.faults...)
			if _, err := importer.Import(t.Context(), to.client, sink, m, bucket{faulty}, to.patient()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("import over a fault: %v", err)
			}
			if _, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient()); err != nil {
				t.Fatal(err)
			}
			to.wantOnce(t, m, sink)
		})
	}
}

// TestRebuilt resumes an import that crashed, and whose checkpoint was damaged then: it is made anew from the records of its parts.
func TestRebuilt(t *testing.T) {
	t.Parallel()
	m, sink := exported(t, schema())
	for title, step := range map[string]ingesttest.Step{"a call": ingesttest.Submit, "a job": ingesttest.Poll} {
		t.Run("after "+title, func(t *testing.T) {
			t.Parallel()
			faulttable.Tried(t, "import: crashed after "+title+", then its checkpoint was cut off", 1, "refused; made anew by command, the import ends: every row once")
			to := newTarget(t)
			to.Queue(step, ingesttest.Refuse(errBroken))
			do := func() error {
				_, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient())
				return err
			}
			if err := do(); !errors.Is(err, errBroken) {
				t.Fatalf("interrupted: %v", err)
			}
			name := checkpoint.Name(checkpoint.Import, m.Job, "t")
			text := read(t, to.staging, checkpoint.Object(name))
			write(t, to.staging, checkpoint.Object(name), text[:len(text)/2])
			if err := do(); !errors.Is(err, checkpoint.ErrDamaged) {
				t.Fatalf("with a damaged checkpoint: %v", err)
			}
			if _, err := checkpoint.Rebuild(t.Context(), to.staging, name, nil); err != nil {
				t.Fatal(err)
			}
			if err := do(); err != nil {
				t.Fatal(err)
			}
			to.wantOnce(t, m, sink)
		})
	}
}
