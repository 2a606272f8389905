package syncer

import (
	"context"
	"log/slog"
	"time"

	"migrate/internal/model"
)

// Finder finds what may differ between the two sides. A comparison of ranges is one; one that reads the source's logs
// would be another.
type Finder interface {
	// Find hands keys to deal that may differ since the position, the likeliest first, and brings the position forward as
	// they are dealt with. Whatever it has handed on may be handed on again after a crash.
	Find(ctx context.Context, since *Position, deal Deal) error
}

// Deal looks again at keys, applies what still differs, and says what that was.
type Deal func(context.Context, Suspects) (Outcome, error)

// comparison is the Finder that compares both sides, range by range.
type comparison struct {
	sides   *sides
	rows    counts // of both sides, as the cycle began
	opts    Options
	started time.Time
	apart   time.Duration // of two cycles, from the start of one to that of the next
	report  *Report

	pos   *Position
	deal  Deal
	found Outcome // of this cycle
	// before is what earlier cycles found to be written, looked at again in this one; nil where that explains nothing.
	before *Written
	same   bool // nothing was written since the position's mark
	told   bool // the cursor field has told what was inserted or changed since the last cycle
	fresh  bool // the mark was taken in this cycle
}

// Find ends without reading a row where nothing was written since the two sides were last seen to agree. Otherwise it looks
// at what is in growing segments; then it compares the counts of all ranges, and the keys of those that differ; then the rows
// of ranges, until all that was written is explained, or each was looked at, or so many were as there may be in a cycle.
func (c *comparison) Find(ctx context.Context, pos *Position, deal Deal) error {
	c.pos, c.deal = pos, deal
	if err := c.takeMark(ctx); err != nil {
		return err
	}
	pos.Rows = c.rows.source
	if len(pos.Ranges) == 0 {
		if err := c.split(ctx); err != nil {
			return err
		}
	}
	if err := c.lookAgain(ctx); err != nil {
		return err
	}
	if err := c.followCursor(ctx); err != nil {
		return err
	}
	if err := c.followGrowing(ctx); err != nil {
		return err
	}
	if !c.onlyChanged() && (!c.same || !pos.Settled || !c.even()) {
		if err := c.compareCounts(ctx); err != nil {
			return err
		}
	}
	if err := c.lookAgain(ctx); err != nil {
		return err
	}
	if err := c.compareRows(ctx); err != nil {
		return err
	}
	c.settle()
	return nil
}

// onlyChanged reports whether all that was written is found, and no range has grown or shrunk by it.
func (c *comparison) onlyChanged() bool {
	return c.explained() && c.found.Inserted+c.found.Deleted == 0
}

// even reports whether the two sides count what they did when they agreed.
func (c *comparison) even() bool {
	uneven := int64(0)
	for _, r := range c.pos.Ranges {
		uneven += r.Uneven
	}
	return c.rows.source-c.rows.target == uneven
}

// takeMark sees whether surely nothing was written to the source since the last mark, and takes another where that is not
// so.
func (c *comparison) takeMark(ctx context.Context) error {
	last := c.pos.Mark
	if !c.mayFlush() {
		return nil
	}
	mark, err := markOf(ctx, c.sides.source, c.rows.source)
	if err != nil {
		return err
	}
	if mark == nil { // nothing is known of now
		c.pos.Mark, c.pos.Settled = nil, false
		return nil
	}
	mark.Cycle, mark.At = c.pos.Cycle, c.started
	if mark.Same(last) {
		calm := *last
		calm.Busy = 0
		c.pos.Mark, c.same = &calm, true
		return nil
	}
	if last != nil {
		mark.Busy = last.Busy + 1
	}
	c.pos.Mark, c.pos.Settled, c.fresh = mark, false, true
	c.sides.source, err = c.sides.source.Now(ctx) // to see whatever the flush has put into the segments
	return err
}

// busy is how many flushes in a row find something before the source is taken for one that is written to all the time.
const busy = 2

// mayFlush reports whether a mark is worth its flush, which makes small segments of what was written. It is where nothing
// seems to be written, and in the first cycles of a burst, since it may spare reading the rows; where writes go on it
// spares nothing, and is made now and then.
func (c *comparison) mayFlush() bool {
	last, counted := c.pos.Mark, c.rows.source == c.pos.Rows
	return last == nil || last.Busy < busy || counted && (c.pos.Calm || c.started.Sub(last.At) >= c.opts.FlushEvery)
}

// rangesAimedAt is how many ranges a large collection is cut into: each costs two counts in a cycle, and two hashes a row
// in memory while it is compared.
const (
	rangesAimedAt   = 512
	leastRange      = 16_384
	mostRange       = 262_144
	splitAboveTimes = 2
)

func (c *comparison) rangeRows() int64 {
	if c.opts.RangeRows > 0 {
		return c.opts.RangeRows
	}
	return min(max(c.rows.source/rangesAimedAt, leastRange), mostRange)
}

// split cuts all keys into ranges, by what the source has now.
func (c *comparison) split(ctx context.Context) error {
	chunks, err := c.sides.source.Split(ctx, model.AllPartitions, model.Range{}, c.rangeRows())
	for _, chunk := range chunks {
		c.pos.Ranges = append(c.pos.Ranges, SyncRange{Range: chunk.Range})
	}
	return err
}

