package model

import (
	"maps"
	"time"
)

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

// Wrote reports whether rows were surely written between two marks, m being the later one. A compaction, which changes the
// segments too, only ever takes rows from them.
// Where one of them knows no segments, only the counts tell.
func (m *Mark) Wrote(since *Mark) bool {
	return m.Rows != since.Rows || m.Segments != nil && since.Segments != nil && m.stored() > since.stored()
}

// Whole reports whether the segments hold at least the rows that are counted. Where they don't, some were left out, as the
// answer of a server in the midst of a compaction may, and the mark proves nothing.
func (m *Mark) Whole() bool { return m.stored() >= m.Rows }

// stored is how many rows all segments have.
func (m *Mark) stored() (n int64) {
	for _, rows := range m.Segments {
		n += rows
	}
	return n
}
