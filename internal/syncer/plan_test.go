package syncer

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"migrate/internal/model"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestNothingStarves lets any ranges be hot in any cycle: each is looked at within the time given for all, and no cycle
// looks at more than it may.
func TestNothingStarves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "ranges")
		rows := rapid.Int64Range(0, 1_000_000).Draw(t, "rows")
		cycleRows := rapid.Int64Range(1, 100_000).Draw(t, "rows a cycle")
		apart := time.Duration(rapid.IntRange(1, 100).Draw(t, "apart")) * time.Second
		every := apart * time.Duration(rapid.IntRange(1, 80).Draw(t, "cycles of a full scan"))
		ranges := make([]SyncRange, n)
		for i := range ranges {
			ranges[i].Looked = start
		}
		most := budget(n, rows, cycleRows, apart, every)
		p := plan{every: every}
		for cycle := range 200 {
			p.now = start.Add(time.Duration(cycle) * apart)
			for i, r := range ranges {
				if late := p.now.Sub(r.Looked); late > every+apart {
					t.Fatalf("range %d was not looked at for %v, in cycle %d of %v", i, late, cycle, apart)
				}
			}
			order := p.order(ranges, most)
			if len(order) > most || len(order) != min(n, most) {
				t.Fatalf("%d of %d ranges in a cycle of at most %d", len(order), n, most)
			}
			for _, i := range order {
				ranges[i].Looked, ranges[i].Hot = p.now, rapid.Bool().Draw(t, "hot")
				if ranges[i].Hot {
					ranges[i].Differed = int64(cycle) + 1
				}
			}
		}
	})
}

// TestOrder puts hot ranges first, then those that once differed, then the others by age, and leaves half of a cycle to those.
func TestOrder(t *testing.T) {
	hot := func(age int) SyncRange {
		return SyncRange{Looked: start.Add(-time.Duration(age) * time.Second), Hot: true}
	}
	cold := func(age int) SyncRange {
		r := hot(age)
		r.Hot = false
		return r
	}
	differed := func(cycle int64, age int) SyncRange {
		r := cold(age)
		r.Differed = cycle
		return r
	}
	for name, c := range map[string]struct {
		ranges []SyncRange
		most   int
		want   []int
	}{
		"latest first":          {[]SyncRange{cold(9), differed(3, 1), differed(4, 2), hot(1)}, 9, []int{3, 2, 1, 0}},
		"half for the oldest":   {[]SyncRange{differed(1, 9), differed(2, 8), differed(3, 1), differed(4, 2), cold(1)}, 4, []int{3, 2, 0, 1}},
		"the oldest at last":    {[]SyncRange{differed(1, 9), differed(2, 8), differed(3, 1), cold(7), cold(8)}, 2, []int{2, 0}},
		"none":                  {nil, 5, nil},
		"oldest first":          {[]SyncRange{cold(1), cold(3), cold(2)}, 5, []int{1, 2, 0}},
		"hot first":             {[]SyncRange{cold(9), hot(1), cold(8), hot(2)}, 5, []int{3, 1, 0, 2}},
		"half for the cold":     {[]SyncRange{hot(1), hot(2), hot(3), cold(1), cold(2), cold(3)}, 4, []int{2, 1, 5, 4}},
		"all for hot ones only": {[]SyncRange{hot(1), hot(2), hot(3), hot(4)}, 3, []int{3, 2, 1}},
		"what the cold leave":   {[]SyncRange{hot(1), hot(2), hot(3), cold(1)}, 4, []int{2, 1, 0, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (plan{now: start, every: time.Hour}).order(c.ranges, c.most); !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// TestExplained tells from the segments whether all that was written has been found.
func TestExplained(t *testing.T) {
	base := &model.Mark{Rows: 100, Segments: map[int64]int64{1: 60, 2: 50}}
	mark := func(rows int64, segments map[int64]int64) *model.Mark {
		return &model.Mark{Rows: rows, Segments: segments}
	}
	for name, c := range map[string]struct {
		mark  *model.Mark
		found Outcome
		want  bool
	}{
		"inserted and found":       {mark(105, map[int64]int64{1: 60, 2: 50, 3: 5}), Outcome{Inserted: 5}, true},
		"one not found":            {mark(105, map[int64]int64{1: 60, 2: 50, 3: 5}), Outcome{Inserted: 4}, false},
		"changed and found":        {mark(100, map[int64]int64{1: 60, 2: 50, 3: 5, 4: 1}), Outcome{Changed: 6}, true},
		"changed twice":            {mark(100, map[int64]int64{1: 60, 2: 50, 3: 2}), Outcome{Changed: 1}, false},
		"deleted and found":        {mark(98, map[int64]int64{1: 60, 2: 50}), Outcome{Deleted: 2}, true},
		"deleted and not found":    {mark(98, map[int64]int64{1: 60, 2: 50}), Outcome{Deleted: 1}, false},
		"one for another":          {mark(100, map[int64]int64{1: 60, 2: 50, 3: 1}), Outcome{Inserted: 1, Deleted: 1}, true},
		"its delete is not found":  {mark(100, map[int64]int64{1: 60, 2: 50, 3: 1}), Outcome{Inserted: 1}, false},
		"a segment was compacted":  {mark(105, map[int64]int64{1: 60, 9: 55}), Outcome{Inserted: 5}, false},
		"compacted, by the number": {mark(100, map[int64]int64{1: 60, 9: 50}), Outcome{Changed: 50}, false},
		"a segment has other rows": {mark(105, map[int64]int64{1: 60, 2: 55, 3: 5}), Outcome{Inserted: 5}, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := &comparison{pos: &Position{Base: base, Mark: c.mark}, found: c.found, fresh: true}
			if got := f.explained(); got != c.want {
				t.Errorf("explained: %t", got)
			}
			if f.fresh = false; f.explained() {
				t.Error("explained by a mark of an earlier cycle")
			}
		})
	}
}

// TestParseLimit reads numbers and shares.
func TestParseLimit(t *testing.T) {
	for text, want := range map[string]int64{"10%": 1000, "100%": 10_000, "0.1%": fewRows, "7": 7} {
		if l, err := ParseLimit(text); err != nil || l.of(10_000) != want {
			t.Errorf("%s of 10,000 rows: %d, %v", text, l.of(10_000), err)
		}
	}
	for _, text := range []string{"", "0", "-1", "0%", "101%", "NaN%", "ten", "%"} {
		if l, err := ParseLimit(text); err == nil {
			t.Errorf("%q is read as %+v", text, l)
		}
	}
}
