package importer_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"migrate/checkpoint"
	"migrate/importer"
	"migrate/internal/document"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/labtest/memory"
	"migrate/internal/model"
	"migrate/internal/source/query"
	"migrate/internal/verify"
	"migrate/sinks"
	store "migrate/sinks/memory"
)

// inserting are the options of an import by inserts.
func (to target) inserting() importer.Options {
	opts := to.patient()
	opts.Via, opts.Dialect, opts.Jobs = importer.Insert, nil, 2
	return opts
}

// wantNoFence wants that no alias is left on the target, not even one that is told to nobody.
func (to target) wantNoFence(t *testing.T) {
	t.Helper()
	fences, err := to.client.Fences(t.Context(), "t", checkpoint.Name(checkpoint.Import, "j", "t"))
	if err != nil || len(fences) > 0 {
		t.Errorf("aliases left: %v, %v", fences, err)
	}
}

// TestInsert brings an export by upserts to servers of each kind, with and without aliases, and with those that this user may not make.
func TestInsert(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		version string
		denied  []string
		answer  codes.Code // to the first upsert
	}{
		"2.3": {"v2.3.5", nil, codes.OK}, "2.4": {"v2.4.15", nil, codes.OK}, "2.5": {"v2.5.10", nil, codes.OK}, "2.6": {"v2.6.3", nil, codes.OK},
		"Lite 2.5": {memory.Lite25, nil, codes.OK}, "Lite 3": {memory.Lite3, nil, codes.OK},
		"no right to make an alias": {"v2.3.5", []string{"CreateAlias"}, codes.OK},
		"no right to write by it":   {"v2.3.5", nil, codes.PermissionDenied},
		"a server that is away":     {"v2.3.5", nil, codes.Unavailable},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			m, sink := exported(t, schema())
			to := newTargetOf(t, c.version)
			to.Deny(c.denied...)
			var upserts atomic.Int64
			to.Answer(func(method string) error {
				if method == "Upsert" && upserts.Add(1) == 1 {
					return status.Error(c.answer, "on purpose") // nil where that is OK
				}
				return nil
			})
			var brought int64
			opts := to.inserting()
			opts.Imported = func(n int64) { brought += n }
			opts.Jobs = 1
			r, err := importer.Import(t.Context(), to.client, sink, m, nil, opts)
			if err != nil {
				t.Fatal(err)
			}
			if r.Rows != rows || r.Via != importer.Insert || r.Parts != len(m.Parts) || brought != rows {
				t.Errorf("%+v, %d rows brought", r, brought)
			}
			to.wantOnce(t, m, sink)
			to.wantNoFence(t)
			if _, err := importer.Import(t.Context(), to.client, sink, m, nil, opts); !errors.Is(err, importer.ErrImported) {
				t.Errorf("imported again: %v", err)
			}
		})
	}
}

// TestWay: rows are inserted where there is no bulk insert, or no store to stage them in.
func TestWay(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		version string
		staged  bool
		want    importer.Way
	}{
		"both": {"v2.3.5", true, importer.Bulk}, "no staging": {"v2.3.5", false, importer.Insert}, "no bulk insert": {memory.Lite3, true, importer.Insert},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			m, sink := exported(t, schema())
			to := newTargetOf(t, c.version)
			var staging importer.Staging
			if c.staged {
				staging = bucket{to.staging}
			}
			opts := to.patient()
			opts.Dialect = nil
			r, err := importer.Import(t.Context(), to.client, sink, m, staging, opts)
			if err != nil || r.Via != c.want {
				t.Errorf("%+v, %v; want it by %s", r, err, c.want)
			}
		})
	}
}

// TestTextKeysGiven says before an import that the bulk insert of 2.3 gives no keys that are texts. Inserts do, later bulk inserts too, and
// kept keys need not be given.
func TestTextKeysGiven(t *testing.T) {
	t.Parallel()
	c := labtest.Collection(schema())
	c.Schema.Fields[0] = labtest.TextKey("id")
	c.Schema.Fields[0].AutoID = true
	for title, test := range map[string]struct {
		version string
		opts    importer.Options
		want    error
	}{
		"unsaid":    {"v2.3.5", importer.Options{}, importer.ErrNewKeys},
		"by bulk":   {"v2.3.5", importer.Options{Via: importer.Bulk}, importer.ErrTarget},
		"new keys":  {"v2.3.5", importer.Options{NewKeys: true}, nil},
		"kept keys": {"v2.3.5", importer.Options{KeepIDs: true}, nil},
		"later":     {"v2.4.4", importer.Options{}, nil},
	} {
		if _, err := importer.Fits(t.Context(), memory.Start(t, test.version).Client(t), c, test.opts); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", title, err, test.want)
		}
	}
}

