//go:build lab

package e2e

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"migrate/checkpoint"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/document"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/verify"
	"migrate/sinks"
	"migrate/sinks/faults"
)

var errBroken = errors.New("broken on purpose")

// TestExportGoesOn breaks an export at each of its writes, and has the same call finish it: parts that were finished are
// not written again, and the result is that of an undisturbed run.
func TestExportGoesOn(t *testing.T) {
	t.Parallel()
	from, c := small(t, 3000)
	opts := exporter.Options{Job: "j", PartBytes: 50_000, Workers: 1}
	undisturbed, err := exporter.Export(t.Context(), from, c.Name, labtest.Local(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	for title, f := range map[string]struct {
		method faults.Method
		fault  faults.Fault
		done   int // parts finished by then
	}{
		"first part refused":     {faults.Put, faults.Error(errBroken).On("part-00000"), 0},
		"part refused":           {faults.Put, faults.Error(errBroken).On("part-00001"), 1},
		"part cut off":           {faults.Put, faults.ErrorAfter(5000, errBroken).On("part-00002"), 2},
		"full":                   {faults.Put, faults.ErrorAfter(100, sinks.ErrNoSpace).On("part-00003"), 3},
		"answer lost":            {faults.Put, faults.LoseAnswer(errBroken).On("part-00001"), 1},
		"manifest refused":       {faults.Put, faults.Error(errBroken).On("manifest.json"), len(undisturbed.Parts)},
		"manifest cut off":       {faults.Put, faults.ErrorAfter(10, errBroken).On("manifest.json"), len(undisturbed.Parts)},
		"orphans can't be seen":  {faults.List, faults.Error(errBroken), len(undisturbed.Parts)},
		"checkpoint refused":     {faults.Swap, faults.Error(errBroken).On("export.checkpoint.json"), 0},
		"checkpoint answer lost": {faults.Swap, faults.LoseAnswer(errBroken).On("export.checkpoint.json"), 0},
	} {
		t.Run(title, func(t *testing.T) {
			faulttable.Tried(t, "export: "+title, 1, "the same command ends it: same checksum, finished parts not written again")
			sink := faults.Watch(t, labtest.Local(t))
			sink.Queue(f.method, f.fault)
			_, err := exporter.Export(t.Context(), from, c.Name, sink, opts)
			if !errors.Is(err, errBroken) && !errors.Is(err, sinks.ErrNoSpace) {
				t.Fatalf("the fault is not in the error: %v", err)
			}
			var kept *checkpoint.ResumableError
			if errors.As(err, &kept) != (f.done > 0) || kept != nil && kept.Done != f.done {
				t.Errorf("kept: %+v, want %d parts", kept, f.done)
			}
			before := written(t, sink)
			m, err := exporter.Export(t.Context(), from, c.Name, sink, opts)
			if err != nil {
				t.Fatal(err)
			}
			if m.Total != undisturbed.Total || len(m.Parts) != len(undisturbed.Parts) {
				t.Errorf("%v in %d parts, undisturbed %v in %d", m.Total, len(m.Parts), undisturbed.Total, len(undisturbed.Parts))
			}
			after := written(t, sink)
			for i := range f.done {
				if name := m.ObjectName(m.Parts[i]); !before[name].Equal(after[name]) {
					t.Errorf("%s was written again", name)
				}
			}
			if len(after) != len(m.Parts) {
				t.Errorf("%d objects for %d parts", len(after), len(m.Parts))
			}
		})
	}
}

// TestStoreThatDoesNotKeep takes parts without an error and holds less of them, or nothing: the export does not count as
// complete, and the same call writes those parts again.
func TestStoreThatDoesNotKeep(t *testing.T) {
	t.Parallel()
	from, c := small(t, 3000)
	opts := exporter.Options{Job: "j", PartBytes: 50_000, Workers: 1}
	for title, kept := range map[string]int64{"half": 5000, "nothing": 0} {
		t.Run(title, func(t *testing.T) {
			faulttable.Tried(t, "export: the store takes two parts and keeps "+title+" of them", 1, "noticed; the same command writes them again")
			sink := faults.Watch(t, labtest.Sink(t))
			sink.Queue(faults.Put, faults.Truncate(kept).On("part-00001"), faults.Truncate(kept).On("part-00002"))
			if _, err := exporter.Export(t.Context(), from, c.Name, sink, opts); !errors.Is(err, exporter.ErrNotKept) || !strings.Contains(err.Error(), "part-00001") {
				t.Fatalf("an export whose parts were not kept: %v", err)
			}
			if _, err := export.Read(t.Context(), sink, "j"); !errors.Is(err, export.ErrNone) {
				t.Errorf("its manifest: %v", err)
			}
			m, err := exporter.Export(t.Context(), from, c.Name, sink, opts)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, compare(t, export.Source{Sink: sink, Manifest: m}, side(t, from, c.Name), verify.Options{}), 3000)
		})
	}
}

// written is when each part on a sink was written.
func written(t *testing.T, sink sinks.Sink) map[string]time.Time {
	t.Helper()
	times := map[string]time.Time{}
	for info, err := range sink.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if path.Ext(info.Name) == ".parquet" {
			times[info.Name] = info.ModTime
		}
	}
	return times
}

