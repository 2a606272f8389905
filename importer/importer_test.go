package importer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/checkpoint"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/ingest"
	"migrate/internal/ingest/ingesttest"
	"migrate/internal/labtest"
	"migrate/internal/labtest/double"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source/query"
	"migrate/internal/verify"
	"migrate/sinks"
	"migrate/sinks/faults"
	store "migrate/sinks/memory"
)

var errBroken = errors.New("broken on purpose")

// numbered are rows with keys from one to another.
func numbered(from, to int) labtest.Rows {
	keys := labtest.Each(to-from, func(i int) int64 { return int64(from + i) })
	return labtest.Rows{N: len(keys), Columns: []*schemapb.FieldData{labtest.Column(labtest.IntKey("id"), keys), labtest.Vectors("v", 2, len(keys), 1)}}
}

func schema() *schemapb.CollectionSchema {
	return labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2))
}

// rows of an export of these tests, in a few parts.
const rows = 200

// exported is the export of a collection, and the store that holds it.
func exported(t *testing.T, s *schemapb.CollectionSchema) (*export.Manifest, sinks.Sink) {
	t.Helper()
	return exportedOf(t, labtest.Collection(s))
}

func exportedOf(t *testing.T, c *model.Collection) (*export.Manifest, sinks.Sink) {
	t.Helper()
	source, sink := memory.Start(t, "v2.3.5"), &store.Sink{}
	source.Add(t, c)
	source.Sealed(t, c.Name, numbered(0, rows))
	m, err := exporter.Export(t.Context(), source.Client(t), c.Name, sink, exporter.Options{Job: "j", PartBytes: 800})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Parts) < 2 {
		t.Fatalf("an export of %d parts shows little", len(m.Parts))
	}
	return m, sink
}

// bucket is a store as the one that a target's bulk insert reads.
type bucket struct{ sinks.Sink }

func (bucket) Key(name string) string { return name }

func (b bucket) Unwrap() sinks.Sink { return b.Sink }

// target is a server in memory that imports by a fake dialect.
type target struct {
	*memory.Server
	*ingesttest.Fake
	client  *milvus.Server
	staging *store.Sink
}

func newTarget(t *testing.T) target {
	t.Helper()
	return newTargetOf(t, "v2.3.5")
}

func newTargetOf(t *testing.T, version string) target {
	t.Helper()
	to := target{Server: memory.Start(t, version), staging: &store.Sink{}}
	to.Bucket, to.client = to.staging, to.Server.Client(t)
	to.Fake = ingesttest.New(t, func(ctx context.Context, o ingest.Order) (int64, error) {
		return to.BulkInsert(ctx, o.Collection, o.Partition, o.Files...)
	}, to.count)
	return to
}

// count counts the rows of files by importing them elsewhere.
func (to target) count(ctx context.Context, o ingest.Order) (rows int64, err error) {
	c, err := to.client.Describe(ctx, o.Collection)
	if err != nil {
		return 0, err
	}
	c.Name = o.Collection + "_counted"
	if err := to.client.Create(ctx, c); err != nil {
		return 0, err
	}
	rows, err = to.BulkInsert(ctx, c.Name, o.Partition, o.Files...)
	return rows, errors.Join(err, to.client.Drop(ctx, c.Name))
}

// patient are options that wait for nothing.
func (to target) patient() importer.Options {
	return importer.Options{
		As: "t", Jobs: 1, Dialect: to.Fake, Poll: time.Millisecond, Pauses: []time.Duration{time.Millisecond, time.Millisecond},
		Appear: 100 * time.Millisecond, StallAfter: labtest.Patience,
	}
}

// wantOnce finds each row of an export once on the target, and nothing left that was staged.
func (to target) wantOnce(t *testing.T, m *export.Manifest, sink sinks.Sink) {
	t.Helper()
	side, err := query.OpenByName(t.Context(), to.client, "t")
	if err != nil {
		t.Fatal(err)
	}
	report, err := verify.Compare(t.Context(), export.Source{Sink: sink, Manifest: m}, side, verify.Options{})
	if err != nil || !report.Equal {
		t.Errorf("what was imported: %+v, %v", report, err)
	}
	n, err := side.Count(t.Context(), model.AllPartitions, model.Range{})
	if err != nil || n != m.Total.Rows {
		t.Errorf("the target has %d rows, want %d: %v", n, m.Total.Rows, err)
	}
	to.wantUnstaged(t)
}

