package monitor

import (
	"slices"
	"time"

	"migrate/internal/syncer"
)

// ring keeps the newest values, the oldest first.
type ring[T any] struct {
	most   int
	values []T
}

func (r *ring[T]) add(v T) {
	if len(r.values) == r.most {
		r.values = slices.Delete(r.values, 0, 1)
	}
	r.values = append(r.values, v)
}

// sample is what is kept of a cycle: its figures, without the position, which is large.
type sample struct {
	at     time.Time // when it ended
	report syncer.Report
}

func sampleOf(r syncer.Report, at time.Time) sample {
	r.Position = nil
	return sample{at, r}
}