// autoID is the schema with keys that the server gives.
func autoID() *schemapb.CollectionSchema {
	s := schema()
	s.Fields[0].AutoID = true
	return s
}

// TestInsertNewKeys refuses to have rows get other keys until that is said.
func TestInsertNewKeys(t *testing.T) {
	t.Parallel()
	m, sink := exported(t, autoID())
	to := newTarget(t)
	opts := to.inserting()
	if _, err := importer.Import(t.Context(), to.client, sink, m, nil, opts); !errors.Is(err, importer.ErrNewKeys) || len(to.Collections()) > 0 {
		t.Errorf("not asked for: %v; collections %v", err, to.Collections())
	}
	opts.NewKeys = true
	if _, err := importer.Import(t.Context(), to.client, sink, m, nil, opts); err != nil {
		t.Fatal(err)
	}
	to.wantNewKeys(t, m, sink)
	to.wantNoFence(t)
}

// wantNewKeys finds each row of an export once on the target, whatever its key.
func (to target) wantNewKeys(t *testing.T, m *export.Manifest, sink sinks.Sink) {
	t.Helper()
	side, err := query.OpenByName(t.Context(), to.client, "t")
	if err != nil {
		t.Fatal(err)
	}
	report, err := verify.Compare(t.Context(), export.Source{Sink: sink, Manifest: m}, side, verify.Options{WithoutKeys: true})
	if err != nil || !report.Equal {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestInsertCrashes has the process of an import by inserts die before and after each write of its checkpoint. The same call ends it with
// every row once, or, of rows that get new keys, names those of which nothing can tell.
func TestInsertCrashes(t *testing.T) {
	t.Parallel()
	for title, from := range map[string]func() *model.Collection{
		"given": func() *model.Collection { return labtest.Collection(schema()) },
		"new":   func() *model.Collection { return labtest.Collection(autoID()) },
		"kept":  keptIDs,
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			newKeys := title == "new"
			named := 0
			dyingAtEachWrite(t, func(t *testing.T, dying *mortal) {
				faulttable.Tried(t, "import by inserts: died before or after a write of its checkpoint, keys "+title, 1, "the same command ends it: every row once, or those in doubt named")
				m, sink := exportedOf(t, from())
				to := newTargetOf(t, "v2.6.3")
				dying.Sink = sink.(*store.Sink)
				opts := to.inserting()
				opts.NewKeys = newKeys
				_, err := importer.Import(t.Context(), to.client, dying, m, nil, opts)
				ended := dying.ended(t, err)
				bury(t, sink.(*store.Sink), checkpoint.Object(checkpoint.Name(checkpoint.Import, m.Job, "t")))
				_, err = importer.Import(t.Context(), to.client, sink, m, nil, opts)
				switch {
				case newKeys && errors.Is(err, importer.ErrUncertain):
					named++
					if !strings.Contains(err.Error(), "of part _default/part-") {
						t.Errorf("it does not name the rows: %v", err)
					}
				case err != nil && !(ended && errors.Is(err, importer.ErrImported)):
					t.Fatal(err)
				case newKeys:
					to.wantNewKeys(t, m, sink)
				default:
					to.wantOnce(t, m, sink)
					to.wantNoFence(t)
				}
			})
			if newKeys != (named > 0) {
				t.Errorf("rows in doubt were named %d times", named)
			}
		})
	}
}

// keptIDs is a collection with auto ids that takes those which rows bring.
func keptIDs() *model.Collection {
	c := labtest.Collection(autoID())
	c.Properties = []*commonpb.KeyValuePair{{Key: "allow_insert_auto_id", Value: "true"}}
	return c
}

// TestInsertKeepsIDs: where the target takes auto ids that rows bring, they keep them, each once, also where a call gets no answer. An
// earlier server does not.
func TestInsertKeepsIDs(t *testing.T) {
	t.Parallel()
	m, sink := exportedOf(t, keptIDs())
	if _, err := importer.Import(t.Context(), newTargetOf(t, "v2.6.2").client, sink, m, nil, newTarget(t).inserting()); !errors.Is(err, importer.ErrNewKeys) {
		t.Errorf("before 2.6.3: %v", err)
	}
	to, calls := newTargetOf(t, "v2.6.3"), 0
	to.Answer(func(method string) error {
		if method == "Insert" {
			if calls++; calls == 2 {
				return status.Error(codes.Unavailable, "the answer is lost on purpose")
			}
		}
		return nil
	})
	opts := to.inserting()
	opts.Jobs = 1
	r, err := importer.Import(t.Context(), to.client, sink, m, nil, opts)
	if err != nil || !strings.Contains(r.Keys, "the keys were kept") {
		t.Fatalf("%+v, %v", r, err)
	}
	if calls != len(m.Parts)+1 {
		t.Errorf("%d inserts of %d parts", calls, len(m.Parts))
	}
	to.wantOnce(t, m, sink)
}