func (to target) wantUnstaged(t *testing.T) {
	t.Helper()
	for info, err := range to.staging.List(t.Context(), "") {
		if err != nil || strings.HasSuffix(info.Name, ".parquet") {
			t.Errorf("left in the staging folder: %s, %v", info.Name, err)
		}
	}
}

// TestImport brings an export to servers of each dialect.
func TestImport(t *testing.T) {
	t.Parallel()
	m, sink := exported(t, schema())
	for title, over := range map[string]func(*testing.T, *target) *milvus.Server{
		"a fake":              func(_ *testing.T, to *target) *milvus.Server { return to.client },
		"several files a job": func(_ *testing.T, to *target) *milvus.Server { to.Most.Files = 8; return to.client },
		"with commits":        func(_ *testing.T, to *target) *milvus.Server { to.Commits = true; return to.client },
		"2.3":                 func(_ *testing.T, to *target) *milvus.Server { to.Fake = nil; return to.client },
		"2.4": func(t *testing.T, to *target) *milvus.Server {
			to.Fake = nil
			standIn := double.Start(t, double.Config{Version: "v2.4.15", Upstream: to.Address, Poll: time.Millisecond, Rows: func(context.Context, string) (int64, bool, error) { return 0, true, nil }})
			later, err := milvus.Connect(t.Context(), milvus.Config{Address: standIn.Address})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { later.Close() })
			return later
		},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			to := newTarget(t)
			server, opts := over(t, &to), to.patient()
			if to.Fake == nil {
				opts.Dialect = nil
			}
			var seen, brought int64
			opts.Imported = func(n int64) { brought += n }
			opts.Job = func(_ int64, state ingest.State, why string) {
				if seen++; state == ingest.Failed {
					t.Errorf("a job failed: %s", why)
				}
			}
			r, err := importer.Import(t.Context(), server, sink, m, bucket{to.staging}, opts)
			if err != nil {
				t.Fatal(err)
			}
			if r.Rows != rows || r.Collection != "t" || r.Parts != len(m.Parts) || brought != rows || seen == 0 {
				t.Errorf("%+v, %d rows brought, jobs looked at %d times", r, brought, seen)
			}
			to.wantOnce(t, m, sink)
			if _, err := importer.Import(t.Context(), server, sink, m, bucket{to.staging}, opts); !errors.Is(err, importer.ErrImported) {
				t.Errorf("imported again: %v", err)
			}
		})
	}
}

// TestRefusals are told before anything is changed: no collection is made, and no checkpoint left.
func TestRefusals(t *testing.T) {
	t.Parallel()
	m, sink := exported(t, schema())
	add := func(s *schemapb.CollectionSchema, rows labtest.Rows) func(*testing.T, target) {
		return func(t *testing.T, to target) {
			c := labtest.Collection(s)
			c.Name = "t"
			to.Add(t, c)
			to.Sealed(t, "t", rows)
		}
	}
	other := labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 4))
	otherRows := labtest.Rows{N: 1, Columns: []*schemapb.FieldData{labtest.Column(labtest.IntKey("id"), []int64{1}), labtest.Vectors("v", 4, 1, 1)}}
	for title, c := range map[string]struct {
		before func(*testing.T, target)
		change func(*importer.Options)
		m      *export.Manifest
		want   error
	}{
		"another schema":              {add(other, otherRows), nil, m, importer.ErrSchema},
		"rows there":                  {add(schema(), numbered(5000, 5010)), nil, m, importer.ErrNotEmpty},
		"keys there":                  {add(schema(), numbered(rows-1, rows+10)), func(o *importer.Options) { o.IntoExisting = true }, m, importer.ErrDuplicates},
		"keys there, scattered":       {add(schema(), numbered(rows-1, rows+10)), func(o *importer.Options) { o.IntoExisting = true }, scattered(t, m, sink), importer.ErrDuplicates},
		"a name too long":             {func(*testing.T, target) {}, func(o *importer.Options) { o.As = strings.Repeat("n", 250) }, m, checkpoint.ErrLong},
		"a version without a dialect": {func(t *testing.T, to target) { to.Upgrade(t, "custom") }, func(o *importer.Options) { o.Dialect, o.Via = nil, importer.Bulk }, m, importer.ErrTarget},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			to := newTarget(t)
			c.before(t, to)
			opts := to.patient()
			if c.change != nil {
				c.change(&opts)
			}
			before := fmt.Sprint(to.Collections())
			_, err := importer.Import(t.Context(), to.Server.Client(t), sink, c.m, bucket{to.staging}, opts)
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if after := fmt.Sprint(to.Collections()); after != before || len(to.Jobs()) > 0 {
				t.Errorf("collections were %s and are %s, jobs %v", before, after, to.Jobs())
			}
			for info := range to.staging.List(t.Context(), "") {
				t.Errorf("left: %s", info.Name)
			}
		})
	}
}

