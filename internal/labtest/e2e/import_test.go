//go:build lab

package e2e

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"path"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/checkpoint"
	"migrate/deploy/lab"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/ingest"
	"migrate/internal/labtest"
	"migrate/internal/labtest/double"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/verify"
	"migrate/sinks"
)

// small is a collection on the standalone with the keys from 0.
func small(t *testing.T, rows int) (*milvus.Server, *model.Collection) {
	t.Helper()
	from, c := labtest.Source(t), labtest.Collection(narrow())
	labtest.Create(t, from, c)
	labtest.Insert(t, from, c.Name, "", narrowRows(labtest.Each(rows, func(i int) int64 { return int64(i) })))
	return from, c
}

// exported is a small collection and its export.
func exported(t *testing.T, sink sinks.Sink, rows int) (*model.Collection, *export.Manifest) {
	t.Helper()
	from, c := small(t, rows)
	m, err := exporter.Export(t.Context(), from, c.Name, sink, exporter.Options{Job: c.Name, PartBytes: 50_000})
	if err != nil {
		t.Fatal(err)
	}
	return c, m
}

func importInto(t *testing.T, sink sinks.Sink, m *export.Manifest, staging importer.Staging, opts importer.Options) error {
	t.Helper()
	_, err := importer.Import(t.Context(), labtest.Target(t), sink, m, staging, opts)
	return err
}

// TestDamagedExport is refused before the target is changed.
func TestDamagedExport(t *testing.T) {
	t.Parallel()
	sink := labtest.Local(t)
	c, m := exported(t, sink, 2000)
	partName := m.ObjectName(m.Parts[0])
	whole := read(t, sink, partName)
	for title, damaged := range map[string][]byte{
		"truncated": whole[:len(whole)-1],
		"altered":   append([]byte{whole[0], whole[1] ^ 1}, whole[2:]...),
		"longer":    append(bytes.Clone(whole), 0),
		"missing":   nil,
	} {
		t.Run(title, func(t *testing.T) {
			faulttable.Tried(t, "import: a part "+title, 1, "refused, the target unchanged")
			replace(t, sink, partName, damaged)
			if err := importInto(t, sink, m, labtest.Staging(t), importer.Options{}); !errors.Is(err, importer.ErrDamaged) || !strings.Contains(err.Error(), "part-00000") {
				t.Errorf("import of a damaged export: %v", err)
			}
			wantAbsent(t, c.Name)
		})
	}
}

// TestMadeBefore refuses a target that would not take the rows, or lose them, or answer otherwise, before a row is brought, even where
// adding was asked for; and takes one whose index has but another name.
func TestMadeBefore(t *testing.T) {
	t.Parallel()
	sink, to := labtest.Local(t), labtest.Target(t)
	_, m := exported(t, sink, 10)
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
			other := labtest.Collection(narrow())
			test.change(other)
			if len(other.Indexes) > 0 {
				labtest.Create(t, to, other)
			} else if err := to.Create(t.Context(), other); err != nil {
				t.Fatal(err)
			}
			labtest.DropLater(t, to, other.Name)
			err := importInto(t, sink, m, labtest.Staging(t), importer.Options{As: other.Name, IntoExisting: true})
			if test.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				wantEqual(t, compare(t, export.Source{Sink: sink, Manifest: m}, side(t, to, other.Name), verify.Options{}), 10)
				return
			}
			if !errors.Is(err, importer.ErrSchema) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("import: %v", err)
			}
		})
	}
}

