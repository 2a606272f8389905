package bench

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Latency sums up how long calls took. Its times are of three significant digits.
type Latency struct {
	Count int64         `json:"count"`
	Mean  time.Duration `json:"mean_ns"`
	P50   time.Duration `json:"p50_ns"`
	P95   time.Duration `json:"p95_ns"`
	P99   time.Duration `json:"p99_ns"`
	Most  time.Duration `json:"max_ns"`
	Curve []Quantile    `json:"curve"`
}

// A Quantile is the time within which a share of the calls, in percent, came back.
type Quantile struct {
	Percent float64       `json:"percent"`
	Within  time.Duration `json:"within_ns"`
}

// percents are what a curve shows.
var percents = []float64{1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.5, 99.9}

// Bounds of a call's time: what is beyond them counts as the bound.
const (
	shortest = time.Microsecond
	longest  = 10 * time.Minute
)

// Calls collects the times of calls, for one goroutine.
type Calls struct{ histogram *hdrhistogram.Histogram }

// NewCalls begins without a call.
func NewCalls() Calls {
	return Calls{hdrhistogram.New(shortest.Microseconds(), longest.Microseconds(), 3)}
}

// Add counts one call.
func (c Calls) Add(took time.Duration) {
	// It fails for a value out of bounds only.
	_ = c.histogram.RecordValue(min(max(took, shortest), longest).Microseconds())
}

// Merge counts the calls of another as well.
func (c Calls) Merge(other Calls) { c.histogram.Merge(other.histogram) }

// Latency sums up.
func (c Calls) Latency() Latency {
	within := func(percent float64) time.Duration {
		return time.Duration(c.histogram.ValueAtQuantile(percent)) * time.Microsecond
	}
	l := Latency{
		Count: c.histogram.TotalCount(), Mean: time.Duration(c.histogram.Mean() * float64(time.Microsecond)),
		P50: within(50), P95: within(95), P99: within(99), Most: time.Duration(c.histogram.Max()) * time.Microsecond,
	}
	for _, p := range percents {
		l.Curve = append(l.Curve, Quantile{p, within(p)})
	}
	return l
}
