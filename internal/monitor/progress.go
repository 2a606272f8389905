package monitor

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Meter counts the rows and bytes of one step, from any number of goroutines, and shows them until Stop.
type Meter struct {
	label   string
	total   int64 // rows expected; 0 where nobody knows
	started time.Time
	rows    atomic.Int64
	bytes   atomic.Int64
	stop    func()
}

// lineEvery is how often a plain line is written.
const lineEvery = 5 * time.Second

// barEvery is how often a bar is drawn anew.
const barEvery = 200 * time.Millisecond

// StartBar shows a step of total rows on a terminal.
func StartBar(w io.Writer, label string, total int64) *Meter {
	m := &Meter{label: label, total: total, started: time.Now()}
	m.stop = m.bar(w)
	return m
}

// StartLines shows a step of total rows line by line.
func StartLines(w io.Writer, label string, total int64) *Meter {
	m := &Meter{label: label, total: total, started: time.Now()}
	m.stop = m.lines(w)
	return m
}

// Add counts what was done. It is what the engines' Progress callbacks call.
func (m *Meter) Add(rows, bytes int64) {
	m.bytes.Add(bytes)
	m.rows.Add(rows)
}

// Stop ends the display, with the figures as they are. A Meter may be stopped more than once.
func (m *Meter) Stop() { m.stop() }

func (m *Meter) bar(w io.Writer) func() {
	p := mpb.New(mpb.WithOutput(w), mpb.WithWidth(64), mpb.WithRefreshRate(barEvery))
	bar := p.New(m.total, mpb.BarStyle(),
		mpb.PrependDecorators(decor.Name(m.label+" ")),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return m.figures() })),
	)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		every(quit, barEvery, func() { bar.SetCurrent(min(m.rows.Load(), m.total)) })
		bar.SetCurrent(min(m.rows.Load(), m.total))
		bar.Abort(false) // a bar that is full stays as it is
		p.Wait()
	}()
	return sync.OnceFunc(func() { close(quit); <-done })
}

func (m *Meter) lines(w io.Writer) func() {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		every(quit, lineEvery, func() { fmt.Fprintln(w, m.label, m.figures()) })
		fmt.Fprintln(w, m.label, m.figures())
	}()
	return sync.OnceFunc(func() { close(quit); <-done })
}

func every(quit <-chan struct{}, d time.Duration, do func()) {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		select {
		case <-quit:
			return
		case <-t.C:
			do()
		}
	}
}

// figures is "12,000/100,000 rows 24 MB, 31,000 rows/s, 2.8s left".
func (m *Meter) figures() string {
	rows, elapsed := m.rows.Load(), time.Since(m.started)
	rate := float64(rows) / max(elapsed.Seconds(), 1e-3)
	if m.total == 0 && rows > 0 {
		return fmt.Sprintf("%s rows %s, %s rows/s", humanize.Comma(rows), humanize.IBytes(uint64(m.bytes.Load())), humanize.Comma(int64(rate)))
	}
	return fmt.Sprintf("%s/%s rows %s, %s rows/s, %s", humanize.Comma(rows), humanize.Comma(m.total),
		humanize.IBytes(uint64(m.bytes.Load())), humanize.Comma(int64(rate)), m.left(rows, rate, elapsed))
}

func (m *Meter) left(rows int64, rate float64, elapsed time.Duration) string {
	switch {
	case rows >= m.total:
		return "in " + elapsed.Round(100*time.Millisecond).String()
	case rows == 0:
		return "time left unknown"
	}
	left := time.Duration(float64(m.total-rows) / rate * float64(time.Second))
	return left.Round(time.Second).String() + " left"
}
