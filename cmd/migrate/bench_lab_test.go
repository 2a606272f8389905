//go:build lab

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"migrate/internal/ops/bench"
)

var smallBench = []string{"--rows", "20000", "--dim", "64", "--batch", "2000"}

// TestBench measures inserts on one server, and searches on two side by side, and writes a page.
func TestBench(t *testing.T) {
	page := filepath.Join(t.TempDir(), "report.html")
	r := migrate(t, nil, args("bench", "insert", toTarget, smallBench, "--html", page)...)
	r.want(t, exitOK, "20,000 vectors of 64 dimensions", "vectors/s", "target: "+toTarget[1])
	if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "<svg") {
		t.Errorf("the page has no chart: %v", err)
	}

	r = migrate(t, nil, args("bench", "search", toSource, toTarget, "--compare", "--json", smallBench, "--queries", "20", "--threads", "4")...)
	r.want(t, exitOK)
	var report bench.Report
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Sides) != 2 || report.Agreement == nil || *report.Agreement == 0 {
		t.Fatalf("no two sides that agree on anything: %s", r.stdout)
	}
	for _, s := range report.Sides {
		if s.Inserted.Rows != 20_000 || s.Searched.Latency.Count != 80 {
			t.Errorf("%s: %d rows inserted, %d searches", s.Name, s.Inserted.Rows, s.Searched.Latency.Count)
		}
	}
}

// TestBenchOneSide tells what was measured on the source where the target fails.
func TestBenchOneSide(t *testing.T) {
	page := filepath.Join(t.TempDir(), "report.html")
	r := migrate(t, nil, args("bench", "insert", toSource, "--target-address", "127.0.0.1:9", "--compare", smallBench, "--html", page)...)
	r.want(t, exitFailed, "testing the target", "vectors/s", "source: "+toSource[1])
	if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "<svg") {
		t.Errorf("the page has no chart: %v", err)
	}
}
