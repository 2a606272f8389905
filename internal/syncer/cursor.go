package syncer

import (
	"context"
	"slices"

	"migrate/internal/columns"
	"migrate/internal/model"
	"migrate/internal/source"
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
	hints := c.sides.hints()
	if field == "" || hints == nil {
		return nil
	}
	since := c.pos.Overlap
	if since == nil {
		c.pos.CursorFrom = c.pos.Cycle
	}
	if c.same && c.pos.Settled && since != nil {
		return nil
	}
	from := model.Cursor{Field: field, Value: since}
	if since != nil {
		ties, err := hints.Ties(ctx, from)
		if err != nil {
			return err
		}
		from.Above = ties > mostTies
	}
	saw := seen{greatest: since, whole: !from.Above}
	for _, p := range c.sides.source.Collection().PartitionsToRead() {
		err := c.dealSince(ctx, hints, p, from, &saw)
		if c.found.Unsure > 0 { // the field is trusted again when all ranges were compared
			c.pos.CursorFrom = c.pos.Cycle
		}
		if err != nil {
			return err
		}
	}
	c.told = since != nil && saw.whole && lookedSince(c.pos.Ranges, c.pos.CursorFrom)
	c.pos.Overlap, c.pos.Cursor = c.pos.Cursor, saw.greatest
	if c.pos.Overlap == nil {
		c.pos.Overlap = saw.greatest
	}
	return nil
}

// seen is what a cursor came to.
type seen struct {
	greatest *model.Key // value of its field
	whole    bool       // as many rows came as are counted
}

func (s *seen) note(values []model.Key) {
	for _, v := range values {
		if s.greatest == nil || v.Compare(*s.greatest) > 0 {
			v = v.Clone()
			s.greatest = &v
		}
	}
}

// dealSince deals with the rows of a partition that a cursor lets through. The first cycle only takes note of how far they are.
func (c *comparison) dealSince(ctx context.Context, hints source.Hints, partition string, from model.Cursor, saw *seen) error {
	stream, err := hints.Since(ctx, partition, from)
	if err != nil {
		return err
	}
	for rec, err := range source.Rows(stream) {
		if err != nil {
			return err
		}
		saw.note(columns.KeysOf(rec, from.Field))
		if err := c.sides.keysOnly().paced(ctx, rec.NumRows()); err != nil {
			return err
		}
		if from.Value == nil {
			continue
		}
		if err := c.dealWritten(ctx, partition, columns.KeysOf(rec, c.sides.key())); err != nil {
			return err
		}
	}
	saw.whole = saw.whole && len(stream.Findings().Unreadable) == 0
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