// stagingOf makes a faulty sink a staging store.
type stagingOf struct {
	*faults.Faults
	store *sinks.S3
}

func (s stagingOf) Key(name string) string { return s.store.Key(name) }

// TestImportGoesOn breaks an import at each of its writes, and has the same call finish it with not one row more.
func TestImportGoesOn(t *testing.T) {
	t.Parallel()
	local := labtest.Local(t)
	from, c := small(t, 2000)
	m, err := exporter.Export(t.Context(), from, c.Name, local, exporter.Options{Job: c.Name, PartBytes: 50_000})
	if err != nil {
		t.Fatal(err)
	}
	remote := labtest.Sink(t)
	copyAll(t, local, remote)
	put, copied := faults.Put, faults.Copy
	for title, f := range map[string]struct {
		sink   sinks.Sink
		method faults.Method
		faults []faults.Fault
		crash  crash
		want   string
	}{
		"staging refused":     {local, put, []faults.Fault{faults.Error(errBroken).On("part-00001")}, crash{}, "broken"},
		"staging cut off":     {local, put, []faults.Fault{faults.ErrorAfter(1000, errBroken).On("part-00000")}, crash{}, "broken"},
		"copy refused":        {remote, copied, []faults.Fault{faults.Error(errBroken).On("part-00001")}, crash{}, "broken"},
		"staged and damaged":  {local, put, slices.Repeat([]faults.Fault{faults.Truncate(1000).On("part-00000")}, 3), crash{}, "bulk-insert job"},
		"intent not recorded": {local, put, nil, crash{before: importer.Intended}, "broken"},
		"id not recorded":     {local, put, nil, crash{before: importer.Submitted}, "broken"},
		"end not recorded":    {local, put, nil, crash{before: checkpoint.Done}, "broken"},
		"end's answer lost":   {local, put, nil, crash{after: checkpoint.Done}, "broken"},
	} {
		t.Run(title, func(t *testing.T) {
			faulttable.Tried(t, "import: "+title, 1, "the same command ends it: every row once, nothing left in the staging folder")
			store, to := labtest.Staging(t), labtest.Target(t)
			name := labtest.Name()
			labtest.DropLater(t, to, name)
			faulty := faults.Watch(t, crashing(t, store, f.crash))
			faulty.Queue(f.method, f.faults...)
			staging := stagingOf{faulty, store}
			opts := importer.Options{As: name, Jobs: 1}
			if err := importInto(t, f.sink, m, staging, opts); err == nil || !strings.Contains(err.Error(), f.want) {
				t.Fatalf("import over a fault: %v", err)
			}
			if err := importInto(t, f.sink, m, staging, opts); err != nil {
				t.Fatal(err)
			}
			wantEqual(t, compare(t, export.Source{Sink: local, Manifest: m}, side(t, to, name), verify.Options{}), 2000)
		})
	}
}

