package monitor

import (
	"github.com/prometheus/client_golang/prometheus"

	"migrate/internal/syncer"
)

const namespace = "migrate"

// counts are the metrics that only grow, and the gauge of jobs.
type counts struct {
	exported, exportedBytes, imported prometheus.Counter
	bulkInserts                       *prometheus.GaugeVec

	cycles   *prometheus.CounterVec
	told     prometheus.Counter
	took     prometheus.Histogram
	compared prometheus.Counter
	read     prometheus.Counter
	applied  *prometheus.CounterVec
	passed   prometheus.Counter

	retries *prometheus.CounterVec
	errors  *prometheus.CounterVec
}

// newCounts has those be 0 that are known beforehand, so that their first rise is seen as one.
func newCounts() counts {
	c := madeCounts()
	for _, result := range []string{"ok", "error"} {
		c.cycles.WithLabelValues(result)
	}
	for _, operation := range []string{"insert", "update", "delete"} {
		c.applied.WithLabelValues(operation)
	}
	for _, kind := range append(kindNames(), bulkInsertFailed, otherKind) {
		c.errors.WithLabelValues(kind)
	}
	return c
}

func madeCounts() counts {
	return counts{
		exported:      counter("rows_exported_total", "Rows that this process has written to the sink."),
		exportedBytes: counter("exported_bytes_total", "Bytes of these rows in memory, before they become Parquet."),
		imported:      counter("rows_imported_total", "Rows brought by bulk-insert jobs that this process saw complete."),
		bulkInserts: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Name: "bulk_insert_jobs", Help: "Bulk-insert jobs that this process has followed, by the state that each was last seen in.",
		}, []string{"state"}),
		cycles:   counters("cycles_total", "Cycles of the sync, by how they ended: ok or error.", "result"),
		told:     counter("cycles_told_total", "Cycles in which the source's storage told which keys were written, so that nothing was compared for them."),
		compared: counter("ranges_compared_total", "Ranges whose rows were compared."),
		read:     counter("rows_read_total", "Rows read from the source to be compared or applied."),
		applied:  counters("rows_applied_total", "Rows changed on the target, by operation: insert, update or delete.", "operation"),
		passed:   counter("differences_passed_total", "Differences that were gone when they were looked at again."),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "cycle_duration_seconds", Help: "Time that a cycle took.", Buckets: prometheus.ExponentialBuckets(0.1, 2, 14),
		}),
		retries: counters("retries_total", "Calls to Milvus that were made again, by server (source or target) and by the protocol's method.", "server", "method"),
		errors:  counters("errors_total", "Errors that ended a cycle or a bulk-insert job, by kind. Calls that were made again are not among them.", "kind"),
	}
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func (c counts) register(r *prometheus.Registry) {
	r.MustRegister(c.exported, c.exportedBytes, c.imported, c.bulkInserts, c.cycles, c.told, c.took, c.compared, c.read, c.applied, c.passed,
		c.retries, c.errors)
}

func (c counts) cycle(r syncer.Report) {
	result := "ok"
	if r.Err != nil {
		result = "error"
		c.errors.WithLabelValues(kindOf(r.Err)).Inc()
	}
	c.cycles.WithLabelValues(result).Inc()
	if r.By != "" {
		c.told.Inc()
	}
	c.took.Observe(r.Took.Seconds())
	c.compared.Add(float64(r.Ranges))
	c.read.Add(float64(r.Read))
	c.applied.WithLabelValues("insert").Add(float64(r.Inserted))
	c.applied.WithLabelValues("update").Add(float64(r.Changed))
	c.applied.WithLabelValues("delete").Add(float64(r.Deleted))
	c.passed.Add(float64(r.Passed))
}
