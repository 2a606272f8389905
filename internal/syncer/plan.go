package syncer

import (
	"cmp"
	"slices"
	"time"
)

// plan is what the ranges whose rows one cycle compares are chosen by.
type plan struct {
	now   time.Time
	every time.Duration // in which each range is looked at
}

// due reports whether a range has to be looked at whatever else is known: its last comparison found differences, or
// another cycle would come too late.
func (p plan) due(r SyncRange) bool { return r.Hot || p.now.Sub(r.Looked) >= p.every }

// order gives the ranges to look at, by number and likelihood: first those that differed when last compared, then those
// that differed at some time, the latest first, and then those that were not looked at for the longest time. It gives at
// most so many, of which the likely ones leave half to the oldest.
func (p plan) order(ranges []SyncRange, most int) []int {
	var likely, rest []int
	for i, r := range ranges {
		if r.Hot || r.Differed > 0 {
			likely = append(likely, i)
		} else {
			rest = append(rest, i)
		}
	}
	slices.SortFunc(likely, func(a, b int) int {
		x, y := ranges[a], ranges[b]
		if x.Hot && y.Hot {
			return cmp.Or(x.Looked.Compare(y.Looked), cmp.Compare(a, b))
		}
		return cmp.Or(hotFirst(x, y), cmp.Compare(y.Differed, x.Differed), cmp.Compare(a, b))
	})
	first := min(len(likely), most/2)
	rest = append(rest, likely[first:]...)
	slices.SortFunc(rest, func(a, b int) int {
		return cmp.Or(ranges[a].Looked.Compare(ranges[b].Looked), cmp.Compare(a, b))
	})
	return append(likely[:first:first], rest[:min(len(rest), most-first)]...)
}

func hotFirst(a, b SyncRange) int {
	switch {
	case a.Hot == b.Hot:
		return 0
	case a.Hot:
		return -1
	}
	return 1
}

// budget is how many ranges are looked at in a cycle: so many rows' worth, and never so few that some would come too late,
// though the likely ones take half of it. Cycles are so much apart, and each range is looked at within every.
func budget(ranges int, rows, cycleRows int64, apart, every time.Duration) int {
	perRange := max(rows/int64(max(ranges, 1)), 1)
	share := int(2*int64(ranges)*int64(apart)/int64(max(every, apart))) + 1
	return max(int(cycleRows/perRange), share, 2)
}

// lookedSince reports whether the rows of every range were compared in that cycle or later.
func lookedSince(ranges []SyncRange, cycle int64) bool {
	return !slices.ContainsFunc(ranges, func(r SyncRange) bool { return r.Cycle < cycle })
}

// oldest is when the range was looked at that was not for the longest time; zero where one never was.
func oldest(ranges []SyncRange) time.Time {
	if len(ranges) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(ranges, func(a, b SyncRange) int { return a.Looked.Compare(b.Looked) }).Looked
}