// TestImportRebuilt goes on with an import that crashed, and whose checkpoint was damaged then: it is made anew from the
// records of its parts.
func TestImportRebuilt(t *testing.T) {
	t.Parallel()
	sink, to := labtest.Local(t), labtest.Target(t)
	_, m := exported(t, sink, 2000)
	for title, at := range map[string]crash{
		"after a call": {before: importer.Submitted}, "after a job": {after: checkpoint.Done},
	} {
		t.Run(title, func(t *testing.T) {
			faulttable.Tried(t, "import: crashed "+title+", then its checkpoint was cut off", 1, "refused; made anew by command, the import ends: every row once")
			store, opts := labtest.Staging(t), importer.Options{As: labtest.Name(), Jobs: 1}
			labtest.DropLater(t, to, opts.As)
			if err := importInto(t, sink, m, stagingOf{faults.Watch(t, crashing(t, store, at)), store}, opts); !errors.Is(err, errBroken) {
				t.Fatalf("import over a crash: %v", err)
			}
			name := checkpoint.Name(checkpoint.Import, m.Job, opts.As)
			text := read(t, store, checkpoint.Object(name))
			replace(t, store, checkpoint.Object(name), text[:len(text)/2])
			if err := importInto(t, sink, m, store, opts); !errors.Is(err, checkpoint.ErrDamaged) {
				t.Fatalf("import with a damaged checkpoint: %v", err)
			}
			if _, err := checkpoint.Rebuild(t.Context(), store, name, nil); err != nil {
				t.Fatal(err)
			}
			if err := importInto(t, sink, m, store, opts); err != nil {
				t.Fatal(err)
			}
			wantEqual(t, compare(t, export.Source{Sink: sink, Manifest: m}, side(t, to, opts.As), verify.Options{}), 2000)
		})
	}
}

// crash is a state of a part: once, the checkpoint is not written where it would record it, or is and nobody hears of it.
type crash struct{ before, after checkpoint.State }

// crashingStore is a staging store whose checkpoint meets a crash. Other writes, as that which renews the lease, do not.
type crashingStore struct {
	*sinks.S3
	crash  crash
	struck atomic.Bool
}

// crashing fails the test where the crash is never reached.
func crashing(t *testing.T, store *sinks.S3, at crash) *crashingStore {
	t.Helper()
	c := &crashingStore{S3: store, crash: at}
	t.Cleanup(func() {
		if at != (crash{}) && !c.struck.Load() {
			t.Errorf("the checkpoint never came to %+v", at)
		}
	})
	return c
}

// Swap implements sinks.Swapper.
func (c *crashingStore) Swap(ctx context.Context, name string, old sinks.Version, data []byte) (sinks.Version, error) {
	var chunk struct{ State checkpoint.State }
	if strings.HasPrefix(name, "_migrate/chunks/") {
		if err := document.Unmarshal(data, &chunk); err != nil {
			return "", err
		}
	}
	if c.strikes(chunk.State, c.crash.before) {
		return "", errBroken
	}
	version, err := c.S3.Swap(ctx, name, old, data)
	if err == nil && c.strikes(chunk.State, c.crash.after) {
		return "", errBroken
	}
	return version, err
}

func (c *crashingStore) strikes(is, state checkpoint.State) bool {
	return state != checkpoint.Todo && is == state && c.struck.CompareAndSwap(false, true)
}

// TestDamagedMeanwhile goes on with no import of which a part was altered since it was interrupted: a copy within the
// store would not notice.
func TestDamagedMeanwhile(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "import: a part altered by one bit since it was interrupted", 1, "refused; goes on with the part as it was")
	local, remote, to := labtest.Local(t), labtest.Sink(t), labtest.Target(t)
	c, m := exported(t, local, 2000)
	copyAll(t, local, remote)
	labtest.DropLater(t, to, c.Name)
	store := labtest.Staging(t)
	staging := stagingOf{faults.Watch(t, store), store}
	staging.Queue(faults.Copy, faults.Error(errBroken).On("part-00001"))
	if err := importInto(t, remote, m, staging, importer.Options{Jobs: 1}); !errors.Is(err, errBroken) {
		t.Fatalf("import over a fault: %v", err)
	}
	part := m.ObjectName(m.Parts[1])
	whole := read(t, remote, part)
	replace(t, remote, part, append([]byte{whole[0] ^ 1}, whole[1:]...))
	if err := importInto(t, remote, m, staging, importer.Options{Jobs: 1}); !errors.Is(err, importer.ErrDamaged) {
		t.Errorf("going on with an altered part: %v", err)
	}
	replace(t, remote, part, whole)
	if err := importInto(t, remote, m, staging, importer.Options{Jobs: 1}); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, compare(t, export.Source{Sink: remote, Manifest: m}, side(t, to, c.Name), verify.Options{}), 2000)
}

