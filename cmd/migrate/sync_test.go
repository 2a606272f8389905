package main

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strings"
	"sync"
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
	next := 5000
	write := func() {
		labtest.Insert(t, p.from, p.name, "", documentRows(next, next+100))
		labtest.Upsert(t, p.from, p.name, documentRows(next-4000, next-3990))
		labtest.Delete(t, p.from, p.name, "id in [10, 11, 12]")
		next += 100
	}
	for range kills(t) {
		var mu sync.Mutex
		queries, last, gate := 0, 1+rand.IntN(100), labtest.NewGate()
		watch := func(ctx context.Context, method string) {
			if method != "Query" {
				return
			}
			mu.Lock()
			if queries++; queries%10 == 0 {
				write()
			}
			struck := queries >= last
			mu.Unlock()
			if struck {
				gate.Pass(ctx)
			}
		}
		p.source.Watch(watch)
		p.target.Watch(watch)
		cmd := exec.CommandContext(t.Context(), binary, args(p.sync, "--interval", "100ms", "--listen", "")...)
		cmd.Dir = t.TempDir()
		end := begin(t, cmd)
		gate.Await(t)
		gate.Open()
		time.Sleep(rand.N(10 * time.Millisecond)) // so that it is killed between its calls, too
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		end()
	}
	p.source.Watch(nil)
	p.target.Watch(nil)
	migrate(t, nil, args(p.sync, "--once")...).want(t, exitOK)
	p.wantEqual(t)
}

// startSync starts a sync, and returns when it is well: where it listens, and what ends it by a signal.
func startSync(t *testing.T, sync []string) (url string, end func() result) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args(sync, "--interval", "200ms", anyPort)...)
	cmd.Dir = t.TempDir()
	url, end = serving(t, cmd)
	await(t, func() bool { return strings.Contains(fetch(t, url+"/readyz"), "ok") })
	return url, end
}

// TestSyncServes asks a running sync how it is, and ends it in order.
func TestSyncServes(t *testing.T) {
	t.Parallel()
	sync := newSides(t, 500).sync
	url, end := startSync(t, sync)
	if text := fetch(t, url+"/metrics"); !strings.Contains(text, `migrate_cycles_total{result="ok"}`) {
		t.Errorf("metrics: %s", text)
	}
	await(t, func() bool { return strings.Contains(fetch(t, url+"/"), "in step</p>") })
	if text := fetch(t, url+"/debug/pprof/"); !strings.Contains(text, "404") {
		t.Errorf("profiles that nobody asked for: %s", text)
	}
	migrate(t, nil, "ready", "--listen", strings.TrimPrefix(url, "http://")).want(t, exitOK, "ok")
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