// TestIntoExisting adds to what is there, where no key is.
func TestIntoExisting(t *testing.T) {
	t.Parallel()
	m, sink := exported(t, schema())
	for _, m := range []*export.Manifest{m, scattered(t, m, sink)} {
		to := newTarget(t)
		c := labtest.Collection(schema())
		c.Name = "t"
		to.Add(t, c)
		between := numbered(rows, rows+50)
		between.Columns[0].GetScalars().GetLongData().Data[0] = -1 // so that every key of the export lies between
		to.Sealed(t, "t", between)
		opts := to.patient()
		opts.IntoExisting = true
		if _, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, opts); err != nil {
			t.Fatal(err)
		}
		if n, err := to.client.RowCount(t.Context(), "t"); err != nil || n != rows+50 {
			t.Errorf("%d rows, %v, want %d", n, err, rows+50)
		}
		to.wantUnstaged(t)
	}
}

// TestNothingBegun leaves nothing behind of an import that submitted no job: not even the collection that it made.
func TestNothingBegun(t *testing.T) {
	t.Parallel()
	m, sink := exported(t, schema())
	to := newTarget(t)
	faulty := faults.Watch(t, to.staging)
	faulty.Queue(faults.Put, faults.Error(errBroken).On("part-00000"))
	if _, err := importer.Import(t.Context(), to.client, sink, m, bucket{faulty}, to.patient()); !errors.Is(err, errBroken) {
		t.Errorf("staging was refused: %v", err)
	}
	for info := range to.staging.List(t.Context(), "") {
		t.Errorf("left: %s", info.Name)
	}
	if left := to.Collections(); len(left) > 0 || len(to.Jobs()) > 0 {
		t.Errorf("left: collections %v, jobs %v", left, to.Jobs())
	}
}

// TestPartitions brings each row to the partition that it came from, with jobs of one partition each.
func TestPartitions(t *testing.T) {
	t.Parallel()
	c := labtest.Collection(schema(), "a", "b")
	from, sink := memory.Start(t, "v2.3.5"), &store.Sink{}
	from.Add(t, c)
	source := from.Client(t)
	labtest.Insert(t, source, c.Name, "a", numbered(0, rows))
	labtest.Insert(t, source, c.Name, "b", numbered(rows, rows+100))
	m, err := exporter.Export(t.Context(), source, c.Name, sink, exporter.Options{Job: "j", PartBytes: 600})
	if err != nil {
		t.Fatal(err)
	}
	to := newTarget(t)
	to.Most.Files = 8
	if _, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient()); err != nil {
		t.Fatal(err)
	}
	jobs := map[string]int{}
	for _, o := range to.Jobs() {
		jobs[o.Partition]++
	}
	if jobs["a"] != 1 || jobs["b"] != 1 || len(jobs) != 2 {
		t.Errorf("jobs by partition: %v", jobs)
	}
	to.wantOnce(t, m, sink)
}

