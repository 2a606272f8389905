package query

import (
	"context"
	"fmt"
	"math"
	"slices"

	"migrate/internal/model"
)

// counted is a range and the rows in it.
type counted struct {
	model.Range
	Rows int64
}

// Split cuts a range into chunks of at most about so many rows, in order and without gaps: the first begins where the range does,
// the last ends there. A chunk of one key may hold more rows, where that key is a duplicate.
func (s *Source) Split(ctx context.Context, partition string, rng model.Range, rows int64) ([]model.Chunk, error) {
	total, err := s.Count(ctx, partition, rng)
	if err != nil {
		return nil, err
	}
	pieces, err := s.split(ctx, partition, counted{rng, total}, rows)
	return chunksOf(partition, pieces), err
}

// Pages are the ranges that a Read of a chunk asks for, where keys are integers.
func (s *Source) Pages(ctx context.Context, chunk model.Chunk) ([]model.Chunk, error) {
	return s.Split(ctx, chunk.Partition, chunk.Range, s.pageRows.Load())
}

// chunksOf are the pieces of one partition as chunks.
func chunksOf(partition string, pieces []counted) []model.Chunk {
	chunks := make([]model.Chunk, len(pieces))
	for i, p := range pieces {
		chunks[i] = model.Chunk{Partition: partition, Range: p.Range, Number: i, Rows: p.Rows}
	}
	return chunks
}

func (s *Source) split(ctx context.Context, partition string, whole counted, most int64) ([]counted, error) {
	if whole.Rows <= most || s.unfiltered {
		return []counted{whole}, nil
	}
	if s.layout.IntKey() {
		return s.splitInts(ctx, partition, whole, most)
	}
	pieces, err := s.splitTexts(ctx, partition, whole.Range, most)
	if err != nil || !inNoOrder(whole.Rows, rowsIn(pieces)) {
		return pieces, err
	}
	return s.splitByKeys(ctx, partition, whole, most)
}

// cutAgain cuts a range that turned out to be too large.
func (s *Source) cutAgain(ctx context.Context, partition string, whole counted, most int64) ([]counted, error) {
	if s.layout.IntKey() {
		return s.splitInts(ctx, partition, whole, most)
	}
	return s.splitByKeys(ctx, partition, whole, most)
}

func rowsIn(pieces []counted) (n int64) {
	for _, p := range pieces {
		n += p.Rows
	}
	return n
}

// splitInts cuts a range into equal widths, counts each, cuts those again that hold too much, and joins neighbours that
// hold little.
func (s *Source) splitInts(ctx context.Context, partition string, whole counted, most int64) ([]counted, error) {
	if whole.Rows <= most+most/4 { // ranges of equal width hold a little more or less
		return []counted{whole}, nil
	}
	lo, hi, err := s.extent(ctx, partition, whole.Range)
	if err != nil {
		return nil, err
	}
	if lo >= hi {
		return []counted{whole}, nil
	}
	return s.cutFiner(ctx, partition, cut(whole.Range, lo, hi, whole.Rows, most), most, s.splitInts)
}

// cutFiner counts ranges, cuts those that hold too much, and joins neighbours that hold little.
func (s *Source) cutFiner(ctx context.Context, partition string, ranges []model.Range, most int64,
	finer func(context.Context, string, counted, int64) ([]counted, error)) ([]counted, error) {
	var pieces []counted
	for _, rng := range ranges {
		n, err := s.Count(ctx, partition, rng)
		if err != nil {
			return nil, err
		}
		some, err := finer(ctx, partition, counted{rng, n}, most)
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, some...)
	}
	return join(pieces, most), nil
}

// splitByKeys cuts a range at some of the keys that an answer has of it, whichever these are: they are spread over it, or lie close
// together at one end, and then that end is cut off.
func (s *Source) splitByKeys(ctx context.Context, partition string, whole counted, most int64) ([]counted, error) {
	if whole.Rows <= most+most/4 {
		return []counted{whole}, nil
	}
	keys, err := s.nextKeys(ctx, partition, whole.Range, mostLimit)
	if err != nil {
		return nil, err
	}
	ranges := s.cutAtKeys(whole.Range, slices.Compact(keys), piecesOf(whole.Rows, most))
	if len(ranges) == 1 {
		return []counted{whole}, nil
	}
	first, err := s.Count(ctx, partition, ranges[0])
	if err != nil {
		return nil, err
	}
	if first > whole.Rows/2 { // they lie at the upper end
		ranges = []model.Range{ranges[0], {After: ranges[0].UpTo, UpTo: whole.UpTo}}
	}
	return s.cutFiner(ctx, partition, ranges, most, s.splitByKeys)
}

