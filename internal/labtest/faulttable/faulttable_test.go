package faulttable

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ended is a test whose cleanups run when it is told to end.
type ended struct {
	failed   bool
	cleanups []func()
	testing.TB
}

func (e *ended) Failed() bool     { return e.failed }
func (e *ended) Cleanup(f func()) { e.cleanups = append(e.cleanups, f) }
func (e *ended) end() {
	for _, f := range e.cleanups {
		f()
	}
}

// TestTable notes what passed, sums it up, and puts it into the page in place of the table that was there.
func TestTable(t *testing.T) {
	notes := filepath.Join(t.TempDir(), "notes")
	t.Setenv(Variable, notes)
	for _, test := range []struct {
		failed bool
		row    Row
	}{
		{false, Row{"kill", 30, "same rows"}},
		{true, Row{"never noted", 1, "failed"}},
		{false, Row{"bit", 2, "refused"}},
		{false, Row{"kill", 4, "same rows"}},
	} {
		e := &ended{failed: test.failed, TB: t}
		Tried(e, test.row.Fault, test.row.Times, test.row.Outcome)
		e.end()
	}
	f, err := os.Open(notes)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	page, err := Insert([]byte("before\n"+string(begin)+"| old |\n"+string(end)+"after\n"), rows)
	want := "before\n" + string(begin) + "| fault | times | what came of it |\n|---|---|---|\n| bit | 2 | refused |\n| kill | 34 | same rows |\n" + string(end) + "after\n"
	if err != nil || string(page) != want {
		t.Errorf("%v:\n%s\nwant\n%s", err, page, want)
	}
}

func TestRefuses(t *testing.T) {
	if _, err := Read(strings.NewReader("| a | b |\n")); err == nil {
		t.Error("notes of another kind were read")
	}
	if _, err := Insert([]byte("a page without a table"), nil); err == nil {
		t.Error("a table was put where there is none")
	}
}
