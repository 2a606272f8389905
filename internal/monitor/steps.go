package monitor

import (
	"fmt"
	"time"

	"migrate/internal/syncer"
)

// step is one stage of a move, such as the export.
type step struct {
	name         string
	total, done  int64 // rows
	began, ended time.Time
}

// Syncing is the step that the cycles are in.
const Syncing = "sync"

// Step takes note that a step begins, of so many rows, and that the one before has ended.
func (m *Monitor) Step(name string, rows int64) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.steps); n > 0 {
		m.steps[n-1].ended = now
	}
	m.steps = append(m.steps, step{name: name, total: rows, began: now})
}

// Did takes note of rows that the present step is done with.
func (m *Monitor) Did(rows int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.steps); n > 0 {
		m.steps[n-1].done += rows
	}
}

// Exported takes note of rows that were written to the sink.
func (m *Monitor) Exported(rows, bytes int64) {
	m.exported.Add(float64(rows))
	m.exportedBytes.Add(float64(bytes))
	m.Did(rows)
}

// Imported takes note of rows that a bulk-insert job brought.
func (m *Monitor) Imported(rows int64) { m.imported.Add(float64(rows)) }

// Job takes note of how far a bulk-insert job is, and why it failed where it did.
func (m *Monitor) Job(id int64, state, why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, known := m.jobs[id]
	if known && before == state {
		return
	}
	if known {
		m.bulkInserts.WithLabelValues(before).Dec()
	}
	m.bulkInserts.WithLabelValues(state).Inc()
	m.jobs[id] = state
	if why != "" {
		m.errors.WithLabelValues(bulkInsertFailed).Inc()
		m.note(fmt.Sprintf("bulk-insert job %d", id), why, time.Now())
	}
}

// under is the step under way; before the first there is none.
func under(steps []step) step {
	if len(steps) == 0 {
		return step{}
	}
	return steps[len(steps)-1]
}

// present is the last cycle, and what is done where there is none yet.
func (m *Monitor) present() (last syncer.Report, doing string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last, waiting(m.last, m.steps)
}

// waiting says, of a move whose first cycle has not ended, what it does instead.
func waiting(last syncer.Report, steps []step) string {
	now := under(steps)
	if last.Cycle > 0 || now.name == "" || now.name == Syncing {
		return ""
	}
	return now.name + ": " + now.inWords()
}

func (s step) inWords() string {
	if s.total == 0 {
		return "under way"
	}
	return fmt.Sprintf("%s of %s rows", thousands(s.done), thousands(s.total))
}

// result says what became of a step that has ended.
func (s step) result() string {
	took := "in " + brief(s.ended.Sub(s.began))
	if s.total == 0 {
		return took
	}
	return plural(s.done, "row") + " " + took
}

// share is how much of the step is done, from 0 to 1.
func (s step) share() float64 {
	if s.total == 0 {
		return 0
	}
	return min(float64(s.done)/float64(s.total), 1)
}
