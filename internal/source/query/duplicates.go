package query

import (
	"context"
	"math"

	"migrate/internal/clock"
	"migrate/internal/model"
)

// Duplicates finds those of some keys, in ascending order, that have more than one row. It names so many of them at most, each
// for the price of a few counts: of the others it says how many rows there are, and how many keys at most. An upsert under
// way, which for a moment counts twice, is none.
func (s *Source) Duplicates(ctx context.Context, partition string, keys []model.Key, name int) (model.Duplicates, error) {
	d := duplicates{Source: s, partition: partition, name: name}
	blocks, err := d.blocks(ctx, keys)
	if err != nil {
		return model.Duplicates{}, err
	}
	for _, b := range blocks {
		if err := d.look(ctx, b); err != nil {
			return model.Duplicates{}, err
		}
	}
	return d.found, nil
}

// duplicates is one Duplicates under way.
type duplicates struct {
	*Source
	partition string
	name      int
	found     model.Duplicates
}

// block is some keys, and the rows that they have beyond one of each.
type block struct {
	keys    []model.Key
	surplus int64
}

// blocks are those that have a surplus, twice in a row unless all reads see one instant.
func (d *duplicates) blocks(ctx context.Context, keys []model.Key) ([]block, error) {
	all := make([]block, 0, len(keys)/mostNamed+1)
	for len(keys) > 0 {
		n := nameable(keys)
		all, keys = append(all, block{keys[:n], math.MaxInt64}), keys[n:]
	}
	some, err := d.counted(ctx, all)
	if err != nil || len(some) == 0 || d.snapshot {
		return some, err
	}
	if err := clock.Sleep(ctx, pauses[1]); err != nil {
		return nil, err
	}
	return d.counted(ctx, some)
}

// counted counts the rows of blocks, and leaves out those that have no surplus.
func (d *duplicates) counted(ctx context.Context, blocks []block) ([]block, error) {
	some := blocks[:0]
	for _, b := range blocks {
		rows, err := d.CountKeys(ctx, d.partition, b.keys)
		if err != nil {
			return nil, err
		}
		if b.surplus = min(b.surplus, rows-int64(len(b.keys))); b.surplus > 0 {
			some = append(some, b)
		}
	}
	return some, nil
}

// look halves a block until as many keys are named as are wanted.
func (d *duplicates) look(ctx context.Context, b block) error {
	switch n := int64(len(b.keys)); {
	case b.surplus <= 0:
		return nil
	case n == 1:
		d.found.Keys++
		d.found.Rows += b.surplus
		d.found.Sample = append(d.found.Sample, model.Copies{Key: b.keys[0], Copies: b.surplus + 1})
		return nil
	case len(d.found.Sample) >= d.name:
		d.found.Keys += min(b.surplus, n)
		d.found.Rows += b.surplus
		d.found.AtMost = d.found.AtMost || b.surplus > 1
		return nil
	}
	half := len(b.keys) / 2
	n, err := d.CountKeys(ctx, d.partition, b.keys[:half])
	if err != nil {
		return err
	}
	first := min(max(n-int64(half), 0), b.surplus)
	if err := d.look(ctx, block{b.keys[:half], first}); err != nil {
		return err
	}
	return d.look(ctx, block{b.keys[half:], b.surplus - first})
}
