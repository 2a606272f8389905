package monitor

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Crowd shows what is done with many things at once, such as the collections of a move: a line for the whole, and one for each at work.
// It is safe for use by several goroutines.
type Crowd struct {
	whole *Meter
	times int64 // that each row is handled, and told of
	moved atomic.Int64
	w     io.Writer
	bars  *mpb.Progress // nil where lines are written
	stop  func()

	mu      sync.Mutex
	members []*member // at work, in the order in which they began
}

// member is one of them.
type member struct {
	name  string
	step  string
	total int64
	done  atomic.Int64
	bar   *mpb.Bar
}

// StartCrowd shows so many rows, each of which is handled a few times: by bars on a terminal, and otherwise by lines.
func StartCrowd(w io.Writer, onTerminal bool, label string, rows, times int64) *Crowd {
	c := &Crowd{whole: &Meter{label: label, total: rows, started: time.Now()}, times: max(times, 1), w: w}
	if onTerminal {
		c.stop = c.showBars()
	} else {
		c.stop = c.showLines()
	}
	return c
}

// Step has a member begin a step, of so many rows.
func (c *Crowd) Step(name, step string, rows int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(name)
	m := &member{name: name, step: step, total: rows}
	c.members = append(c.members, m)
	if c.bars != nil {
		m.bar = c.bars.New(rows, mpb.BarStyle(), mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(fmt.Sprintf("  %s %s ", name, step))),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return m.figures() })))
	}
}

// Did counts rows of a member's step.
func (c *Crowd) Did(name string, rows int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.members {
		if m.name == name {
			m.done.Add(rows)
		}
	}
}

// Moved counts rows that were handled once, for the whole.
func (c *Crowd) Moved(rows, bytes int64) {
	c.whole.bytes.Add(bytes)
	c.whole.rows.Store(c.moved.Add(rows) / c.times)
}

// Ended says how a member ended.
func (c *Crowd) Ended(name, how string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(name)
	c.say(name + ": " + how)
}

// Stop ends the display, with the figures as they are. A Crowd may be stopped more than once.
func (c *Crowd) Stop() { c.stop() }

// remove has a member be shown no more; c.mu is held.
func (c *Crowd) remove(name string) {
	c.members = slices.DeleteFunc(c.members, func(m *member) bool {
		if m.name == name && m.bar != nil {
			m.bar.Abort(true)
		}
		return m.name == name
	})
}

// say writes a line, above the bars where there are any.
func (c *Crowd) say(line string) {
	if c.bars == nil {
		fmt.Fprintln(c.w, line)
		return
	}
	_, _ = c.bars.Write([]byte(line + "\n")) // it fails where the display has ended
}

func (c *Crowd) showBars() func() {
	c.bars = mpb.New(mpb.WithOutput(c.w), mpb.WithWidth(64), mpb.WithRefreshRate(barEvery), mpb.WithAutoRefresh())
	whole := c.bars.New(c.whole.total, mpb.BarStyle(), mpb.BarPriority(-1),
		mpb.PrependDecorators(decor.Name(c.whole.label+" ")),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return c.whole.figures() })))
	return shown(barEvery, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		whole.SetCurrent(min(c.whole.rows.Load(), c.whole.total))
		for _, m := range c.members {
			m.bar.SetCurrent(min(m.done.Load(), m.total-1)) // one that is full would be removed before its step ends
		}
	}, func() {
		c.mu.Lock()
		for _, m := range slices.Clone(c.members) {
			c.remove(m.name)
		}
		c.mu.Unlock()
		whole.Abort(false)
		c.bars.Wait()
	})
}

func (c *Crowd) showLines() func() {
	say := func() { fmt.Fprintln(c.w, c.whole.label, c.whole.figures()) }
	return shown(lineEvery, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		say()
		for _, m := range c.members {
			fmt.Fprintf(c.w, "  %s %s %s\n", m.name, m.step, m.figures())
		}
	}, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		say()
	})
}

// shown does something again and again, and once at the end.
func shown(d time.Duration, do, end func()) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		every(quit, d, do)
		end()
	}()
	return sync.OnceFunc(func() { close(quit); <-done })
}

func (m *member) figures() string {
	if m.total == 0 {
		return ""
	}
	return fmt.Sprintf("%s/%s rows", humanize.Comma(m.done.Load()), humanize.Comma(m.total))
}