// TestForgottenJob goes on with an import whose jobs the server has forgotten: the target's own rows tell.
func TestForgottenJob(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "import: the server has forgotten the jobs of a crash", 2, "the target's rows are counted: every row once")
	sink := labtest.Local(t)
	_, m := exported(t, sink, 2000)
	for title, killed := range map[string]checkpoint.State{"id not recorded": importer.Intended, "end not recorded": importer.Submitted} {
		t.Run(title, func(t *testing.T) {
			to, staging, opts := labtest.Target(t), labtest.Staging(t), importer.Options{As: labtest.Name()}
			labtest.DropLater(t, to, opts.As)
			if err := importInto(t, sink, m, staging, opts); err != nil {
				t.Fatal(err)
			}
			// As if killed two days ago, with names and ids that no server knows.
			name := checkpoint.Name(checkpoint.Import, m.Job, opts.As)
			doneSoFar(t, staging, name, m, killed)
			rewrite(t, staging, name, func(j *checkpoint.Job) {
				j.State, j.Updated, j.Lease.Expires = checkpoint.Interrupted, time.Now().Add(-48*time.Hour), time.Time{}
			})
			if err := importInto(t, sink, m, staging, opts); err != nil {
				t.Fatal(err)
			}
			wantEqual(t, compare(t, export.Source{Sink: sink, Manifest: m}, side(t, to, opts.As), verify.Options{}), 2000)
		})
	}
}

// doneSoFar makes an import that is done one of which all parts are in some state.
func doneSoFar(t *testing.T, sink sinks.Sink, name string, m *export.Manifest, state checkpoint.State) {
	t.Helper()
	done, err := checkpoint.Read(t.Context(), sink, name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, h, err := checkpoint.Acquire(t.Context(), sink, name, checkpoint.Fresh{Kind: done.Kind, Name: done.Name, Params: done.Params})
	if err != nil {
		t.Fatal(err)
	}
	var planned []checkpoint.Planned
	for _, p := range m.Parts {
		planned = append(planned, checkpoint.Planned{Spec: map[string]any{"parts": []export.Part{p}}, Size: checkpoint.Tally{Parts: 1, Rows: p.Rows.Rows}})
	}
	if err := h.Plan(ctx, done.Body, planned); err != nil {
		t.Fatal(err)
	}
	claims := h.Claims()
	for c, err := claims.Next(ctx); err == nil; c, err = claims.Next(ctx) {
		if err := c.Save(ctx, state, checkpoint.Tally{}, map[string]any{"staged": []string{"forgotten"}, "job": 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Release(ctx, checkpoint.Interrupted, nil); err != nil {
		t.Fatal(err)
	}
}

// rewrite changes a document behind its owner's back.
func rewrite(t *testing.T, sink sinks.Sink, name string, change func(*checkpoint.Job)) {
	t.Helper()
	job, err := checkpoint.Read(t.Context(), sink, name)
	if err != nil {
		t.Fatal(err)
	}
	change(job)
	text, err := document.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, sink, checkpoint.Object(name), text)
}

// TestDroppedMeanwhile drops the collection that an interrupted import had begun to fill: the same call fills it anew.
func TestDroppedMeanwhile(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "import: interrupted, and its collection dropped", 1, "the same command imports it anew: every row once")
	sink := labtest.Local(t)
	c, m := exported(t, sink, 2000)
	to, staging := labtest.Target(t), labtest.Staging(t)
	name := labtest.Name()
	labtest.DropLater(t, to, name)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	_, err := importer.Import(ctx, to, sink, m, staging, importer.Options{As: name, Jobs: 1, Imported: func(int64) { stop() }})
	if !errors.As(err, new(*checkpoint.ResumableError)) {
		t.Fatalf("interrupted: %v", err)
	}
	if err := to.Drop(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if _, err := importer.Import(t.Context(), to, sink, m, staging, importer.Options{As: name}); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, compare(t, side(t, labtest.Source(t), c.Name), side(t, to, name), verify.Options{}), 2000)
}
