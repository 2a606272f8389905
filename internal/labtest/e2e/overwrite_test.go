//go:build lab

package e2e

import (
	"errors"
	"io"
	"maps"
	"testing"

	"migrate/exporter"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/sinks"
	"migrate/sinks/faults"
)

// TestOverwrite replaces a complete export, and nothing else that lies in its folder.
func TestOverwrite(t *testing.T) {
	t.Parallel()
	from, c := small(t, 3000)
	sink := labtest.Local(t)
	export := func(job string) *export.Manifest {
		t.Helper()
		m, err := exporter.Export(t.Context(), from, c.Name, sink, exporter.Options{Job: job, PartBytes: 50_000, Overwrite: true})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	export("docs")
	inner := export("docs/older")
	put(t, sink, "docs/mine.parquet")
	before := written(t, sink)
	labtest.Insert(t, from, c.Name, "", narrowRows([]int64{-1}))
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
	from, c := small(t, 3000)
	sink := faults.Watch(t, labtest.Local(t))
	opts := exporter.Options{Job: "j", PartBytes: 50_000}
	m, err := exporter.Export(t.Context(), from, c.Name, sink, opts)
	if err != nil {
		t.Fatal(err)
	}
	before := written(t, sink)
	opts.Overwrite = true
	wantKept := func(want error) {
		t.Helper()
		if _, err := exporter.Export(t.Context(), from, c.Name, sink, opts); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		if kept, err := export.Read(t.Context(), sink, "j"); err != nil || kept.Total != m.Total {
			t.Errorf("the export is not complete any more: %v", err)
		}
		if after := written(t, sink); !maps.Equal(before, after) {
			t.Errorf("parts were %v and are %v", before, after)
		}
	}
	sink.Queue(faults.Put, faults.Error(errBroken).On("plan.json"))
	wantKept(errBroken)
	if err := from.Release(t.Context(), c.Name); err != nil {
		t.Fatal(err)
	}
	wantKept(milvus.ErrNotLoaded)
}

// TestOverwriteAfterAKill exports all anew, though a process that was killed right after its manifest had finished all parts.
func TestOverwriteAfterAKill(t *testing.T) {
	t.Parallel()
	from, c := small(t, 3000)
	sink := faults.Watch(t, labtest.Local(t))
	opts := exporter.Options{Job: "j", PartBytes: 50_000}
	sink.Queue(faults.Put, faults.LoseAnswer(errBroken).On("manifest.json"))
	if _, err := exporter.Export(t.Context(), from, c.Name, sink, opts); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	labtest.Insert(t, from, c.Name, "", narrowRows([]int64{-1}))
	if _, err := exporter.Export(t.Context(), from, c.Name, sink, opts); !errors.Is(err, exporter.ErrExists) {
		t.Errorf("got %v, want %v", err, exporter.ErrExists)
	}
	opts.Overwrite = true
	m, err := exporter.Export(t.Context(), from, c.Name, sink, opts)
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
