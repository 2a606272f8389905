//go:build lab

package main

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"migrate/checkpoint"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
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

// TestSyncKilled kills a sync again and again while rows are written; afterwards one pass brings the target in step.
func TestSyncKilled(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "sync: kill -9 at a random instant, while rows are written", kills(t), "one pass brings the target in step")
	name, from, sync := moved(t, 5000)
	next := 5000
	for range kills(t) {
		cmd := exec.CommandContext(t.Context(), binary, args(sync, "--interval", "100ms", "--listen", "")...)
		cmd.Dir = t.TempDir()
		end := begin(t, cmd)
		timer := time.AfterFunc(time.Second+rand.N(4*time.Second), func() { cmd.Process.Kill() })
		for writing := time.Now(); time.Since(writing) < 2*time.Second; next += 100 {
			labtest.Insert(t, from, name, "", documentRows(next, next+100))
			labtest.Upsert(t, from, name, documentRows(next-4000, next-3990))
			labtest.Delete(t, from, name, "id in [10, 11, 12]")
		}
		end()
		timer.Stop()
	}
	migrate(t, nil, args(sync, "--once")...).want(t, exitOK)
	verifySides(t, name)
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

// startSync starts a sync, and returns when it is well: where it listens, and what ends it by a signal.
func startSync(t *testing.T, sync []string) (address string, end func() result) {
	t.Helper()
	address = freeAddress(t)
	cmd := exec.CommandContext(t.Context(), binary, args(sync, "--interval", "200ms", "--listen", address)...)
	cmd.Dir = t.TempDir()
	wait := begin(t, cmd)
	await(t, func() bool { return strings.Contains(fetch(t, "http://"+address+"/readyz"), "ok") })
	return address, func() result {
		t.Helper()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		return wait()
	}
}

// TestSyncServes asks a running sync how it is, and ends it in order.
func TestSyncServes(t *testing.T) {
	t.Parallel()
	_, _, sync := moved(t, 500)
	address, end := startSync(t, sync)
	if text := fetch(t, "http://"+address+"/metrics"); !strings.Contains(text, `migrate_cycles_total{result="ok"}`) {
		t.Errorf("metrics: %s", text)
	}
	await(t, func() bool { return strings.Contains(fetch(t, "http://"+address+"/"), "in step</p>") })
	if text := fetch(t, "http://"+address+"/debug/pprof/"); !strings.Contains(text, "404") {
		t.Errorf("profiles that nobody asked for: %s", text)
	}
	migrate(t, nil, "ready", "--listen", address).want(t, exitOK, "ok")
	end().want(t, exitInterrupted, "the sync was stopped", "the same command goes on")
	migrate(t, nil, args("status", sync[len(sync)-2:])...).want(t, exitOK, "paused")
}

// TestRunServes asks a whole move how it is, from its export to its sync.
func TestRunServes(t *testing.T) {
	t.Parallel()
	from := labtest.Source(t)
	name := documents(t, from, 20_000)
	labtest.DropLater(t, labtest.Target(t), name)
	address := freeAddress(t)
	cmd := exec.CommandContext(t.Context(), binary, args("run", toSource, toTarget, toStaging, "--collection", name, sink, t.TempDir(),
		"--interval", "200ms", "--listen", address, "--pprof")...)
	cmd.Dir = t.TempDir()
	end := begin(t, cmd)
	at := func(path string) string { return fetch(t, "http://"+address+path) }
	await(t, func() bool { return strings.Contains(at("/"), name) })
	if text := at("/readyz"); !strings.Contains(text, "no cycle has ended yet") {
		t.Errorf("ready before the first cycle: %s", text)
	}
	await(t, func() bool { return at("/readyz") == "ok\n" })
	metrics := at("/metrics")
	for _, want := range []string{
		"migrate_rows_exported_total 20000", "migrate_rows_imported_total 20000", `migrate_bulk_insert_jobs{state="completed"}`,
		`migrate_cycles_total{result="ok"}`, "migrate_ranges_differing 0",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s: %s", want, metrics)
		}
	}
	await(t, func() bool { return strings.Contains(at("/"), "in step</p>") })
	if page := at("/"); !strings.Contains(page, "20,000 rows in") {
		t.Errorf("the page: %s", page)
	}
	if at("/debug/pprof/goroutine?debug=1") == "" {
		t.Error("no profile")
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	end().want(t, exitInterrupted)
}

// fetch is the answer to a request; "" where nobody answers.
func fetch(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
