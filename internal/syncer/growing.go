package syncer

import (
	"context"
	"iter"
	"math/rand/v2"

	"migrate/internal/model"
	"migrate/internal/source"
)

// What is in growing segments is looked up, row by row, if it is not more than one in so many of all rows, and of the rows
// that may be compared in a cycle: to look up many is dearer than to compare ranges.
const (
	growingShare      = 8
	growingCycleShare = 4
)

// mostGrowing is how many keys are gathered before they are dealt with. To gather them has to be quick, since the server
// loads the segments anew meanwhile; to deal with them takes a second or two however few they are.
const mostGrowing = 50_000

// followGrowing deals with the keys that have a row in a growing segment of the source. What was written lately is there, an
// upsert of a key that moves no count among it, until the server has loaded the flushed segment some seconds after a
// flush. Nothing is proved by it: rows that are not there any more are left to the comparison of rows, and whether there are
// any is told by the segments.
func (c *comparison) followGrowing(ctx context.Context) error {
	hints := c.sides.hints()
	if c.same || c.told || hints == nil {
		return nil
	}
	all := c.sides.source
	g := growing{comparison: c, all: all, sealed: hints.Sealed()}
	if g.sealed == nil {
		return nil
	}
	g.ranges = int(float64(c.budget()) * all.RowBytes() / (2 * all.RowBytes(c.sides.key()))) // each is read twice
	n, err := g.count(ctx, model.AllPartitions, model.Range{})
	if err != nil || n == 0 || n > min(c.rows.source/growingShare, c.opts.CycleRows/growingCycleShare) {
		return err
	}
	for _, p := range all.Collection().PartitionsToRead() {
		if g.done() {
			return nil
		}
		n, err := g.count(ctx, p, model.Range{})
		if err != nil {
			return err
		}
		if err := g.look(ctx, p, c.pos.Ranges, n); err != nil {
			return err
		}
		if err := g.dealWithKeys(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// growing looks at what is in growing segments.
type growing struct {
	*comparison
	all, sealed source.Ranged
	ranges      int // whose keys may still be read

	keys    []model.Key // gathered of one partition
	touched []*SyncRange
}

func (g *growing) done() bool { return g.ranges <= 0 || g.explained() }

// count is how many rows of a range are in growing segments.
func (g *growing) count(ctx context.Context, partition string, rng model.Range) (int64, error) {
	all, err := g.all.Count(ctx, partition, rng)
	if err != nil {
		return 0, err
	}
	sealed, err := g.sealed.Count(ctx, partition, rng)
	return all - sealed, err
}

// look halves ranges until it has those that hold rows of growing segments, n in all, and gathers their keys.
func (g *growing) look(ctx context.Context, partition string, ranges []SyncRange, n int64) error {
	if n == 0 || g.done() {
		return nil
	}
	if len(ranges) == 1 {
		g.ranges--
		return g.gather(ctx, partition, &ranges[0])
	}
	low, high := ranges[:len(ranges)/2], ranges[len(ranges)/2:]
	below, err := g.count(ctx, partition, span(low))
	if err != nil {
		return err
	}
	above := n - below
	if rand.N(2) == 0 { // where not all can be read, no range is always the last
		low, high, below, above = high, low, above, below
	}
	if err := g.look(ctx, partition, high, above); err != nil {
		return err
	}
	return g.look(ctx, partition, low, below)
}

// span is from the first of some ranges to the last.
func span(ranges []SyncRange) model.Range {
	return model.Range{After: ranges[0].After, UpTo: ranges[len(ranges)-1].UpTo}
}

// gather gathers the keys of a range that all segments have and the sealed ones have not.
func (g *growing) gather(ctx context.Context, partition string, r *SyncRange) error {
	fresh, read := map[model.Key]bool{}, int64(0)
	for k, err := range g.keysOf(ctx, g.all, partition, r.Range) {
		if err != nil {
			return err
		}
		fresh[k.Clone()] = true
		read++
	}
	for k, err := range g.keysOf(ctx, g.sealed, partition, r.Range) {
		if err != nil {
			return err
		}
		delete(fresh, k)
		read++
	}
	if err := g.sides.keysOnly().paced(ctx, read); err != nil { // after both, which have to be close to each other
		return err
	}
	for k := range fresh {
		g.keys = append(g.keys, k)
	}
	g.touched = append(g.touched, r)
	if len(g.keys) < mostGrowing {
		return nil
	}
	return g.dealWithKeys(ctx, partition)
}

// dealWithKeys deals with what was gathered.
func (g *growing) dealWithKeys(ctx context.Context, partition string) error {
	if len(g.keys) == 0 {
		return nil
	}
	before := g.found.Applied()
	if err := g.dealWritten(ctx, partition, g.keys); err != nil {
		return err
	}
	if g.found.Applied() > before {
		for _, r := range g.touched {
			r.Differed = g.pos.Cycle
		}
	}
	g.keys, g.touched = nil, nil
	return nil
}

// keysOf are the keys of a range.
func (g *growing) keysOf(ctx context.Context, from source.Ranged, partition string, rng model.Range) iter.Seq2[model.Key, error] {
	stream, err := from.Read(ctx, model.Chunk{Partition: partition, Range: rng}, g.sides.key())
	if err != nil {
		return func(yield func(model.Key, error) bool) { yield(model.Key{}, err) }
	}
	return source.Keys(stream, g.sides.key())
}
