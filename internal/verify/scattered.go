package verify

import (
	"context"
	"maps"
	"slices"
	"sync"

	"migrate/internal/model"
)

// buckets is into how many parts the rows of a partition fall by a hash of their keys, where no range tells rows apart that can be
// compared. It is a checksum each, so that a few rows that differ are looked for among few others.
const buckets = 1 << 12

// byKeys compares a partition of which the left side's chunks are scattered. Each side is read once in its own chunks. Rows of the
// buckets that differ are held against each other, so many at a time as memory holds, and each time both sides are read again.
func (c *comparison) byKeys(ctx context.Context, p *Partition) error {
	left, err := c.tally(ctx, c.left, p.Name, c.opts.Progress)
	if err != nil {
		return err
	}
	right, err := c.tally(ctx, c.right, p.Name, nil)
	if err != nil {
		return err
	}
	c.report.Defaulted += left.defaulted - right.defaulted
	for _, pass := range passes(left, right, c.opts.Held) {
		if err := c.diffBuckets(ctx, p.Name, pass, left, right); err != nil {
			return err
		}
	}
	for b := range buckets {
		p.Left.Add(left.of[b])
		p.Right.Add(right.of[b])
	}
	c.report.LeftFound.Add(left.found)
	c.report.RightFound.Add(right.found)
	return nil
}

// tally is what a partition of one side came to.
type tally struct {
	outcome
	of [buckets]model.Sum
}

func bucketOf(key model.Key) int { return int(key.Hash() % buckets) }

// tally reads a partition of one side.
func (c *comparison) tally(ctx context.Context, s side, partition string, progress func(int64, int64)) (*tally, error) {
	var mu sync.Mutex
	all := &tally{}
	err := c.eachChunk(ctx, s, partition, func(ctx context.Context, chunk model.Chunk) (err error) {
		var one tally
		one.outcome, err = c.eachRow(ctx, s, chunk, progress, func(key model.Key, hash uint64) {
			one.of[bucketOf(key)].AddRows([]uint64{hash})
		})
		mu.Lock()
		defer mu.Unlock()
		all.add(one.outcome)
		for b, sum := range one.of {
			all.of[b].Add(sum)
		}
		return err
	})
	return all, err
}

// passes are the buckets that differ, in groups of so many rows of the left side, or of one bucket.
func passes(left, right *tally, most int64) (all [][]int) {
	rows := most
	for b := range buckets {
		if left.of[b] == right.of[b] {
			continue
		}
		if rows += left.of[b].Rows; rows > most || len(all) == 0 {
			all, rows = append(all, nil), left.of[b].Rows
		}
		all[len(all)-1] = append(all[len(all)-1], b)
	}
	return all
}

// diffBuckets holds the rows of some buckets against each other, and puts what these came to in the place of what they came to before:
// a difference that passes was a write under way, or the server's own.
func (c *comparison) diffBuckets(ctx context.Context, partition string, some []int, left, right *tally) (err error) {
	h := &held{rest: map[model.Key]uint64{}}
	if left.found, err = c.reread(ctx, c.left, partition, some, left, h.left); err != nil {
		return err
	}
	found := h.duplicates(left)
	if right.found, err = c.reread(ctx, c.right, partition, some, right, func(key model.Key, hash uint64) {
		h.choose(key, hash, left)
		h.right(key, hash)
	}); err != nil {
		return err
	}
	c.report.LeftFound.Duplicates.Add(found)
	c.report.Rows.add(h.end())
	return nil
}

// reread reads a partition of one side once more, calls back with the rows of some buckets, one by one, and sums these up anew.
func (c *comparison) reread(ctx context.Context, s side, partition string, some []int, sums *tally, row func(model.Key, uint64)) (found model.Findings, err error) {
	var mu sync.Mutex
	var wanted [buckets]bool
	for _, b := range some {
		wanted[b], sums.of[b] = true, model.Sum{}
	}
	err = c.eachChunk(ctx, s, partition, func(ctx context.Context, chunk model.Chunk) error {
		o, err := c.eachRow(ctx, s, chunk, nil, func(key model.Key, hash uint64) {
			b := bucketOf(key)
			if !wanted[b] {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			sums.of[b].AddRows([]uint64{hash})
			row(key, hash)
		})
		mu.Lock()
		defer mu.Unlock()
		found.Add(o.found)
		return err
	})
	return found, err
}

// duplicates are the keys of which several rows are held. Only the first of each still counts among the left side's.
func (h *held) duplicates(left *tally) (found model.Duplicates) {
	for _, key := range slices.SortedFunc(maps.Keys(h.more), model.Key.Compare) {
		for _, hash := range h.more[key] {
			left.of[bucketOf(key)].Add(model.Sum{Rows: -1, Hash: -model.Digest(hash)})
		}
		n := int64(len(h.more[key]))
		found.Add(model.Duplicates{Keys: 1, Rows: n, Sample: []model.Copies{{Key: key, Copies: 1 + n}}})
	}
	return found
}

// choose has that row of a duplicate key count, in the place of the first, which the right side has.
func (h *held) choose(key model.Key, hash uint64, left *tally) {
	if first, there := h.rest[key]; there && slices.Contains(h.more[key], hash) {
		left.of[bucketOf(key)].Hash += model.Digest(hash) - model.Digest(first)
	}
}
