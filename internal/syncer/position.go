package syncer

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/dustin/go-humanize"

	"migrate/checkpoint"
	"migrate/internal/model"
)

// Position is how far a sync is: what it knows of the source and of the target, and when it looked.
type Position struct {
	Serving Side    `json:"serving,omitempty"` // the side that is written to, from which the other one is kept in step
	Switch  *Switch `json:"switch,omitempty"`  // the last one; nil where there was none

	Source int64 `json:"source_collection"` // the ids of the collections, of the side that serves and of the other; 0 where a server gives none
	Target int64 `json:"target_collection"`

	Cycle int64 `json:"cycle"` // the number of the last one that was begun
	Rows  int64 `json:"rows"`  // count(*) of the source in it
	// Base is what the source held when the two sides were last proved equal, and Mark what it held when it was last
	// flushed; nil where there was no such time.
	Base *model.Mark `json:"base,omitempty"`
	Mark *model.Mark `json:"mark,omitempty"`
	// Written are the keys that were found to be written since Base, or since an earlier one; nil where not all of them are known.
	Written *Written `json:"written,omitempty"`
	// Settled: all that was written between Base and Mark was looked for after Mark, found and applied.
	Settled bool `json:"settled"`
	// Cursor is the greatest value of the cursor field that the last cycle saw, and Overlap what the one before it did, from
	// which the next one looks: a write may be seen later than one with a greater value. nil where there is none.
	Cursor  *model.Key `json:"cursor,omitempty"`
	Overlap *model.Key `json:"cursor_overlap,omitempty"`
	// CursorField is the field that they are of, and CursorFrom the cycle since whose beginning it has told all that was written.
	CursorField string      `json:"cursor_field,omitempty"`
	CursorFrom  int64       `json:"cursor_from,omitempty"`
	Told        *Told       `json:"told,omitempty"`   // nil where the source does not tell what was written to it
	Calm        bool        `json:"calm"`             // the last cycle found no difference
	Ranges      []SyncRange `json:"ranges,omitempty"` // in order and without gaps, so that they cover every key

	InStep time.Time `json:"in_step"` // when the two sides were last proved equal; zero where they never were
	AsOf   time.Time `json:"as_of"`   // every write that was acknowledged before this is on the target; zero where unknown

	Upserted   int64 `json:"rows_upserted"`
	Deleted    int64 `json:"rows_deleted"`
	Passed     int64 `json:"differences_passed"` // that were gone when they were looked at again
	Duplicates int64 `json:"doubled_keys"`       // that have several rows on the source, as last seen; no more than so many
}

// PositionOf is the position of a sync, which is the body of its job; the zero one where it has none yet.
func PositionOf(job checkpoint.Job) (*Position, error) {
	p := &Position{}
	return p, job.Read(p)
}

// Begun reports whether a cycle was ever begun, or the sync was switched. Not all servers give ids by which that could be told.
func (p *Position) Begun() bool { return p.Cycle > 0 || p.Source != 0 || p.Switch != nil }

// But is what "in step" has to be said with: " but for 2 duplicate keys", which have several rows on the side that serves and one on
// the other. It is "" where there are none.
func (p *Position) But() string {
	switch {
	case p == nil || p.Duplicates == 0:
		return ""
	case p.Duplicates == 1:
		return " but for 1 duplicate key"
	}
	return " but for " + humanize.Comma(p.Duplicates) + " duplicate keys"
}

// Side is one of the two servers of a move, whichever way a sync goes.
type Side string

// The sides of a move.
const (
	Source Side = "source" // the server that the collection was exported from; it serves until the switch
	Target Side = "target"
)

// Is reports whether two sides are the same; that of a sync that was never switched is the source.
func (s Side) Is(other Side) bool { return cmp.Or(s, Source) == cmp.Or(other, Source) }

// Other is the other side.
func (s Side) Other() Side {
	if s.Is(Source) {
		return Target
	}
	return Source
}

func (s Side) String() string { return string(cmp.Or(s, Source)) }

// Switch is a change of the side that serves. It is recorded in one step with it, so that at any time one side serves; what
// is to be done after it is recorded as left.
type Switch struct {
	At     time.Time   `json:"at"`
	Until  time.Time   `json:"until"`            // so long the side that was left is kept in step
	Left   *model.Mark `json:"left,omitempty"`   // what the side that was left held; nil once something was applied to it
	Alias  string      `json:"alias,omitempty"`  // on the target, that the switch moves
	Before string      `json:"before,omitempty"` // the collection that the alias named before a switch to the target; empty where it named none
	Undone bool        `json:"undone,omitempty"` // the alias was not moved yet, or the certificate not written

	Certificate json.RawMessage `json:"certificate,omitempty"`
}

// SyncRange is a range of keys, and when its rows were last compared.
type SyncRange struct {
	model.Range
	Cycle      int64     `json:"cycle"`              // in which its rows were last compared
	Looked     time.Time `json:"looked"`             // when that was
	Hot        bool      `json:"hot,omitempty"`      // rows differed then: they were applied, and are to be looked at again
	Differed   int64     `json:"differed,omitempty"` // the last cycle in which rows differed; 0 where they never did
	Uneven     int64     `json:"uneven,omitempty"`   // rows that the source counts beyond the target's, once duplicate keys are explained
	Duplicates int64     `json:"double,omitempty"`   // keys that have several rows on the source
	Unread     int64     `json:"unread,omitempty"`   // rows that either side counted and did not return then: the range is to be looked at again
}

// Clone is a position of its own.
func (p *Position) Clone() *Position {
	c := *p
	c.Ranges = slices.Clone(p.Ranges)
	return &c
}
