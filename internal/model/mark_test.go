package model

import "testing"

// TestSame tells marks apart by all that a write moves.
func TestSame(t *testing.T) {
	mark := func(rows int64, segments map[int64]int64) *Mark {
		return &Mark{Rows: rows, Segments: segments}
	}
	then := mark(10, map[int64]int64{1: 12})
	for name, c := range map[string]struct {
		now  *Mark
		want bool
	}{
		"nothing written": {mark(10, map[int64]int64{1: 12}), true},
		"inserted":        {mark(11, map[int64]int64{1: 12, 2: 1}), false},
		"upserted":        {mark(10, map[int64]int64{1: 12, 2: 1}), false},
		"deleted":         {mark(9, map[int64]int64{1: 12}), false},
		"compacted":       {mark(10, map[int64]int64{2: 10}), false},
		"unknown":         {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			if then.Same(c.now) != c.want || c.now.Same(then) != c.want {
				t.Errorf("same: %t, want %t", then.Same(c.now), c.want)
			}
		})
	}
}

// TestWhole tells a list of segments that lacks one, as it may in the midst of a compaction.
func TestWhole(t *testing.T) {
	for name, c := range map[string]struct {
		rows     int64
		segments map[int64]int64
		want     bool
	}{
		"as many as count":  {10, map[int64]int64{1: 10}, true},
		"deleted ones too":  {10, map[int64]int64{1: 10, 2: 5}, true},
		"one is left out":   {10, map[int64]int64{2: 5}, false},
		"no row, none told": {0, nil, true},
	} {
		if got := (&Mark{Rows: c.rows, Segments: c.segments}).Whole(); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}
