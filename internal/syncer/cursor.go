package syncer

import (
	"context"
	"slices"

	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source/query"
)

// mostTies is how many rows with the value from which a cycle looks are looked up once more, since one of them may have been
// written after the others were seen. Where a whole load bears one value, nothing is told until greater ones were written.
const mostTies = 50_000

// followCursor finds what was inserted or changed since the last cycle by a field of the user's that grows with every write.
// What was deleted is left to the counts, and what was written without the field growing to the full scan. At first it only
// takes note of how far the field is; what it tells counts once every range was compared since then.
func (c *comparison) followCursor(ctx context.Context) error {
	field := c.opts.CursorField
	if c.pos.CursorField != field {
		c.pos.Cursor, c.pos.Overlap, c.pos.CursorField = nil, nil, field
	}
	if field == "" {
		return nil
	}
	since := c.pos.Overlap
	if since == nil {
		c.pos.CursorFrom = c.pos.Cycle
	}
	if c.same && c.pos.Settled && since != nil {
		return nil
	}
	from := query.From{Field: field, Value: since}
	if since != nil {
		ties, err := c.sides.source.CountWhere(ctx, model.AllPartitions, milvus.Is(field, *since))
		if err != nil {
			return err
		}
		from.Above = ties > mostTies
	}
	greatest, whole := (*model.Key)(nil), !from.Above
	for _, p := range c.sides.source.Partitions() {
		saw, err := c.sides.source.Since(ctx, p, from, func(keys []model.Key) error {
			if err := c.sides.keysOnly().paced(ctx, int64(len(keys))); err != nil || since == nil {
				return err
			}
			return c.dealWritten(ctx, p, keys)
		})
		if c.found.Unsure > 0 { // the field is trusted again when all ranges were compared
			c.pos.CursorFrom = c.pos.Cycle
		}
		if err != nil {
			return err
		}
		whole = whole && saw.Whole
		if v := saw.Greatest; v != nil && (greatest == nil || v.Compare(*greatest) > 0) {
			greatest = v
		}
	}
	c.told = since != nil && whole && lookedSince(c.pos.Ranges, c.pos.CursorFrom)
	c.pos.Overlap, c.pos.Cursor = c.pos.Cursor, greatest
	if c.pos.Overlap == nil {
		c.pos.Overlap = greatest
	}
	return nil
}

// dealWritten deals with keys that are said to have been written.
func (c *comparison) dealWritten(ctx context.Context, partition string, keys []model.Key) error {
	for i, k := range keys {
		keys[i] = k.Clone()
	}
	slices.SortFunc(keys, model.Key.Compare)
	done, err := c.deal(ctx, Suspects{Keys: map[string][]model.Key{partition: keys}, Written: true})
	c.found.add(done)
	return err
}