// TestIntoExisting adds rows to rows, and doubles none.
func TestIntoExisting(t *testing.T) {
	t.Parallel()
	sink, to := labtest.Local(t), labtest.Target(t)
	staging := labtest.Staging(t)
	from, c := small(t, 2000)
	m, err := exporter.Export(t.Context(), from, c.Name, sink, exporter.Options{Job: c.Name, PartBytes: 50_000})
	if err != nil {
		t.Fatal(err)
	}
	labtest.Create(t, to, c)
	labtest.Insert(t, to, c.Name, "", narrowRows([]int64{-1, 5000}))
	labtest.Flush(t, to, c.Name)
	if err := importInto(t, sink, m, labtest.Staging(t), importer.Options{}); !errors.Is(err, importer.ErrNotEmpty) {
		t.Errorf("import into a collection with rows: %v", err)
	}
	if err := importInto(t, sink, m, staging, importer.Options{IntoExisting: true}); err != nil {
		t.Fatal(err)
	}
	r := compare(t, export.Source{Sink: sink, Manifest: m}, side(t, to, c.Name), verify.Options{})
	if r.Rows.Missing+r.Rows.Differing != 0 || r.Rows.Extra != 2 || r.Right.Rows != 2002 {
		t.Errorf("after adding 2,000 rows to 2: %+v", r)
	}
	if err := importInto(t, sink, m, staging, importer.Options{IntoExisting: true}); !errors.Is(err, importer.ErrDuplicates) {
		t.Errorf("adding the same rows again: %v", err)
	}
	done, err := checkpoint.Read(t.Context(), staging, checkpoint.Name(checkpoint.Import, m.Job, c.Name))
	if err != nil || done.State != checkpoint.Done || done.Done.Parts == 0 {
		t.Errorf("the record of the import that was done, after one that was refused: %+v, %v", done, err)
	}

	// Another export of that name was not imported.
	labtest.Insert(t, from, c.Name, "", narrowRows([]int64{7000}))
	if m, err = exporter.Export(t.Context(), from, c.Name, sink, exporter.Options{Job: c.Name, PartBytes: 50_000, Overwrite: true}); err != nil {
		t.Fatal(err)
	}
	if err := importInto(t, sink, m, staging, importer.Options{}); !errors.Is(err, importer.ErrNotEmpty) {
		t.Errorf("import of the export that replaced the one that was imported: %v", err)
	}
}

// TestIntoExistingWhileOthersWrite adds rows to a collection that gets others meanwhile, so that its count tells nothing: all keys
// of the export are looked for.
func TestIntoExistingWhileOthersWrite(t *testing.T) {
	t.Parallel()
	sink, to := labtest.Local(t), labtest.Target(t)
	c, m := exported(t, sink, 2000)
	labtest.Create(t, to, c)
	labtest.Insert(t, to, c.Name, "", narrowRows([]int64{-1}))
	labtest.Flush(t, to, c.Name)
	meanwhile := func(step string, _ int64) {
		if step == "load" {
			labtest.Insert(t, to, c.Name, "", narrowRows([]int64{-2, -3}))
		}
	}
	if err := importInto(t, sink, m, labtest.Staging(t), importer.Options{IntoExisting: true, Step: meanwhile}); err != nil {
		t.Fatal(err)
	}
	r := compare(t, export.Source{Sink: sink, Manifest: m}, side(t, to, c.Name), verify.Options{})
	if r.Rows.Missing+r.Rows.Differing != 0 || r.Rows.Extra != 3 {
		t.Errorf("after adding 2,000 rows to 1, and 2 meanwhile: %+v", r)
	}
}

// TestNewKeysOnce refuses to bring rows a second time to which the target gives new keys: nothing would tell that they are there.
func TestNewKeysOnce(t *testing.T) {
	t.Parallel()
	from, to, sink, staging := labtest.Source(t), labtest.Target(t), labtest.Local(t), labtest.Staging(t)
	schema := narrow()
	schema.Fields[0].AutoID = true
	c := labtest.Collection(schema)
	labtest.Create(t, from, c)
	labtest.Insert(t, from, c.Name, "", labtest.Rows{N: 100, Columns: []*schemapb.FieldData{labtest.Vectors("v", dim, 100, 3)}})
	m, err := exporter.Export(t.Context(), from, c.Name, sink, exporter.Options{Job: c.Name})
	if err != nil {
		t.Fatal(err)
	}
	opts := importer.Options{IntoExisting: true}
	if err := importInto(t, sink, m, staging, opts); err != nil {
		t.Fatal(err)
	}
	if err := importInto(t, sink, m, staging, opts); !errors.Is(err, importer.ErrImported) {
		t.Errorf("the same import again: %v", err)
	}
	if r := compare(t, export.Source{Sink: sink, Manifest: m}, side(t, to, c.Name), verify.Options{WithoutKeys: true}); !r.Equal {
		t.Errorf("the rows are not there once: %+v", r)
	}
}

