// Package monitor is what can be seen of a move over HTTP: a page for people, Prometheus metrics, and whether it is well.
package monitor

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"migrate/internal/syncer"
)

// Subject is what is watched, in the words of the page.
type Subject struct {
	Collection string
	As         string // its name on the target
	Source     string // the servers' addresses
	Target     string
}

// Monitor keeps what export, import and the cycles of a sync reported. It is safe for use by several goroutines.
type Monitor struct {
	Registry *prometheus.Registry

	counts
	subject Subject
	began   time.Time

	mu       sync.Mutex
	steps    []step
	jobs     map[int64]string // bulk-insert jobs, by how far they are
	last     syncer.Report
	ended    time.Time // of the last cycle
	asOf     time.Time // every write before this is on the target; zero where unknown
	ok       int       // cycles that ended well
	failed   int
	history  ring[sample]
	troubles ring[trouble]

	collections []collection   // where many are moved as one
	place       map[string]int // of each among them
}

// What is kept of the past: a day of cycles each half a minute, and the last few errors.
const (
	keptCycles   = 2880
	keptTroubles = 20
)

// New is a monitor that has seen nothing yet.
func New(subject Subject) *Monitor {
	m := &Monitor{
		Registry: prometheus.NewRegistry(), counts: newCounts(), subject: subject, began: time.Now(), jobs: map[int64]string{},
		history: ring[sample]{most: keptCycles}, troubles: ring[trouble]{most: keptTroubles},
	}
	m.counts.register(m.Registry)
	m.gauge("lag_seconds", "Time since the moment before which every write to the source is on the target; -1 where not all was compared yet.", m.lag)
	m.gauge("ranges_differing", "Ranges that differed when they were last compared.", func() float64 { return float64(m.report().Hot) })
	m.gauge("doubled_keys", "Keys that are doubled on the source.", func() float64 { return float64(m.report().Duplicates) })
	m.gauge("last_in_step_timestamp_seconds", "When the two sides were last proved equal; 0 where they never were.", m.inStep)
	return m
}

func (m *Monitor) gauge(name, help string, value func() float64) {
	m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, value))
}

// Cycle takes note of a cycle that ended.
func (m *Monitor) Cycle(r syncer.Report) {
	m.counts.cycle(r)
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last, m.ended = r, now
	if r.Position != nil {
		m.asOf = r.Position.AsOf
	}
	m.history.add(sampleOf(r, now))
	if r.Err == nil {
		m.ok++
		return
	}
	m.failed++
	m.note("cycle", r.Err.Error(), now)
}

func (m *Monitor) report() syncer.Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// lag grows between the cycles too.
func (m *Monitor) lag() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.asOf.IsZero() {
		return -1
	}
	return time.Since(m.asOf).Seconds()
}

func (m *Monitor) inStep() float64 {
	p := m.report().Position
	if p == nil || p.InStep.IsZero() {
		return 0
	}
	return float64(p.InStep.UnixMilli()) / 1000
}
