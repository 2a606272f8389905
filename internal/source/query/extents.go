package query

import (
	"maps"
	"sync"

	"migrate/internal/model"
)

// Extent bounds the integer keys that a partition had when it was cut.
type Extent struct {
	Low  int64 `json:"low"`
	High int64 `json:"high"`
}

// extents are those of the partitions that were cut. The zero value is useful.
type extents struct {
	mu    sync.Mutex
	known map[string]Extent
}

func (e *extents) keep(partition string, x Extent) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.known == nil {
		e.known = map[string]Extent{}
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

// Extents are those of the partitions that were cut, by their names. With them a reader of a later run cuts the ranges
// of those partitions into the same pages.
func (r *Reader) Extents() map[string]Extent {
	r.extents.mu.Lock()
	defer r.extents.mu.Unlock()
	return maps.Clone(r.extents.known)
}

// SetExtents has the reader cut by what an earlier one found.
func (r *Reader) SetExtents(known map[string]Extent) {
	r.extents.mu.Lock()
	defer r.extents.mu.Unlock()
	r.extents.known = maps.Clone(known)
}