// compareCounts counts every range on both sides, and compares the keys of those where the counts are not as they should
// be. The last comes first: new keys are above all others more often than not.
func (c *comparison) compareCounts(ctx context.Context) error {
	for i := len(c.pos.Ranges) - 1; i >= 0; i-- {
		r := c.pos.Ranges[i]
		n, err := c.sides.counts(ctx, r.Range)
		if err != nil {
			return err
		}
		if n.source > splitAboveTimes*c.rangeRows() {
			grown, err := c.cut(ctx, i)
			if err != nil {
				return err
			}
			if grown > 1 {
				i += grown // and count its pieces
				continue
			}
		}
		if n.source-n.target == r.Uneven {
			continue
		}
		if err := c.compareKeys(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// cut cuts a range that has grown, and returns how many pieces it is now.
func (c *comparison) cut(ctx context.Context, i int) (int, error) {
	r := c.pos.Ranges[i]
	chunks, err := c.sides.source.Split(ctx, model.AllPartitions, r.Range, c.rangeRows())
	if err != nil {
		return 0, err
	}
	pieces := make([]SyncRange, len(chunks))
	for j, p := range chunks {
		pieces[j] = SyncRange{Range: p.Range, Cycle: r.Cycle, Looked: r.Looked, Hot: r.Hot, Differed: r.Differed}
	}
	ranges := append(append([]SyncRange{}, c.pos.Ranges[:i]...), pieces...)
	c.pos.Ranges = append(ranges, c.pos.Ranges[i+1:]...)
	return len(pieces), nil
}

// compareKeys finds the keys of a range that are on one side only. What else differs in it is for compareRows to find.
func (c *comparison) compareKeys(ctx context.Context, i int) error {
	l, err := c.sides.keysOnly().compare(ctx, c.pos.Ranges[i].Range)
	if err != nil {
		return err
	}
	r := &c.pos.Ranges[i]
	r.Hot, r.Uneven, r.Duplicates, r.Unread = r.Hot || l.differs(), l.uneven, l.duplicates, l.unreadable
	return c.dealWith(ctx, l)
}

// compareRows compares the rows of ranges in turn.
func (c *comparison) compareRows(ctx context.Context) error {
	began := time.Now()
	defer func() { c.report.comparing = time.Since(began) }()
	p := plan{now: c.started, every: c.opts.FullScanEvery}
	for _, i := range p.order(c.pos.Ranges, c.budget()) {
		if r := c.pos.Ranges[i]; !p.due(r) && !c.suspicious(r) {
			continue
		}
		if err := c.compareRange(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) budget() int {
	return budget(len(c.pos.Ranges), c.rows.source, c.opts.CycleRows, c.apart, c.opts.FullScanEvery)
}

// suspicious reports whether rows of a range may have been written and not been found.
func (c *comparison) suspicious(r SyncRange) bool {
	switch {
	case c.same:
		return !c.pos.Settled && r.Cycle < c.pos.Mark.Cycle
	case c.told:
		return false
	case c.fresh:
		return !c.explained()
	}
	return true
}

func (c *comparison) compareRange(ctx context.Context, i int) error {
	l, err := c.sides.compare(ctx, c.pos.Ranges[i].Range)
	if err != nil {
		return err
	}
	c.report.Ranges++
	r := &c.pos.Ranges[i]
	r.Hot, r.Uneven, r.Duplicates, r.Unread = l.differs(), l.uneven, l.duplicates, l.unreadable
	if r.Hot {
		r.Differed = c.pos.Cycle
	}
	if err := c.dealWith(ctx, l); err != nil {
		return err
	}
	r.Looked, r.Cycle = c.started, c.pos.Cycle // what was written since may not have been seen
	return nil
}

func (c *comparison) dealWith(ctx context.Context, l look) error {
	if l.duplicates > 0 {
		slog.DebugContext(ctx, "keys have several rows on the source: the target has one of each", "keys", l.duplicates)
	}
	if l.number() == 0 {
		return nil
	}
	done, err := c.deal(ctx, l.Suspects)
	c.found.add(done)
	return err
}

// settle says how far the sync is after a cycle.
func (c *comparison) settle() {
	pos, hot := c.pos, false
	pos.Calm, pos.Duplicates = c.found.Applied() == 0, 0
	c.remember()
	for _, r := range pos.Ranges {
		hot = hot || r.Hot
		pos.Duplicates += r.Duplicates
	}
	pos.Settled = pos.Settled || pos.Mark != nil && lookedSince(pos.Ranges, pos.Mark.Cycle) || c.explained()
	all := lookedSince(pos.Ranges, pos.Cycle) || pos.Settled && c.same || c.told
	if pos.AsOf = later(pos.AsOf, oldest(pos.Ranges)); all {
		pos.AsOf = c.started
	}
	c.report.Settled = all && !hot
	if c.same && pos.Settled && !hot {
		c.report.InStep = true
		pos.Base, pos.InStep = pos.Mark, c.started
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
