package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"migrate/internal/clock"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
)

// A server may leave rows out of an answer, and it counts each row of a key of which it returns one. Both make a page differ from
// the count of its range, and so do writes under way. What is left out is told by a count of the keys in the range that
// were not returned: none left out proves the page whole, and a surplus to be further rows of its own keys. So a page
// costs a few counts more however many duplicate keys are in it, and never one for each key.

// mostNamed is how many keys a filter names, since the server takes 5 microseconds for each, and namedBytes how many bytes of
// them, since it takes 64 MB of a request.
const (
	mostNamed  = 8192
	namedBytes = 4 << 20
)

// nameable is how many of some keys, the first ones, a filter may name: one at least.
func nameable(keys []model.Key) int {
	bytes := 0
	for i, k := range keys {
		if bytes += len(k.Text) + len(", "); i == mostNamed || bytes > namedBytes && i > 0 {
			return i
		}
	}
	return len(keys)
}

// pauses are the waits before the server is asked again for rows that it counts and does not return; what was a write under way
// has passed by then.
var pauses = []time.Duration{0, 50 * time.Millisecond, 250 * time.Millisecond}

// mostRounds bounds how often rows are asked for that come while the page is completed, beside writers that are as quick.
const mostRounds = 20

// complete adds to the rows of a page those that were left out, and notes what explains the others that are counted.
func (p *stream) complete(ctx context.Context, page counted, read []arrow.Record) ([]arrow.Record, error) {
	seen := p.sortedKeys(read)
	left, err := p.leftOut(ctx, page.Range, seen)
	for round, idle := 0, 0; err == nil && len(left) > 0 && idle < len(pauses) && round < mostRounds; round++ {
		if err := clock.Sleep(ctx, pauses[idle]); err != nil {
			return nil, err
		}
		found, err := p.fetchGaps(ctx, left)
		if err != nil {
			return nil, err
		}
		if rowsOf(found) == 0 {
			idle++
		} else {
			idle, read = 0, append(read, found...)
			seen = merge(seen, p.sortedKeys(found))
		}
		if left, err = p.leftOut(ctx, page.Range, seen); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	return read, p.explain(ctx, page, left, seen)
}

// explain notes what explains the rows of a page that are counted and did not come.
func (p *stream) explain(ctx context.Context, page counted, left []gap, seen []model.Key) error {
	unreadable, err := p.noteUnreadable(ctx, left)
	if err != nil {
		return err
	}
	return p.noteDuplicates(ctx, page, int64(len(seen))+unreadable, seen)
}

// gap is a range and those of its keys that were seen, beside which the server counts further rows.
type gap struct {
	counted             // the rows that were not seen
	seen    []model.Key // in ascending order
}

// filter lets the rows of a range through that have none of the keys.
func (s *Source) filter(rng model.Range, seen []model.Key) string {
	if len(seen) == 0 {
		return s.key.Within(rng)
	}
	return s.key.Within(rng) + " and " + s.key.NotIn(seen)
}

// leftOut cuts a range along the keys that were seen, and returns the pieces that have rows with other keys.
func (p *stream) leftOut(ctx context.Context, rng model.Range, seen []model.Key) ([]gap, error) {
	var gaps []gap
	for g := range pieces(rng, seen) {
		n, err := p.countWhere(ctx, p.partition, p.filter(g.Range, g.seen))
		if err != nil {
			return nil, err
		}
		if g.Rows = n; n > 0 {
			gaps = append(gaps, g)
		}
	}
	return gaps, nil
}

// pieces cuts a range after every so many of the keys seen in it.
func pieces(rng model.Range, seen []model.Key) func(yield func(gap) bool) {
	return func(yield func(gap) bool) {
		for n := nameable(seen); n < len(seen); n = nameable(seen) {
			upTo := seen[n-1]
			if !yield(gap{counted{Range: model.Range{After: rng.After, UpTo: &upTo}}, seen[:n]}) {
				return
			}
			rng.After, seen = &upTo, seen[n:]
		}
		yield(gap{counted{Range: rng}, seen})
	}
}

// fetchGaps asks for the rows that were left out.
func (p *stream) fetchGaps(ctx context.Context, gaps []gap) ([]arrow.Record, error) {
	found := make([]arrow.Record, 0, len(gaps))
	for _, g := range gaps {
		rec, err := p.fetchSome(ctx, g)
		if err != nil {
			return nil, err
		}
		found = append(found, rec)
	}
	return found, nil
}

// fetchSome asks for the rows of a gap, or for as many of them as can be sent at once.
func (p *stream) fetchSome(ctx context.Context, g gap) (arrow.Record, error) {
	expr := p.filter(g.Range, g.seen)
	rec, err := p.fetch(ctx, p.partition, expr, nil)
	for most := min(g.Rows/2, mostLimit); errors.Is(err, milvus.ErrTooLarge) && most > 0; most /= 2 {
		rec, err = p.fetch(ctx, p.partition, expr, limited(most))
	}
	return rec, err
}

// sortedKeys are the keys of some batches, with memory of their own, in ascending order.
func (p *stream) sortedKeys(read []arrow.Record) []model.Key {
	keys := make([]model.Key, 0, rowsOf(read))
	for _, rec := range read {
		for _, k := range p.layout.Keys(rec) {
			keys = append(keys, k.Clone())
		}
	}
	slices.SortFunc(keys, model.Key.Compare)
	return keys
}

func merge(seen, found []model.Key) []model.Key {
	seen = append(seen, found...)
	slices.SortFunc(seen, model.Key.Compare)
	return slices.Compact(seen)
}

// mostUnreadable bounds what is noted of one read.
const mostUnreadable = 1000

// noteUnreadable notes rows that are counted and never come, and returns their number. What is counted only once was written or
// deleted meanwhile.
func (p *stream) noteUnreadable(ctx context.Context, left []gap) (rows int64, err error) {
	for _, g := range left {
		n, err := p.countWhere(ctx, p.partition, p.filter(g.Range, g.seen))
		if err != nil {
			return 0, err
		}
		if g.Rows = min(g.Rows, n); g.Rows == 0 {
			continue
		}
		if g, err = p.narrowed(ctx, g); err != nil {
			return 0, err
		}
		p.found.Unreadable = append(p.found.Unreadable, model.Unreadable{Range: g.Range, Rows: g.Rows})
		rows += g.Rows
	}
	if len(p.found.Unreadable) > mostUnreadable {
		return 0, fmt.Errorf("reading %q: rows in more than %d ranges are counted and not returned: %w", p.coll.Name, mostUnreadable, source.ErrIncomplete)
	}
	return rows, nil
}

// narrowed is the narrowest range between two keys seen that has all rows of a gap, for people to look at; or that of the key which
// is known for it.
func (p *stream) narrowed(ctx context.Context, g gap) (gap, error) {
	if p.layout.IntKey() && g.UpTo == nil {
		n, err := p.Count(ctx, p.partition, model.Never())
		if err != nil || n == g.Rows {
			g.Range = model.Never()
			return g, err
		}
	}
	for len(g.seen) > 0 {
		mid := g.seen[len(g.seen)/2]
		below := gap{counted{Range: model.Range{After: g.After, UpTo: &mid}}, g.seen[:len(g.seen)/2+1]}
		n, err := p.countWhere(ctx, p.partition, p.filter(below.Range, below.seen))
		if err != nil {
			return gap{}, err
		}
		switch n {
		case 0:
			g.After, g.seen = &mid, g.seen[len(g.seen)/2+1:]
		case g.Rows:
			g.UpTo, g.seen = &mid, g.seen[:len(g.seen)/2]
		default:
			return g, nil
		}
	}
	return g, nil
}

// noteDuplicates notes the keys of a page of which there are several rows, where it counts more than are explained.
func (p *stream) noteDuplicates(ctx context.Context, page counted, explained int64, seen []model.Key) error {
	now, err := p.Count(ctx, p.partition, page.Range)
	if err != nil || max(page.Rows, now) <= explained {
		return err
	}
	found, err := p.Duplicates(ctx, p.partition, seen, model.Sampled-len(p.found.Duplicates.Sample))
	p.found.Duplicates.Add(found)
	return err
}