// TestIntoServing adds rows to a collection that serves with two replicas, and an index that it had not: it goes on serving
// with both.
func TestIntoServing(t *testing.T) {
	t.Parallel()
	sink, to := labtest.Local(t), labtest.Target(t)
	from, c := small(t, 2000)
	labtest.Create(t, to, c)
	scalar := model.Index{Name: "id", Field: "id", Params: []*commonpb.KeyValuePair{{Key: "index_type", Value: "STL_SORT"}}}
	if err := from.CreateIndex(t.Context(), c.Name, scalar); err != nil {
		t.Fatal(err)
	}
	m, err := exporter.Export(t.Context(), from, c.Name, sink, exporter.Options{Job: c.Name})
	if err != nil {
		t.Fatal(err)
	}
	if err := to.Release(t.Context(), c.Name); err != nil {
		t.Fatal(err)
	}
	protocol := labtest.Protocol(t, to)
	if _, err := protocol.LoadCollection(t.Context(), &milvuspb.LoadCollectionRequest{CollectionName: c.Name, ReplicaNumber: 2}); err != nil {
		t.Fatal(err)
	}
	if err := to.Load(t.Context(), c.Name); err != nil { // no more than waits
		t.Fatal(err)
	}
	if err := importInto(t, sink, m, labtest.Staging(t), importer.Options{IntoExisting: true}); err != nil {
		t.Fatal(err)
	}
	there, err := to.Describe(t.Context(), c.Name)
	if err != nil {
		t.Fatal(err)
	}
	serving, err := protocol.GetReplicas(t.Context(), &milvuspb.GetReplicasRequest{CollectionID: there.ID})
	if err != nil || len(serving.GetReplicas()) != 2 || len(there.Indexes) != 2 {
		t.Errorf("after the import: %d replicas, indexes %v, %v; want 2 of each", len(serving.GetReplicas()), there.Indexes, err)
	}
}

// TestNotFinite: Milvus takes NaN from an insert, and refuses it from a bulk insert. That is told at once, by what it is.
func TestNotFinite(t *testing.T) {
	t.Parallel()
	from, sink := labtest.Source(t), labtest.Local(t)
	schema, price := narrow(), labtest.Field("price", schemapb.DataType_Double)
	schema.Fields = append(schema.Fields, price)
	c := labtest.Collection(schema)
	labtest.Create(t, from, c)
	rows := narrowRows([]int64{1, 2, 3})
	rows.Columns = append(rows.Columns, labtest.Column(price, []float64{1, math.NaN(), 3}))
	labtest.Insert(t, from, c.Name, "", rows)
	m, err := exporter.Export(t.Context(), from, c.Name, sink, exporter.Options{Job: c.Name})
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	told := func(_ int64, state ingest.State, _ string) {
		if state == ingest.Failed {
			failed++
		}
	}
	if err := importInto(t, sink, m, labtest.Staging(t), importer.Options{Job: told}); !errors.Is(err, ingest.ErrValue) || failed != 0 {
		t.Errorf("after %d jobs: %v", failed, err)
	}
	wantAbsent(t, c.Name)
	m.Columns = nil // as an earlier migrate exported
	if err := importInto(t, sink, m, labtest.Staging(t), importer.Options{Job: told}); !errors.Is(err, ingest.ErrValue) || failed != 1 {
		t.Errorf("of an export of round 1, after %d jobs: %v", failed, err)
	}
	wantAbsent(t, c.Name)
}

