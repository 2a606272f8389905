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

// meter shows a step on standard error, so that standard output holds the result only.
func meter(label string, total int64) *progress.Meter {
	return progress.Start(os.Stderr, term.IsTerminal(int(os.Stderr.Fd())), label, total)
}

func step(text string) { fmt.Fprintln(os.Stderr, text) }

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
