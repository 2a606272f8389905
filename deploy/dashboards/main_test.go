package main

import (
	"os"
	"path/filepath"
	"testing"
)

const committed = "../compose/monitoring/grafana/dashboards"

// TestCommitted holds the committed dashboards against what this program makes.
func TestCommitted(t *testing.T) {
	made := t.TempDir()
	if err := writeAll(made); err != nil {
		t.Fatal(err)
	}
	want, got := contents(t, made), contents(t, committed)
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s is not what this program makes: run go run ./deploy/dashboards deploy/compose/monitoring/grafana/dashboards", name)
		}
	}
	for name := range got {
		if _, made := want[name]; !made {
			t.Errorf("%s is made by no program", name)
		}
	}
	if len(want) < 2 {
		t.Errorf("only %d dashboards were made", len(want))
	}
}

// contents are the texts of a folder's files by name.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		texts[e.Name()] = string(text)
	}
	return texts
}
