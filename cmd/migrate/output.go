package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/term"

	"migrate/internal/monitor"
)

// steps shows one step after another on standard error, so that standard output holds the result only. The zero value
// shows none.
type steps struct{ meter *monitor.Meter }

// next ends the step under way and begins another, of so many rows.
func (s *steps) next(label string, rows int64) {
	s.stop()
	start := monitor.StartLines
	if onTerminal() {
		start = monitor.StartBar
	}
	s.meter = start(os.Stderr, label, rows)
}

// announce is next, for steps of which some have no rows to count. Where no bar shows that a step has begun, a line does.
func (s *steps) announce(label string, rows int64) {
	s.stop()
	if rows == 0 || !onTerminal() {
		fmt.Fprintln(os.Stderr, label)
	}
	if rows > 0 {
		s.next(label, rows)
	}
}

func onTerminal() bool { return term.IsTerminal(int(os.Stderr.Fd())) }

func (s *steps) add(rows, bytes int64) { s.meter.Add(rows, bytes) }

func (s *steps) stop() {
	if s.meter != nil {
		s.meter.Stop()
	}
}

// usage is what a run took.
type usage struct {
	Seconds    float64 `json:"seconds"`
	PeakMemory int64   `json:"peak_memory_bytes"` // of this process, resident
}

func usageSince(start time.Time) usage {
	return usage{time.Since(start).Seconds(), monitor.PeakMemory()}
}

func (u usage) String() string {
	return fmt.Sprintf("in %.1fs, peak memory %s", u.Seconds, humanize.IBytes(uint64(u.PeakMemory)))
}

// print writes a result as JSON, or as the text that a person reads.
func (c config) print(w io.Writer, result any, text func(io.Writer)) error {
	if !c.JSON {
		out := &output{w: w}
		text(out)
		return out.err
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(result)
}

// output keeps the first error of what is written to it line by line.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (n int, err error) {
	if o.err != nil {
		return 0, o.err
	}
	n, o.err = o.w.Write(p)
	return n, o.err
}

func rows(n int64) string { return humanize.Comma(n) + " rows" }
func size(n int64) string { return humanize.IBytes(uint64(n)) }
