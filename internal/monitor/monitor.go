// Package monitor is what can be seen of a running sync over HTTP: Prometheus metrics, and whether it is well.
package monitor

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"migrate/internal/syncer"
)

// Monitor keeps what the cycles of a sync reported.
type Monitor struct {
	Registry *prometheus.Registry

	cycles   *prometheus.CounterVec
	took     prometheus.Histogram
	compared prometheus.Counter
	read     prometheus.Counter
	applied  *prometheus.CounterVec
	passed   prometheus.Counter

	mu   sync.Mutex
	last syncer.Report
	asOf time.Time // every write before this is on the target; zero where unknown
}

// New is a monitor that has seen no cycle yet.
func New() *Monitor {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "migrate", Name: name, Help: help})
	}
	vector := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "migrate", Name: name, Help: help}, []string{label})
	}
	m := &Monitor{
		Registry: prometheus.NewRegistry(),
		cycles:   vector("cycles_total", "Cycles of the sync, by how they ended: ok or error.", "result"),
		compared: counter("ranges_compared_total", "Ranges whose rows were compared."),
		read:     counter("rows_read_total", "Rows read from the source to be compared or applied."),
		applied:  vector("rows_applied_total", "Rows changed on the target, by operation: insert, update or delete.", "operation"),
		passed:   counter("differences_passed_total", "Differences that were gone when they were looked at again."),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "migrate", Name: "cycle_duration_seconds", Help: "Time that a cycle took.", Buckets: prometheus.ExponentialBuckets(0.1, 2, 14),
		}),
	}
	m.Registry.MustRegister(m.cycles, m.compared, m.read, m.applied, m.passed, m.took)
	m.gauge("lag_seconds", "Time since the moment before which every write to the source is on the target; -1 where not all was compared yet.", m.lag)
	m.gauge("ranges_differing", "Ranges that differed when they were last compared.", func() float64 { return float64(m.report().Hot) })
	m.gauge("doubled_keys", "Keys that are doubled on the source.", func() float64 { return float64(m.report().Doubled) })
	m.gauge("last_in_step_timestamp_seconds", "When the two sides were last proved equal; 0 where they never were.", m.inStep)
	return m
}

func (m *Monitor) gauge(name, help string, value func() float64) {
	m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "migrate", Name: name, Help: help}, value))
}

// Cycle takes note of a cycle that ended.
func (m *Monitor) Cycle(r syncer.Report) {
	result := "ok"
	if r.Err != nil {
		result = "error"
	}
	m.cycles.WithLabelValues(result).Inc()
	m.took.Observe(r.Took.Seconds())
	m.compared.Add(float64(r.Ranges))
	m.read.Add(float64(r.Read))
	m.applied.WithLabelValues("insert").Add(float64(r.Inserted))
	m.applied.WithLabelValues("update").Add(float64(r.Changed))
	m.applied.WithLabelValues("delete").Add(float64(r.Deleted))
	m.passed.Add(float64(r.Passed))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = r
	if r.Position != nil {
		m.asOf = r.Position.AsOf
	}
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
