package syncer

import (
	"cmp"
	"slices"
	"time"

	"migrate/checkpoint"
)

// plan is what the ranges whose rows one cycle compares are chosen by.
type plan struct {
	now   time.Time
	every time.Duration // in which each range is looked at
}

// due reports whether a range has to be looked at whatever else is known: its last comparison found differences, or
// another cycle would come too late.
func (p plan) due(r checkpoint.SyncRange) bool { return r.Hot || p.now.Sub(r.Looked) >= p.every }

// order gives the ranges to look at, by number and likelihood: those that are hot, and then those that were not looked
// at for the longest time. It gives at most so many, of which the hot ones leave half to the others.
func (p plan) order(ranges []checkpoint.SyncRange, most int) []int {
	var hot, cold []int
	for i, r := range ranges {
		if r.Hot {
			hot = append(hot, i)
		} else {
			cold = append(cold, i)
		}
	}
	oldest := func(a, b int) int {
		return cmp.Or(ranges[a].Looked.Compare(ranges[b].Looked), cmp.Compare(a, b))
	}
	slices.SortFunc(hot, oldest)
	slices.SortFunc(cold, oldest)
	hot = hot[:min(len(hot), max(most-len(cold), most/2))]
	return append(hot, cold[:min(len(cold), most-len(hot))]...)
}

// budget is how many ranges are looked at in a cycle: so many rows' worth, and never so few that some would come too late,
// though hot ones take half of it.
func budget(ranges int, rows, cycleRows int64, interval, every time.Duration) int {
	perRange := max(rows/int64(max(ranges, 1)), 1)
	share := int(2*int64(ranges)*int64(interval)/int64(max(every, interval))) + 1
	return max(int(cycleRows/perRange), share, 2)
}

// lookedSince reports whether the rows of every range were compared in that cycle or later.
func lookedSince(ranges []checkpoint.SyncRange, cycle int64) bool {
	return !slices.ContainsFunc(ranges, func(r checkpoint.SyncRange) bool { return r.Cycle < cycle })
}

// oldest is when the range was looked at that was not for the longest time; zero where one never was.
func oldest(ranges []checkpoint.SyncRange) time.Time {
	if len(ranges) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(ranges, func(a, b checkpoint.SyncRange) int { return a.Looked.Compare(b.Looked) }).Looked
}
