package syncer

import (
	"context"
	"math"
	"slices"
	"testing"

	"golang.org/x/time/rate"

	"migrate/internal/model"
)

// TestSuspects takes what a partition holds on both sides, and says which keys may differ.
func TestSuspects(t *testing.T) {
	of := func(hashes ...uint64) rows { // of the keys 0, 1, 2, …; 0 is no row
		r := rows{hashes: map[model.Key]uint64{}}
		for k, h := range hashes {
			if h > 0 {
				r.hashes[model.IntKey(int64(k))] = h
			}
		}
		return r
	}
	doubled := func(r rows, key int64) rows {
		r.found.Duplicates = model.Duplicates{Keys: 1, Rows: 2, Sample: []model.Copies{{Key: model.IntKey(key), Copies: 3}}}
		return r
	}
	unreadable := func(r rows) rows {
		r.found.Unreadable = append(r.found.Unreadable, model.Unreadable{Rows: 1})
		return r
	}
	never := func(r rows) rows { // the key 2^63-1
		below := model.IntKey(math.MaxInt64 - 1)
		r.found.Unreadable = append(r.found.Unreadable, model.Unreadable{Range: model.Range{After: &below}, Rows: 1})
		return r
	}
	for name, c := range map[string]struct {
		from, to           rows
		want               []int64
		uneven, duplicates int64
		twice              int
		unreadable         int64
	}{
		"equal":                         {of(1, 2), of(1, 2), nil, 0, 0, 0, 0},
		"missing, extra, differing":     {of(1, 0, 3, 4), of(1, 2, 0, 5), []int64{1, 2, 3}, 0, 0, 0, 0},
		"doubled on the source":         {doubled(of(1, 2), 1), of(1, 3), nil, 2, 1, 0, 0},
		"doubled there, and missing":    {doubled(of(1, 2), 1), of(1), []int64{1}, 2, 1, 0, 0},
		"doubled on the target":         {of(1, 2), doubled(of(1, 2), 1), []int64{1}, 0, 0, 1, 0},
		"doubled on the target only":    {of(1), doubled(of(1, 2), 1), []int64{1}, 0, 0, 1, 0},
		"unreadable on the source":      {unreadable(of(1)), of(1), nil, 0, 0, 0, 1},
		"unreadable on the target":      {of(1), unreadable(of(1)), nil, 0, 0, 0, 1},
		"never read from the source":    {never(of(1)), of(1), nil, 1, 0, 0, 0},
		"never read from the target":    {of(1), never(of(1)), nil, -1, 0, 0, 0},
		"nothing on either side so far": {of(), of(), nil, 0, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := look{Suspects: Suspects{Keys: map[string][]model.Key{}, Twice: map[model.Key]bool{}}}
			l.add("p", c.from, c.to, c.from.found.Duplicates.Sample, c.to.found.Duplicates.Sample)
			var got []int64
			for _, k := range l.Keys["p"] {
				got = append(got, k.Int)
			}
			if !slices.Equal(got, c.want) || l.uneven != c.uneven || l.duplicates != c.duplicates || len(l.Twice) != c.twice || l.unreadable != c.unreadable {
				t.Errorf("keys %v, uneven %d, duplicates %d, twice %v; want %+v", got, l.uneven, l.duplicates, l.Twice, c)
			}
		})
	}
}

// TestPaced waits for rows to be allowed, and not longer than its context lasts.
func TestPaced(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	for name, c := range map[string]struct {
		rowsPerSecond int
		ctx           context.Context
		n             int64
		fails         bool
	}{
		"no limit":         {0, ended, 1_000_000, false},
		"within the limit": {50, t.Context(), 50, false},
		"beyond":           {50, ended, 51, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := sides{limit: newLimiter(c.rowsPerSecond), read: new(int64)}
			if err := s.paced(c.ctx, c.n); (err != nil) != c.fails || *s.read != c.n {
				t.Errorf("%v after %d rows", err, *s.read)
			}
		})
	}
	if unlimited := newLimiter(0); unlimited.Limit() != rate.Inf {
		t.Errorf("limit %v without a rate", unlimited.Limit())
	}
}