// piecesOf is how many pieces of most rows there should be: two at least, since there are more rows than that.
func piecesOf(rows, most int64) int64 { return min(max((rows+most-1)/most, 2), mostCuts) }

// cutAtKeys cuts a range after so many less one of the keys, in ascending order, that a filter can name. The last key is none of them,
// so that each piece is less than the whole.
func (s *Source) cutAtKeys(whole model.Range, keys []model.Key, pieces int64) []model.Range {
	keys = slices.DeleteFunc(keys[:max(len(keys)-1, 0)], func(k model.Key) bool { return !s.key.CanWrite(k) })
	var ranges []model.Range
	for i, n := 1, min(int(pieces), len(keys)+1); i < n; i++ {
		key := keys[i*len(keys)/n].Clone()
		ranges = append(ranges, model.Range{After: whole.After, UpTo: &key})
		whole.After = &key
	}
	return append(ranges, whole)
}

const mostCuts = 64

// cut cuts a range whose keys lie in [lo, hi] into pieces of equal width, at least two and as many as do if the keys are
// spread evenly.
func cut(whole model.Range, lo, hi, rows, most int64) []model.Range {
	width := uint64(hi) - uint64(lo) // right even where hi-lo overflows
	step := width/uint64(piecesOf(rows, most)) + 1
	var pieces []model.Range
	after := whole.After
	for d := step - 1; d < width; d += step {
		key := model.IntKey(int64(uint64(lo) + d))
		pieces = append(pieces, model.Range{After: after, UpTo: &key})
		after = &key
		if d > math.MaxUint64-step {
			break
		}
	}
	return append(pieces, model.Range{After: after, UpTo: whole.UpTo})
}

func join(pieces []counted, most int64) []counted {
	var joined []counted
	for _, p := range pieces {
		if last := len(joined) - 1; last >= 0 && joined[last].Rows+p.Rows <= most {
			joined[last] = counted{model.Range{After: joined[last].After, UpTo: p.UpTo}, joined[last].Rows + p.Rows}
			continue
		}
		joined = append(joined, p)
	}
	return joined
}

// extent bounds the keys in a range: the bounds that the range has itself, and where it is open, close outer bounds of
// the keys that are there.
//
// Those of a whole partition are kept, since to find them takes a dozen counts: an open end of a range of it is bounded by
// them, as long as that leaves something to cut.
func (s *Source) extent(ctx context.Context, partition string, rng model.Range) (lo, hi int64, err error) {
	whole := rng.After == nil && rng.UpTo == nil
	if lo, hi, known := s.extents.within(partition, rng); known && !whole {
		return lo, hi, nil
	}
	lo, hi, err = s.findExtent(ctx, partition, rng)
	if whole && err == nil {
		s.extents.keep(partition, extent{lo, hi})
	}
	return lo, hi, err
}

func (s *Source) findExtent(ctx context.Context, partition string, rng model.Range) (lo, hi int64, err error) {
	lo, hi = math.MinInt64, math.MaxInt64
	if rng.After != nil {
		lo = rng.After.Int + 1
	} else if lo, err = s.lowest(ctx, partition, rng); err != nil {
		return 0, 0, err
	}
	if rng.UpTo != nil {
		return lo, rng.UpTo.Int, nil
	}
	hi, err = s.highest(ctx, partition, lo)
	return lo, hi, err
}

// lowest is the smallest key of a range if the server gives it, and the smallest of all if not.
func (s *Source) lowest(ctx context.Context, partition string, rng model.Range) (int64, error) {
	data, err := s.query(ctx, partition, s.key.Within(rng), []string{s.layout.KeyName()}, limited(1))
	if err != nil {
		return 0, fmt.Errorf("looking for the lowest key of %q: %w", s.coll.Name, err)
	}
	keys := s.keys(data)
	if len(keys) == 0 {
		return math.MinInt64, nil
	}
	lowest := slices.MinFunc(keys, model.Key.Compare)
	if lowest.Int == math.MinInt64 {
		return lowest.Int, nil
	}
	below := model.IntKey(lowest.Int - 1)
	n, err := s.Count(ctx, partition, model.Range{UpTo: &below})
	if n > 0 || err != nil {
		return math.MinInt64, err
	}
	return lowest.Int, nil
}