// TestWiden tells of elements that a 2.5 refuses after it has accepted the job, before anything is made; with --widen the target takes
// them, and nothing calls it another collection for that.
func TestWiden(t *testing.T) {
	t.Parallel()
	from, sink := labtest.Source(t), labtest.Local(t)
	schema, tags := narrow(), labtest.Array("tags", schemapb.DataType_VarChar)
	tags.TypeParams = []*commonpb.KeyValuePair{{Key: "max_capacity", Value: "4"}, {Key: "max_length", Value: "80"}}
	schema.Fields = append(schema.Fields, tags)
	c := labtest.Collection(schema)
	labtest.Create(t, from, c)
	rows := narrowRows([]int64{1, 2})
	rows.Columns = append(rows.Columns, labtest.Arrays(tags, [][]string{{"a"}, {strings.Repeat("b", 80)}}))
	labtest.Insert(t, from, c.Name, "", rows)
	m, err := exporter.Export(t.Context(), from, c.Name, sink, exporter.Options{Job: c.Name})
	if err != nil {
		t.Fatal(err)
	}
	m.Collection.Schema.Fields[2].TypeParams[1].Value = "40" // as of a source that was bulk-inserted into, where 2.3 checks no lengths
	to, err := milvus.Connect(t.Context(), milvus.Config{Address: labtest.Later(t, double.Config{Version: "v2.5.10"}).Address})
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	staging := labtest.Staging(t)
	_, err = importer.Import(t.Context(), to, sink, m, staging, importer.Options{})
	if !errors.Is(err, importer.ErrLimits) || !strings.Contains(err.Error(), `field "tags" has 80 bytes at key 2, and its max_length is 40`) {
		t.Errorf("import: %v", err)
	}
	wantAbsent(t, c.Name)
	labtest.DropLater(t, labtest.Target(t), c.Name)
	if _, err := importer.Import(t.Context(), to, sink, m, staging, importer.Options{Widen: true}); err != nil {
		t.Fatal(err)
	}
	r := compare(t, export.Source{Sink: sink, Manifest: m}, side(t, to, c.Name), verify.Options{})
	wantEqual(t, r, 2)
	if got := r.Described.Of(model.Lengths).Texts(model.Expected); len(got) != 1 || !strings.Contains(got[0], "max_length 80 instead of 40") {
		t.Errorf("expected differences: %q", got)
	}
}

// TestLongName refuses a name by which no checkpoint could be called, before anything is done.
func TestLongName(t *testing.T) {
	t.Parallel()
	sink := labtest.Local(t)
	_, m := exported(t, sink, 10)
	long := strings.Repeat("x", 201)
	if err := importInto(t, sink, m, labtest.Staging(t), importer.Options{As: long}); !errors.Is(err, checkpoint.ErrLong) {
		t.Errorf("got %v, want %v", err, checkpoint.ErrLong)
	}
	wantAbsent(t, long)
	labtest.DropLater(t, labtest.Target(t), long[:200])
	if err := importInto(t, sink, m, labtest.Staging(t), importer.Options{As: long[:200]}); err != nil {
		t.Error(err)
	}
}

// TestOtherDatabase refuses to bring an export into a second database under the same job: the checkpoint tells of the first, and
// without it nothing would tell that rows with new keys are there.
func TestOtherDatabase(t *testing.T) {
	t.Parallel()
	sink, staging := labtest.Local(t), labtest.Staging(t)
	c, m := exported(t, sink, 10)
	database := labtest.Name()
	service := labtest.Protocol(t, labtest.Target(t))
	if _, err := service.CreateDatabase(t.Context(), &milvuspb.CreateDatabaseRequest{DbName: database}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := service.DropDatabase(context.WithoutCancel(t.Context()), &milvuspb.DropDatabaseRequest{DbName: database}); err != nil {
			t.Error(err)
		}
	})
	there, err := milvus.Connect(t.Context(), milvus.Config{Address: lab.Proxy1, Database: database})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { there.Close() })
	labtest.DropLater(t, there, c.Name)
	if _, err := importer.Import(t.Context(), there, sink, m, staging, importer.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := importInto(t, sink, m, staging, importer.Options{}); !errors.Is(err, checkpoint.ErrOther) || !strings.Contains(err.Error(), database) {
		t.Errorf("into the default database: %v", err)
	}
	wantAbsent(t, c.Name)
	if _, err := importer.Import(t.Context(), there, sink, m, staging, importer.Options{}); !errors.Is(err, importer.ErrImported) {
		t.Errorf("the same import again: %v", err)
	}
}

func wantAbsent(t *testing.T, collection string) {
	t.Helper()
	there, err := labtest.Target(t).Exists(t.Context(), collection)
	if err != nil || there {
		t.Errorf("the target has the collection: %t, %v", there, err)
	}
}

func read(t *testing.T, sink sinks.Sink, name string) []byte {
	t.Helper()
	obj, err := sink.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer obj.Close()
	b, err := io.ReadAll(obj)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func copyAll(t *testing.T, from, to sinks.Sink) {
	t.Helper()
	for info, err := range from.List(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		replace(t, to, path.Clean(info.Name), read(t, from, info.Name))
	}
}
