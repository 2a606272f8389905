package exporter_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"path"
	"strings"
	"testing"
	"time"

	"migrate/checkpoint"
	"migrate/exporter"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/sinks"
	"migrate/sinks/faults"
)

var errBroken = errors.New("broken on purpose")

// filled is a collection on a server in memory with the keys from 0.
func filled(t *testing.T, rows int) (*milvus.Server, string) {
	t.Helper()
	s, server, name := collection(t, "v2.3.5")
	s.Sealed(t, name, numbered(0, rows, 1))
	return server, name
}

// TestExportGoesOn breaks an export at each of its writes, and has the same call finish it: parts that were finished are
// not written again, and the result is that of an undisturbed run.
func TestExportGoesOn(t *testing.T) {
	t.Parallel()
	from, name := filled(t, 3000)
	opts := exporter.Options{Job: "j", PartBytes: 5_000, Workers: 1}
	undisturbed, err := exporter.Export(t.Context(), from, name, labtest.Local(t), opts)
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
		"part cut off":           {faults.Put, faults.ErrorAfter(500, errBroken).On("part-00002"), 2},
		"full":                   {faults.Put, faults.ErrorAfter(100, sinks.ErrNoSpace).On("part-00003"), 3},
		"answer lost":            {faults.Put, faults.LoseAnswer(errBroken).On("part-00001"), 1},
		"manifest refused":       {faults.Put, faults.Error(errBroken).On("manifest.json"), len(undisturbed.Parts)},
		"manifest cut off":       {faults.Put, faults.ErrorAfter(10, errBroken).On("manifest.json"), len(undisturbed.Parts)},
		"orphans can't be seen":  {faults.List, faults.Error(errBroken), len(undisturbed.Parts)},
		"checkpoint refused":     {faults.Swap, faults.Error(errBroken).On("_migrate/jobs/"), 0},
		"checkpoint answer lost": {faults.Swap, faults.LoseAnswer(errBroken).On("_migrate/jobs/"), 0},
		"plan refused":           {faults.Swap, faults.Error(errBroken).On("_migrate/plans/"), 0},
		"chunk refused":          {faults.Swap, faults.Error(errBroken).On("_migrate/chunks/"), 0},
	} {
		t.Run(title, func(t *testing.T) {
			faulttable.Tried(t, "export: "+title, 1, "the same command ends it: same checksum, finished parts not written again")
			sink := faults.Watch(t, labtest.Local(t))
			disturbed := opts
			disturbed.Planned = func(int64) { // when the checkpoint has listed what it wants to
				if f.method == faults.List {
					sink.Queue(f.method, f.fault)
				}
			}
			if f.method != faults.List {
				sink.Queue(f.method, f.fault)
			}
			_, err := exporter.Export(t.Context(), from, name, sink, disturbed)
			if !errors.Is(err, errBroken) && !errors.Is(err, sinks.ErrNoSpace) {
				t.Fatalf("the fault is not in the error: %v", err)
			}
			var kept *checkpoint.ResumableError
			if errors.As(err, &kept) != (f.done > 0) || kept != nil && kept.Done != f.done {
				t.Errorf("kept: %+v, want %d parts", kept, f.done)
			}
			before := written(t, sink)
			m, err := exporter.Export(t.Context(), from, name, sink, opts)
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
	from, name := filled(t, 3000)
	opts := exporter.Options{Job: "j", PartBytes: 5_000, Workers: 1}
	for title, kept := range map[string]int64{"half": 500, "nothing": 0} {
		t.Run(title, func(t *testing.T) {
			faulttable.Tried(t, "export: the store takes two parts and keeps "+title+" of them", 1, "noticed; the same command writes them again")
			sink := faults.Watch(t, labtest.Local(t))
			sink.Queue(faults.Put, faults.Truncate(kept).On("part-00001"), faults.Truncate(kept).On("part-00002"))
			if _, err := exporter.Export(t.Context(), from, name, sink, opts); !errors.Is(err, exporter.ErrNotKept) || !strings.Contains(err.Error(), "part-00001") {
				t.Fatalf("an export whose parts were not kept: %v", err)
			}
			if _, err := export.Read(t.Context(), sink, "j"); !errors.Is(err, export.ErrNone) {
				t.Errorf("its manifest: %v", err)
			}
			m, err := exporter.Export(t.Context(), from, name, sink, opts)
			if err != nil {
				t.Fatal(err)
			}
			wantWhole(t, sink, m, 3000)
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

// TestOverwrite replaces a complete export, and nothing else that lies in its folder.
func TestOverwrite(t *testing.T) {
	t.Parallel()
	from, name := filled(t, 3000)
	sink := labtest.Local(t)
	export := func(job string) *export.Manifest {
		t.Helper()
		m, err := exporter.Export(t.Context(), from, name, sink, exporter.Options{Job: job, PartBytes: 5_000, Overwrite: true})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	export("docs")
	inner := export("docs/older")
	put(t, sink, "docs/mine.parquet")
	before := written(t, sink)
	labtest.Insert(t, from, name, "", numbered(-1, 0, 1))
	if m := export("docs"); m.Total.Rows != 3001 {
		t.Errorf("%d rows, want 3001", m.Total.Rows)
	}
	after := written(t, sink)
	kept := []string{"docs/mine.parquet"}
	for _, p := range inner.Parts {
		kept = append(kept, inner.ObjectName(p))
	}
	for _, name := range kept {
		if before[name].IsZero() || !after[name].Equal(before[name]) {
			t.Errorf("%s was removed or replaced", name)
		}
	}
}

// TestOverwriteThatFails leaves the complete export as it is while nothing of the new one is written.
func TestOverwriteThatFails(t *testing.T) {
	t.Parallel()
	from, name := filled(t, 3000)
	sink := faults.Watch(t, labtest.Local(t))
	opts := exporter.Options{Job: "j", PartBytes: 5_000}
	m, err := exporter.Export(t.Context(), from, name, sink, opts)
	if err != nil {
		t.Fatal(err)
	}
	before := written(t, sink)
	opts.Overwrite = true
	wantKept := func(want error) {
		t.Helper()
		if _, err := exporter.Export(t.Context(), from, name, sink, opts); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		if kept, err := export.Read(t.Context(), sink, "j"); err != nil || kept.Total != m.Total {
			t.Errorf("the export is not complete any more: %v", err)
		}
		if after := written(t, sink); !maps.Equal(before, after) {
			t.Errorf("parts were %v and are %v", before, after)
		}
	}
	sink.Queue(faults.Swap, faults.Error(errBroken).On("_migrate/plans/"))
	wantKept(errBroken)
	if err := from.Release(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	wantKept(milvus.ErrNotLoaded)
}

// TestOverwriteAfterAKill exports all anew, though a process that was killed right after its manifest had finished all parts.
func TestOverwriteAfterAKill(t *testing.T) {
	t.Parallel()
	from, name := filled(t, 3000)
	sink := faults.Watch(t, labtest.Local(t))
	opts := exporter.Options{Job: "j", PartBytes: 5_000}
	sink.Queue(faults.Put, faults.LoseAnswer(errBroken).On("manifest.json"))
	if _, err := exporter.Export(t.Context(), from, name, sink, opts); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	labtest.Insert(t, from, name, "", numbered(-1, 0, 1))
	if _, err := exporter.Export(t.Context(), from, name, sink, opts); !errors.Is(err, exporter.ErrExists) {
		t.Errorf("got %v, want %v", err, exporter.ErrExists)
	}
	opts.Overwrite = true
	m, err := exporter.Export(t.Context(), from, name, sink, opts)
	if err != nil {
		t.Fatal(err)
	}
	if m.Total.Rows != 3001 {
		t.Errorf("%d rows, want 3001", m.Total.Rows)
	}
}

func put(t *testing.T, sink sinks.Sink, name string) {
	t.Helper()
	if _, err := sink.Put(t.Context(), name, func(w io.Writer) error { _, err := w.Write([]byte("mine")); return err }); err != nil {
		t.Fatal(err)
	}
}

// TestPlanChangesNothing cuts a collection into ranges that cover every key once.
func TestPlanChangesNothing(t *testing.T) {
	t.Parallel()
	from, name := filled(t, 5000)
	plan, err := exporter.PlanExport(context.Background(), from, name, exporter.Options{PartBytes: 5_000})
	if err != nil {
		t.Fatal(err)
	}
	var after *model.Key
	var rows int64
	for i, r := range plan.Ranges {
		if (i == 0) != (r.After == nil) || i > 0 && *r.After != *after {
			t.Errorf("range %d begins at %v, not where the one before ends", i, r.Range)
		}
		after, rows = r.UpTo, rows+r.Rows
	}
	if after != nil || rows != 5000 || plan.Rows != 5000 || len(plan.Ranges) < 5 {
		t.Errorf("%d ranges of %d rows, the last up to %v", len(plan.Ranges), rows, after)
	}
}