// highest is a bound above all keys, a little farther from lo than the highest key is.
func (s *Source) highest(ctx context.Context, partition string, lo int64) (int64, error) {
	none, some := 64, -1 // no key lies above lo+2^none-1; some key above lo+2^some-1, or some is -1
	for none-some > 1 {
		mid := (none + some) / 2
		bound, ok := above(lo, mid)
		if !ok {
			none = mid
			continue
		}
		n, err := s.Count(ctx, partition, model.Range{After: &bound})
		if err != nil {
			return 0, err
		}
		if n == 0 {
			none = mid
		} else {
			some = mid
		}
	}
	return s.tighten(ctx, partition, lo, none)
}

// tightenings is how often the distance between the highest key and its bound is halved: keys that are spread evenly are
// cut into even ranges then.
const tightenings = 5

// tighten brings a bound above all keys nearer to them. The highest key lies above lo+2^(exp-1)-1, or exp is 0.
func (s *Source) tighten(ctx context.Context, partition string, lo int64, exp int) (int64, error) {
	low, high := lo, int64(math.MaxInt64)
	if bound, ok := above(lo, exp); ok {
		high = bound.Int
	}
	if exp > 0 {
		if bound, ok := above(lo, exp-1); ok {
			low = bound.Int
		}
	}
	for range tightenings {
		mid := model.IntKey(int64(uint64(low) + (uint64(high)-uint64(low))/2))
		if mid.Int == low || mid.Int == high {
			break
		}
		n, err := s.Count(ctx, partition, model.Range{After: &mid})
		if err != nil {
			return 0, err
		}
		if n == 0 {
			high = mid.Int
		} else {
			low = mid.Int
		}
	}
	return high, nil
}

// above is lo+2^exp-1, unless that is not an int64.
func above(lo int64, exp int) (model.Key, bool) {
	if exp > 63 {
		return model.Key{}, false
	}
	step := uint64(1)<<exp - 1
	if step > uint64(math.MaxInt64)-uint64(lo) {
		return model.Key{}, false
	}
	return model.IntKey(int64(uint64(lo) + step)), true
}

// splitTexts goes through the keys of a range in order, and cuts after each most keys.
func (s *Source) splitTexts(ctx context.Context, partition string, rng model.Range, most int64) ([]counted, error) {
	var ranges []counted
	open, left := counted{Range: rng}, rng // the range being filled, and what was not gone through
	for {
		keys, err := s.nextKeys(ctx, partition, left, most-open.Rows)
		if err != nil {
			return nil, err
		}
		last, found := s.bound(keys)
		if !found { // there are none, or such alone that no filter can name
			n, err := s.Count(ctx, partition, left)
			open.Rows += n
			return append(ranges, open), err
		}
		if err := s.checkForward(left, last); err != nil {
			return nil, err
		}
		left.After = &last
		if open.Rows += upTo(keys, last); open.Rows >= most {
			open.UpTo = left.After
			ranges, open = append(ranges, open), counted{Range: left}
		}
	}
}

// upTo is how many of some keys, in ascending order, are up to one of them.
func upTo(keys []model.Key, last model.Key) int64 {
	n := len(keys)
	for n > 0 && keys[n-1].Compare(last) > 0 {
		n--
	}
	return int64(n)
}

// nextKeys reads about n keys from the beginning of a range, in ascending order.
func (s *Source) nextKeys(ctx context.Context, partition string, rng model.Range, n int64) ([]model.Key, error) {
	data, err := s.first(ctx, partition, rng, []string{s.layout.KeyName()}, n)
	if err != nil {
		return nil, fmt.Errorf("reading the keys of %q: %w", s.coll.Name, err)
	}
	keys := s.keys(data)
	slices.SortFunc(keys, model.Key.Compare)
	return keys, nil
}
