//go:build lab

package main

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"migrate/checkpoint"
	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/move"
)

// moved is a collection that was exported and imported, and the flags that sync it.
func moved(t *testing.T, rows int) (name string, from *milvus.Server, sync []string) {
	t.Helper()
	from = labtest.Source(t)
	name = documents(t, from, rows)
	labtest.DropLater(t, labtest.Target(t), name)
	of := args("--collection", name, sink, t.TempDir())
	migrate(t, nil, args("export", toSource, of)...).want(t, exitOK)
	sync = args("sync", "--log-level", "error", toSource, toTarget, toStaging, of)
	migrate(t, nil, args(sync, "--once")...).want(t, exitFailed, "not filled yet", "migrate import")
	migrate(t, nil, args("import", toTarget, toStaging, of)...).want(t, exitOK)
	return name, from, sync
}

// TestSync takes up where export and import ended, as docs/sync.md shows.
func TestSync(t *testing.T) {
	t.Parallel()
	name, from, sync := moved(t, 2000)
	migrate(t, nil, args(sync, "--once")...).want(t, exitOK)
	labtest.Insert(t, from, name, "", documentRows(2000, 2500))
	labtest.Delete(t, from, name, "id in [1, 2, 3]")
	r := migrate(t, nil, args(sync, "--once", "--json")...)
	r.want(t, exitOK)
	if !strings.Contains(r.stdout, `"rows_inserted": 500`) || !strings.Contains(r.stdout, `"rows_deleted": 3`) {
		t.Errorf("not what was written: %s", r.stdout)
	}
	verifySides(t, name)

	var jobs []move.Status
	status := migrate(t, nil, args("status", "--json", sync[len(sync)-2:])...)
	status.want(t, exitOK)
	if err := json.Unmarshal([]byte(status.stdout), &jobs); err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		if j.Kind == checkpoint.Sync && (j.State != checkpoint.Paused || j.Sync == nil || j.Sync.Upserted != 500 || j.Sync.AsOf.IsZero()) {
			t.Errorf("status: %+v", j)
		}
	}
	migrate(t, nil, args("status", sync[len(sync)-2:])...).want(t, exitOK, "sync", "paused")

	told := args(sync, "--once", "--source-storage-url", labtest.SourceStorage(t).URL(""))
	migrate(t, nil, told...).want(t, exitOK)
	labtest.Delete(t, from, name, "id in [10, 11]")
	migrate(t, nil, told...).want(t, exitOK, "told by the storage; 0 rows inserted, 0 changed, 2 deleted")
	migrate(t, nil, args("status", sync[len(sync)-2:])...).want(t, exitOK, "what is written told by the storage")
	verifySides(t, name)

	labtest.Delete(t, from, name, "id >= 0")
	migrate(t, nil, args(sync, "--once")...).want(t, exitFailed, "counts no rows", "look at the source first")
	migrate(t, nil, args(sync, "--once", "--interval", "soon")...).want(t, exitUsage, "interval")
	migrate(t, nil, args(sync, "--once", "--max-delete", "0")...).want(t, exitUsage, "max-delete")
	migrate(t, nil, args(sync, "--listen", "0.0.0.0:0")...).want(t, exitFailed, "a token is needed", "MIGRATE_LISTEN_TOKEN")
}

func verifySides(t *testing.T, name string) {
	t.Helper()
	migrate(t, nil, args("verify", toSource, toTarget, "--collection", name)...).want(t, exitOK, "equal")
}

// TestRun moves a collection and keeps it in step by one command, which goes on when it is given again.
func TestRun(t *testing.T) {
	t.Parallel()
	from := labtest.Source(t)
	name := documents(t, from, 2000)
	labtest.DropLater(t, labtest.Target(t), name)
	run := args("run", "--once", toSource, toTarget, toStaging, "--collection", name, sink, t.TempDir())
	migrate(t, nil, run...).want(t, exitOK, "exported 2,000 rows", "imported 2,000 rows")
	labtest.Insert(t, from, name, "", documentRows(2000, 2100))
	r := migrate(t, nil, run...)
	r.want(t, exitOK, "100 rows inserted")
	if strings.Contains(r.stdout, "exported") || strings.Contains(r.stdout, "imported") {
		t.Errorf("done again: %s", r.stdout)
	}
	verifySides(t, name)
}

// TestRunServes asks a whole move how it is, from its export to its sync.
func TestRunServes(t *testing.T) {
	t.Parallel()
	s := newInMemory(t, 3)
	labtest.DropLater(t, labtest.Target(t), s.name)
	cluster, gate := held(t, "Import")
	cmd := exec.CommandContext(t.Context(), binary, args("run", "--source-address", s.Address, "--target-address", cluster, toStaging, "--collection", s.name,
		sink, t.TempDir(), "--interval", "200ms", anyPort, "--pprof")...)
	cmd.Dir = t.TempDir()
	url, end := serving(t, cmd)
	at := func(path string) string { return fetch(t, url+path) }
	gate.Await(t)
	if page := at("/"); !strings.Contains(page, s.name) {
		t.Errorf("the page: %s", page)
	}
	if text := at("/readyz"); !strings.Contains(text, "no cycle has ended yet") {
		t.Errorf("ready before the first cycle: %s", text)
	}
	gate.Open()
	await(t, func() bool { return at("/readyz") == "ok\n" })
	metrics := at("/metrics")
	for _, want := range []string{
		"migrate_rows_exported_total 3000", "migrate_rows_imported_total 3000", `migrate_bulk_insert_jobs{state="completed"}`,
		`migrate_cycles_total{result="ok"}`, "migrate_ranges_differing 0",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s: %s", want, metrics)
		}
	}
	await(t, func() bool { return strings.Contains(at("/"), "in step</p>") })
	if page := at("/"); !strings.Contains(page, "3,000 rows in") {
		t.Errorf("the page: %s", page)
	}
	if at("/debug/pprof/goroutine?debug=1") == "" {
		t.Error("no profile")
	}
	end().want(t, exitInterrupted)
}