// TestKeys of an auto-id collection are new ones, or kept as explicit ones.
func TestKeys(t *testing.T) {
	t.Parallel()
	auto := schema()
	auto.Fields[0].AutoID = true
	m, sink := exported(t, auto)
	for title, keep := range map[string]func(*importer.Options){
		"new": func(*importer.Options) {}, "kept": func(o *importer.Options) { o.KeepIDs = true },
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			to := newTarget(t)
			opts := to.patient()
			keep(&opts)
			r, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, opts)
			if err != nil || r.Keys == "" {
				t.Fatalf("%+v, %v", r, err)
			}
			side, err := query.OpenByName(t.Context(), to.client, "t")
			if err != nil {
				t.Fatal(err)
			}
			there, err := side.Count(t.Context(), model.AllPartitions, model.Range{UpTo: keyOf(rows)})
			all, countErr := side.Count(t.Context(), model.AllPartitions, model.Range{})
			if want := map[bool]int64{true: rows, false: 0}[opts.KeepIDs]; err != nil || countErr != nil || there != want || all != rows {
				t.Errorf("%d rows, %d of them with their keys, want %d; %v, %v", all, there, want, err, countErr)
			}
			to.wantUnstaged(t)
		})
	}
}

func keyOf(n int64) *model.Key {
	k := model.IntKey(n)
	return &k
}

// TestIndexes leaves an index as it is that the target has under another name.
func TestIndexes(t *testing.T) {
	t.Parallel()
	m, sink := exported(t, schema())
	to := newTarget(t)
	c := labtest.Collection(schema())
	c.Name = "t"
	c.Indexes[0].Name = "another_name"
	to.Add(t, c)
	if _, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient()); err != nil {
		t.Fatal(err)
	}
	if have, err := to.client.Indexes(t.Context(), "t"); err != nil || len(have) != 1 || have[0].Name != "another_name" {
		t.Errorf("indexes %v, %v: the field has one already", have, err)
	}
	to.wantOnce(t, m, sink)
}

// TestRefreshes has a collection that is loaded take in what was imported.
func TestRefreshes(t *testing.T) {
	t.Parallel()
	m, sink := exported(t, schema())
	to := newTarget(t)
	to.Lags = true
	if _, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient()); err != nil {
		t.Fatal(err)
	}
	to.wantOnce(t, m, sink)
}

// TestMiscounted tells of rows that others took away meanwhile, and not of those that they added, where the keys are there.
func TestMiscounted(t *testing.T) {
	t.Parallel()
	m, sink := exported(t, schema())
	to := newTarget(t)
	opts := to.patient()
	opts.Step = func(name string, _ int64) {
		if name == "load" {
			labtest.Delete(t, to.client, "t", "id in [7]")
		}
	}
	_, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, opts)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%d rows where %d were expected", rows-1, rows)) {
		t.Errorf("a row is gone: %v", err)
	}

	for _, m := range []*export.Manifest{m, scattered(t, m, sink)} {
		for gone, want := range map[string]string{"id in [9999]": "", "id in [7]": "1 are not there, 7 among them"} {
			to := newTarget(t)
			c := labtest.Collection(schema())
			c.Name = "t"
			to.Add(t, c)
			to.Sealed(t, "t", numbered(rows, rows+50))
			opts := to.patient()
			opts.IntoExisting = true
			opts.Step = func(name string, _ int64) {
				if name == "load" {
					labtest.Delete(t, to.client, "t", gone)
					to.Sealed(t, "t", numbered(rows+50, rows+60))
				}
			}
			_, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, opts)
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("others have added rows, and taken those of %s away: %v", gone, err)
			}
		}
	}
}

func read(t *testing.T, sink sinks.Sink, name string) []byte {
	t.Helper()
	obj, err := sink.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer obj.Close()
	text, err := io.ReadAll(obj)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func write(t *testing.T, sink sinks.Sink, name string, text []byte) {
	t.Helper()
	_, err := sink.Put(t.Context(), name, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
