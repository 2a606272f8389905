package importer

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestSpans adds spans in any order: each row is there once, and those that are missing are all others.
func TestSpans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const n = 30
		var have spans
		var want [n]bool
		for range rapid.IntRange(0, 8).Draw(t, "spans") {
			from := rapid.IntRange(0, n-1).Draw(t, "from")
			to := rapid.IntRange(from+1, n).Draw(t, "to")
			have = have.with(span{int64(from), int64(to)})
			for i := from; i < to; i++ {
				want[i] = true
			}
		}
		var got [n]bool
		for _, s := range have {
			for i := s[0]; i < s[1]; i++ {
				if got[i] {
					t.Fatalf("row %d is in two of %v", i, have)
				}
				got[i] = true
			}
		}
		from := rapid.IntRange(0, n-1).Draw(t, "looked at from")
		var missing []int
		for _, gap := range have.missing(span{int64(from), n}) {
			for _, piece := range gap.cut(3) {
				missing = append(missing, piece.numbers(int64(from))...)
			}
		}
		var others []int
		for i := from; i < n; i++ {
			if !want[i] {
				others = append(others, i-from)
			}
		}
		if got != want || !slices.Equal(missing, others) {
			t.Errorf("%v has %v, want %v; missing from %d on are %v, want %v", have, got, want, from, missing, others)
		}
	})
}
