package monitor_test

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"migrate/internal/monitor"
)

// Lines come every five seconds, and one at the end with the figures as they are.
func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		m := monitor.StartLines(&out, "books", 100_000)
		<-time.After(6 * time.Second)
		m.Add(12_000, 24_000_000)
		<-time.After(6 * time.Second)
		m.Add(88_000, 176_000_000)
		<-time.After(4 * time.Second)
		m.Stop()
		want := "books 0/100,000 rows 0 B, 0 rows/s, time left unknown\n" +
			"books 12,000/100,000 rows 23 MiB, 1,200 rows/s, 1m13s left\n" +
			"books 100,000/100,000 rows 191 MiB, 6,666 rows/s, in 15s\n" +
			"books 100,000/100,000 rows 191 MiB, 6,250 rows/s, in 16s\n"
		if got := out.String(); got != want {
			t.Errorf("lines:\n%swant:\n%s", got, want)
		}
	})
}

func TestFigures(t *testing.T) {
	for name, test := range map[string]struct {
		total, rows int64
		want        string
	}{
		"nothing to do":     {0, 0, "books 0/0 rows 0 B, 0 rows/s, in 1s"},
		"nothing done":      {10, 0, "books 0/10 rows 0 B, 0 rows/s, time left unknown"},
		"half":              {10, 5, "books 5/10 rows 5 B, 5 rows/s, 1s left"},
		"more than awaited": {10, 15, "books 15/10 rows 15 B, 15 rows/s, in 1s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			m := monitor.StartLines(&out, "books", test.total)
			m.Add(test.rows, test.rows)
			<-time.After(time.Second)
			m.Stop()
			if got := strings.TrimSuffix(out.String(), "\n"); got != test.want {
				t.Errorf("%s: %q, want %q", name, got, test.want)
			}
		})
	}
}

// starts are both ways to show a step.
var starts = map[string]func(io.Writer, string, int64) *monitor.Meter{"lines": monitor.StartLines, "bar": monitor.StartBar}

// A meter that is stopped again says nothing more, and one that counts no rows at all divides by none.
func TestStopTwice(t *testing.T) {
	for name, start := range starts {
		var out bytes.Buffer
		m := start(&out, "books", 10)
		m.Stop()
		length := out.Len()
		m.Stop()
		if out.Len() != length {
			t.Errorf("%s: %q", name, out.String())
		}
	}
}

// Rows are counted from any number of goroutines, while they are shown.
func TestManyAdders(t *testing.T) {
	for name, start := range starts {
		const adders, rows = 20, 1000
		var out bytes.Buffer
		m := start(&out, "books", adders*rows)
		var g errgroup.Group
		for range adders {
			g.Go(func() error {
				for range rows {
					m.Add(1, 2)
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		m.Stop()
		// A bar is drawn on nothing but a terminal.
		if counted := strings.Contains(out.String(), "books 20,000/20,000 rows 39 KiB, "); counted == (name == "bar") {
			t.Errorf("%s: %q", name, out.String())
		}
	}
}
