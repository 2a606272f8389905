package syncer

import (
	"context"
	"slices"
	"time"

	"migrate/internal/model"
	"migrate/internal/source"
)

// opened is what a cycle looked at that found both sides in sync by what the source told: the next one begins with it.
type opened struct {
	asOf      time.Time // both collections were described
	sides     sides
	changes   source.Changes
	described model.Differences
}

// keep is what the next cycle may begin with; nil where it is to look at everything, as each one does that is not a daemon's.
func (c *cycle) keep() *opened {
	if c.opts.Once || c.changes == nil || c.report.By != byStorage || c.pos.Told.Still == nil || c.pos.Switch != nil {
		return nil
	}
	return &opened{c.asOf, c.sides, c.changes, c.report.Described}
}

// still ends a cycle in which surely nothing was written since the last one, which found both sides in sync: it asks the source for two counts and its
// segments. Where anything is otherwise, or fails, a whole cycle sees to it.
func (c *cycle) still(ctx context.Context) (bool, error) {
	o, p := c.opened, plan{now: c.started, every: c.opts.FullScanEvery}
	if o == nil || c.started.Sub(o.asOf) >= c.opts.DescribeEvery || slices.ContainsFunc(c.pos.Ranges, p.due) {
		return false, nil
	}
	f, err := c.reopen(ctx, o)
	if err != nil {
		return false, nil
	}
	if f.quiet, err = f.still(ctx); err != nil || !f.quiet || !f.even() {
		return false, nil
	}
	f.told = true
	c.pos.Cycle++
	if err := f.finish(ctx); err != nil {
		return true, err
	}
	return true, c.save(ctx)
}

// reopen has a cycle begin with what another one has looked at. It counts the target, and takes the source to count what it did when it told nothing:
// whether it does is for the follower to see.
func (c *cycle) reopen(ctx context.Context, o *opened) (*follower, error) {
	target, err := o.sides.target.Now(ctx)
	if err != nil {
		return nil, err
	}
	n, err := target.Count(ctx, model.AllPartitions, model.Range{})
	if err != nil {
		return nil, err
	}
	c.rows = counts{source: *c.pos.Told.Still, target: n}
	c.asOf, c.sides, c.changes, c.report.Described = o.asOf, o.sides, o.changes, o.described
	c.sides.read = &c.report.Read
	return c.follower(), nil
}
