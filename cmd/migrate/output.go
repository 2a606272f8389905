package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/term"

	"migrate/internal/progress"
)

// steps shows one step after another on standard error, so that standard output holds the result only. The zero value
// shows none.
type steps struct{ meter *progress.Meter }

// next ends the step under way and begins another, of so many rows.
func (s *steps) next(label string, rows int64) {
	s.stop()
	s.meter = progress.Start(os.Stderr, term.IsTerminal(int(os.Stderr.Fd())), label, rows)
}

// nextOrSay is next, or only a line where there are no rows to count.
func (s *steps) nextOrSay(label string, rows int64) {
	if rows > 0 {
		s.next(label, rows)
		return
	}
	s.stop()
	fmt.Fprintln(os.Stderr, label)
}

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
	var r syscall.Rusage
	// It fails for a bad argument only.
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return usage{time.Since(start).Seconds(), r.Maxrss * 1024}
}

func (u usage) String() string {
	return fmt.Sprintf("in %.1fs, peak memory %s", u.Seconds, humanize.IBytes(uint64(u.PeakMemory)))
}

// print writes a result as JSON, or as the text that a person reads.
func (c config) print(w io.Writer, result any, text func(io.Writer)) error {
	if !c.JSON {
		text(w)
		return nil
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(result)
}

func rows(n int64) string { return humanize.Comma(n) + " rows" }
func size(n int64) string { return humanize.IBytes(uint64(n)) }