// TestLateInsert holds a call of an import on its way, as that of a process which is stopped. Another goes on with the job and ends it, and
// newer rows are written: the late call is refused, and changes nothing.
func TestLateInsert(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "import by inserts: a call held up until another process has ended the import and newer rows are there", 1, "the server refuses it; its process ends, told that another took over")
	m, sink := exported(t, schema())
	to := newTarget(t)
	gate := to.Hold(func(method string) bool { return method == "Upsert" })
	late := make(chan error, 1)
	go func() {
		_, err := importer.Import(context.WithoutCancel(t.Context()), to.Client(t), sink, m, nil, to.inserting())
		late <- err
	}()
	gate.Await(t)
	to.Watch(func(context.Context, string) {})
	name := checkpoint.Name(checkpoint.Import, m.Job, "t")
	takenForGone(t, sink.(*store.Sink), checkpoint.Object(name))
	if _, err := importer.Import(t.Context(), to.client, sink, m, nil, to.inserting()); err != nil {
		t.Fatal(err)
	}
	newer := numbered(0, rows)
	newer.Columns[1] = labtest.Vectors("v", 2, rows, 99)
	labtest.Upsert(t, to.client, "t", newer)
	gate.Open()
	if err := <-late; !errors.Is(err, checkpoint.ErrLost) {
		t.Errorf("the late process ended with %v", err)
	}
	side, err := query.OpenByName(t.Context(), to.client, "t")
	if err != nil {
		t.Fatal(err)
	}
	report, err := verify.Compare(t.Context(), export.Source{Sink: sink, Manifest: m}, side, verify.Options{})
	if err != nil || report.Rows.Differing != rows {
		t.Errorf("%d of %d rows are newer, %v", report.Rows.Differing, rows, err)
	}
	to.wantNoFence(t)
}

// takenForGone has the owner of a job be taken for gone.
func takenForGone(t *testing.T, on sinks.Swapper, name string) {
	t.Helper()
	text, version, err := on.Load(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	var job checkpoint.Job
	if err := document.Unmarshal(text, &job); err != nil {
		t.Fatal(err)
	}
	job.Lease.Owner.Start += "0"
	if text, err = document.Marshal(job); err != nil {
		t.Fatal(err)
	}
	if _, err := on.Swap(t.Context(), name, version, text); err != nil {
		t.Fatal(err)
	}
}

// TestFenceTold: what an import writes by is told to nobody as an alias of the collection.
func TestFenceTold(t *testing.T) {
	t.Parallel()
	m, sink := exported(t, schema())
	to := newTarget(t)
	gate := to.Hold(func(method string) bool { return method == "Upsert" })
	defer gate.Open()
	done := make(chan error, 1)
	go func() {
		_, err := importer.Import(t.Context(), to.Client(t), sink, m, nil, to.inserting())
		done <- err
	}()
	gate.Await(t)
	fences, err := to.client.Fences(t.Context(), "t", checkpoint.Name(checkpoint.Import, m.Job, "t"))
	if err != nil || len(fences) != 1 {
		t.Errorf("fences %v, %v", fences, err)
	}
	if described, err := to.client.Describe(t.Context(), "t"); err != nil || slices.ContainsFunc(described.Aliases, func(a string) bool { return slices.Contains(fences, a) }) {
		t.Errorf("%+v, %v", described, err)
	}
	gate.Open()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestInsertIntoEmpty is interrupted by its first call, into a collection that was there and had no row. What that call brought is no reason
// to refuse the same import.
func TestInsertIntoEmpty(t *testing.T) {
	t.Parallel()
	m, sink := exported(t, schema())
	to := newTarget(t)
	there := labtest.Collection(schema())
	there.Name = "t"
	to.Add(t, there)
	var upserts atomic.Int64
	to.Answer(func(method string) error {
		if method == "Upsert" && upserts.Add(1) == 1 {
			return errBroken
		}
		return nil
	})
	opts := to.inserting()
	opts.Jobs = 1
	var resumable *checkpoint.ResumableError
	if _, err := importer.Import(t.Context(), to.client, sink, m, nil, opts); !errors.As(err, &resumable) {
		t.Fatalf("interrupted: %v", err)
	}
	if _, err := importer.Import(t.Context(), to.client, sink, m, nil, opts); err != nil {
		t.Fatal(err)
	}
	to.wantOnce(t, m, sink)
}
