package main

import (
	"os"
	"path/filepath"
	"testing"
)

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
