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

// TestTryPage leaves a folder as it was.
func TestTryPage(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "old.html")
	if err := os.WriteFile(old, []byte("an earlier report"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, fails := range map[string]bool{
		"":                                 false,
		filepath.Join(dir, "new.html"):     false,
		old:                                false,
		dir:                                true,
		filepath.Join(dir, "no", "a.html"): true,
	} {
		if err := tryPage(name); (err != nil) != fails {
			t.Errorf("%q: %v", name, err)
		}
	}
	if text, err := os.ReadFile(old); err != nil || string(text) != "an earlier report" {
		t.Errorf("the earlier report is %q, %v", text, err)
	}
	if found, err := os.ReadDir(dir); err != nil || len(found) != 1 {
		t.Errorf("it left %v, %v", found, err)
	}
}

// TestBenchBadInput is refused before anything is made.
func TestBenchBadInput(t *testing.T) {
	for title, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no server":            {args("bench", "insert"), exitUsage, "--target-address"},
		"nothing to compare":   {args("bench", "search", toTarget, "--compare"), exitUsage, "--source-address"},
		"a huge batch":         {args("bench", "insert", toTarget, "--batch", "1000000"), exitUsage, "60 MiB"},
		"unknown index":        {args("bench", "search", toTarget, "--index", "ANNOY"), exitUsage, "ANNOY"},
		"more than there is":   {args("bench", "search", toTarget, "--rows", "5"), exitUsage, "top"},
		"nobody listens":       {args("bench", "insert", "--target-address", "127.0.0.1:9"), exitFailed, "check the address"},
		"no folder for a page": {args("bench", "insert", "--target-address", "127.0.0.1:9", "--html", "no/such/a.html"), exitFailed, "writing the report"},
		"a setting of another": {args("bench", "insert", toTarget, "--threads", "3"), exitUsage, "--threads"},
		"unknown test":         {args("bench", "delete"), exitUsage, `unknown command "delete"`},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			migrate(t, nil, c.args...).want(t, c.code, c.want)
		})
	}
}
