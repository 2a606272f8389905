package query

import (
	"maps"
	"sync"

	"migrate/internal/model"
)

// extent bounds the integer keys that a partition had when it was cut.
type extent struct {
	Low  int64 `json:"low"`
	High int64 `json:"high"`
}

// extents are those of the partitions that were cut. The zero value is useful.
type extents struct {
	mu    sync.Mutex
	known map[string]extent
}

func (e *extents) keep(partition string, x extent) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.known == nil {
		e.known = map[string]extent{}
	}
	e.known[partition] = x
}

// within bounds a range by the extent of its partition; false where that is not known, or leaves nothing to cut.
func (e *extents) within(partition string, rng model.Range) (lo, hi int64, known bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	x, known := e.known[partition]
	if rng.After != nil {
		x.Low = rng.After.Int + 1
	}
	if rng.UpTo != nil {
		x.High = rng.UpTo.Int
	}
	return x.Low, x.High, known && x.Low < x.High
}

// all are the extents of the partitions that were cut, by their names.
func (e *extents) all() map[string]extent {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.known)
}
