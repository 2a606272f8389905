package bench_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"migrate/internal/ops/bench"
)

var update = flag.Bool("update", false, "write the golden files anew")

func plan(searches bool) bench.Plan {
	p := bench.Plan{Insertion: bench.Insertion{Vectors: bench.Vectors{Dim: 384}, Rows: 1_000_000, Batch: 10_000, Inserters: 1}}
	if searches {
		p.Searches = &bench.Searches{Index: bench.Index{Type: "HNSW", EF: 64}, Top: 10, Threads: 10, Queries: 100, WarmUp: 20}
	}
	return p
}

// outcome is one in which calls take so long.
func outcome(address string, call time.Duration, searches bool) *bench.Outcome {
	calls := bench.NewCalls()
	for i := range 100 {
		calls.Add(call + time.Duration(i)*call/100)
	}
	o := &bench.Outcome{Address: address, Version: "v2.3.5", Collection: "migrate_bench_x", Inserted: &bench.Inserted{
		Rows: 1_000_000, Took: 1000 * call, PerSecond: 1000 / call.Seconds(), Flush: call * 10, Batches: calls.Latency(),
		Rates: []bench.Rate{{Until: 500 * call, PerSecond: 100}, {Until: 1000 * call, PerSecond: 200}},
	}}
	if searches {
		o.Indexed = 300 * call
		o.Searched = &bench.Searched{
			Took: 10 * call, PerSecond: 10 / call.Seconds(), Latency: calls.Latency(), Answers: [][]int64{{1, 2, 3, 4}, {5, 6, 7, 8}},
		}
	}
	return o
}

func insertReport() *bench.Report {
	r := bench.NewReport(plan(false), time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC))
	r.Add("target", outcome("cluster:19530", 20*time.Millisecond, false))
	return r
}

func comparison() *bench.Report {
	r := bench.NewReport(plan(true), time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC))
	r.Add("source", outcome("standalone:19530", 20*time.Millisecond, true))
	target := outcome("cluster:19530", 10*time.Millisecond, true)
	target.Searched.Answers = [][]int64{{4, 3, 2, 9}, {5, 6, 7, 8}}
	target.Searched.Failed, target.Searched.Failure = 2, "searching: it was away"
	r.Add("target", target)
	return r
}

// TestTable holds the table as it was looked at by a person.
func TestTable(t *testing.T) {
	for name, report := range map[string]*bench.Report{"insert": insertReport(), "comparison": comparison()} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			report.Text(&got)
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got.String(), want)
			}
		})
	}
}

var (
	drawing = regexp.MustCompile(`(?s)<svg.*?</svg>`)
	loaded  = regexp.MustCompile(`(?i)(src|href|url|import|@font-face)\s*[=(]`)
)

// TestPage shows the table and charts that are well-formed, and loads nothing.
func TestPage(t *testing.T) {
	for title, c := range map[string]struct {
		report *bench.Report
		charts int
	}{
		"insert":     {insertReport(), 1},
		"comparison": {comparison(), 2},
	} {
		t.Run(title, func(t *testing.T) {
			var got bytes.Buffer
			if err := c.report.HTML(&got); err != nil {
				t.Fatal(err)
			}
			if found := loaded.FindString(got.String()); found != "" {
				t.Errorf("it loads something: %s", found)
			}
			drawings := drawing.FindAllString(got.String(), -1)
			if len(drawings) != c.charts {
				t.Errorf("%d charts, want %d", len(drawings), c.charts)
			}
			for _, d := range drawings {
				wellFormed(t, d)
			}
			if !strings.Contains(got.String(), "vectors/s") {
				t.Error("it has no table")
			}
		})
	}
}

func wellFormed(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
	}
}
