//go:build lab

package e2e

import (
	"strings"
	"sync"
	"testing"

	"migrate/deploy/lab"
	"migrate/exporter"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

const pacedRows = 20_000

// pacedCollection makes the same collection on any server.
func pacedCollection(t *testing.T, server *milvus.Server) string {
	t.Helper()
	c := labtest.Collection(narrow())
	labtest.Create(t, server, c)
	labtest.Insert(t, server, c.Name, "", narrowRows(labtest.Each(pacedRows, func(i int) int64 { return int64(i) })))
	return c.Name
}

// pacedExport exports it in about so many parts, of one page each.
func pacedExport(t *testing.T, server *milvus.Server, collection string, parts int64, progress func()) model.Sum {
	t.Helper()
	m, err := exporter.Export(t.Context(), server, collection, labtest.Local(t), exporter.Options{
		Job: "j", PartBytes: pacedRows * (dim*4 + 8) / parts, Progress: func(int64, int64) { progress() },
	})
	if err != nil {
		t.Fatal(err)
	}
	if m.Total.Rows != pacedRows {
		t.Errorf("exported %d rows of %d", m.Total.Rows, pacedRows)
	}
	return m.Total
}

// TestRateLimited exports from a server that refuses most of what four workers ask: they slow down, and the export is
// that of a server without limits.
func TestRateLimited(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "export from a standalone that lets 5 queries a second through, with four workers", 1, "ended by itself, one call at a time: every row once")
	from, undisturbed := labtest.Limited(t), labtest.Source(t)
	var mu sync.Mutex
	slowed := 0
	const parts = 12
	got := pacedExport(t, from, pacedCollection(t, from), parts, func() {
		mu.Lock()
		defer mu.Unlock()
		if limit, wanted := from.Pace(); limit < wanted {
			slowed++
		}
	})
	if slowed == 0 {
		t.Error("the workers were not slowed")
	}
	if want := pacedExport(t, undisturbed, pacedCollection(t, undisturbed), parts, func() {}); got != want {
		t.Errorf("exported %+v, from a server without limits %+v", got, want)
	}
	if limit, wanted := undisturbed.Pace(); limit != wanted {
		t.Errorf("only %d of %d calls at once on a server without limits", limit, wanted)
	}
}

// TestGrowingLatency exports through a proxy that begins to delay answers, until the workers have slowed down for it.
func TestGrowingLatency(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "export while a proxy begins to delay answers by 1.5 s", 1, "half of the calls at once, and all again without the delay: every row once")
	const quick, parts = 20, 100 // enough to be slowed, and to be as quick as before
	const late = `{"name": "late", "type": "latency", "stream": "downstream", "attributes": {"latency": 1500}}`
	p := labtest.Proxy(t, lab.Standalone)
	from := world{}.connect(t, p.Listen)
	name := pacedCollection(t, labtest.Source(t))
	var mu sync.Mutex
	pages, slowed := 0, false
	pacedExport(t, from, name, parts, func() {
		mu.Lock()
		defer mu.Unlock()
		limit, wanted := from.Pace()
		switch pages++; {
		case pages == quick:
			if _, err := p.Toxics.AddToxicJson(strings.NewReader(late)); err != nil {
				t.Error(err)
			}
		case limit < wanted && !slowed:
			slowed = true
			if err := p.Toxics.RemoveToxic(t.Context(), "late"); err != nil {
				t.Error(err)
			}
		}
	})
	if limit, wanted := from.Pace(); !slowed || limit != wanted {
		t.Errorf("slowed: %t; %d of %d calls at once in the end, want all", slowed, limit, wanted)
	}
}
