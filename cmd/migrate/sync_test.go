package main

import (
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
)

// TestSyncKilled kills a sync again and again while rows are written; afterwards one pass brings the target in step.
func TestSyncKilled(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "sync: kill -9 at a random instant, while rows are written", kills(t), "one pass brings the target in step")
	p := newSides(t, 5000)
	name, from, sync := p.name, p.from, p.sync
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
	p.wantEqual(t)
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
	sync := newSides(t, 500).sync
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
