package checkpoint

import (
	"maps"
	"slices"
	"time"

	"migrate/internal/columns"
)

// Position is how far a sync is: what it knows of the source and of the target, and when it looked.
type Position struct {
	Source int64 `json:"source_collection"` // the ids of the two collections
	Target int64 `json:"target_collection"`

	Cycle int64 `json:"cycle"` // the number of the last one that was begun
	Rows  int64 `json:"rows"`  // count(*) of the source in it
	// Base is what the source held when the two sides were last proved equal, and Mark what it held when it was last
	// flushed; nil where there was no such time.
	Base *Mark `json:"base,omitempty"`
	Mark *Mark `json:"mark,omitempty"`
	// Settled: all that was written between Base and Mark was looked for after Mark, found and applied.
	Settled bool        `json:"settled"`
	Calm    bool        `json:"calm"`             // the last cycle found no difference
	Ranges  []SyncRange `json:"ranges,omitempty"` // in order and without gaps, so that they cover every key

	InStep time.Time `json:"in_step"` // when the two sides were last proved equal; zero where they never were
	AsOf   time.Time `json:"as_of"`   // every write that was acknowledged before this is on the target; zero where unknown

	Upserted int64 `json:"rows_upserted"`
	Deleted  int64 `json:"rows_deleted"`
	Passed   int64 `json:"differences_passed"` // that were gone when they were looked at again
	Doubled  int64 `json:"doubled_keys"`       // on the source, as last seen
}

// Mark is what the source holds at one time.
type Mark struct {
	Cycle    int64           `json:"cycle"` // in which it was taken, before anything was looked at
	At       time.Time       `json:"at"`
	Rows     int64           `json:"rows"`     // count(*)
	Segments map[int64]int64 `json:"segments"` // rows of each flushed one
	Busy     int             `json:"busy"`     // flushes in a row, this one included, that found what was written since the one before
}

// Same reports whether nothing was written between two marks.
func (m *Mark) Same(other *Mark) bool {
	return m != nil && other != nil && m.Rows == other.Rows && maps.Equal(m.Segments, other.Segments)
}

// SyncRange is a range of keys, and when its rows were last compared.
type SyncRange struct {
	columns.Range
	Cycle    int64     `json:"cycle"`              // in which its rows were last compared
	Looked   time.Time `json:"looked"`             // when that was
	Hot      bool      `json:"hot,omitempty"`      // rows differed then: they were applied, and are to be looked at again
	Differed int64     `json:"differed,omitempty"` // the last cycle in which rows differed; 0 where they never did
	Uneven   int64     `json:"uneven,omitempty"`   // rows that the source counts beyond the target's, once doubled and unreadable ones are explained
	Double   int64     `json:"double,omitempty"`   // keys that are doubled on the source
}

// Clone is a position of its own.
func (p *Position) Clone() *Position {
	c := *p
	c.Ranges = slices.Clone(p.Ranges)
	return &c
}
