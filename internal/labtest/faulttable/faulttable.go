// Package faulttable keeps the tables of docs/reliability.md and docs/deploy.md: each fault that was tried, how often, and what came of it.
// Tests that pass note what they tried in the file that the environment variable FAULT_TABLE names, and the command in
// write puts the table into the page.
package faulttable

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// Variable names the file that tests note in; they note nothing where it is empty.
const Variable = "FAULT_TABLE"

// Row is one line of the table.
type Row struct {
	Fault   string `json:"fault"`
	Times   int    `json:"times"`
	Outcome string `json:"outcome"`
}

// T is what Tried needs of a test.
type T interface {
	Cleanup(func())
	Failed() bool
	Errorf(format string, args ...any)
}

// Tried notes, when the test has passed, that a fault was tried so many times and what came of it each time.
func Tried(t T, fault string, times int, outcome string) {
	t.Cleanup(func() {
		if name := os.Getenv(Variable); name != "" && !t.Failed() {
			if err := add(name, Row{fault, times, outcome}); err != nil {
				t.Errorf("noting a fault: %v", err)
			}
		}
	})
}

func add(name string, r Row) (err error) {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = f.Write(append(line, '\n')) // one write, which does not mix with those of other packages' tests
	return err
}

// Read reads what was noted, sums up what was tried several times with the same outcome, and sorts it.
func Read(r io.Reader) ([]Row, error) {
	var rows []Row
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var row Row
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			return nil, fmt.Errorf("reading %q: %w", lines.Text(), err)
		}
		same := func(r Row) bool { return r.Fault == row.Fault && r.Outcome == row.Outcome }
		if i := slices.IndexFunc(rows, same); i >= 0 {
			rows[i].Times += row.Times
			continue
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Fault, b.Fault), cmp.Compare(a.Outcome, b.Outcome))
	})
	return rows, lines.Err()
}

// Marks enclose the table in the page.
var begin, end = []byte("<!-- written by the tests -->\n"), []byte("<!-- end -->\n")

// Insert returns the page with the rows in place of the table that it has.
func Insert(page []byte, rows []Row) ([]byte, error) {
	before, rest, found := bytes.Cut(page, begin)
	_, after, ended := bytes.Cut(rest, end)
	if !found || !ended {
		return nil, fmt.Errorf("the page has no %q before a %q", begin, end)
	}
	table := []byte("| fault | times | what came of it |\n|---|---|---|\n")
	for _, r := range rows {
		table = fmt.Appendf(table, "| %s | %d | %s |\n", r.Fault, r.Times, r.Outcome)
	}
	return slices.Concat(before, begin, table, end, after), nil
}
