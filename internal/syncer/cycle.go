package syncer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"migrate/checkpoint"
	"migrate/internal/source"
)

// cycle looks once at what may differ, applies it, and records how far the sync is.
func (s *Sync) cycle(ctx context.Context) Report {
	started, pos := time.Now(), s.Position()
	r := Report{Direction: fmt.Sprintf("%s to %s", pos.Serving, pos.Serving.Other()), Cycle: pos.Cycle + 1, Position: pos}
	c := &cycle{Sync: s, started: started, pos: pos, report: &r}
	r.Err = c.run(ctx)
	r.Took, r.Duplicates, r.Lag = time.Since(started), pos.Duplicates, -time.Second
	for _, rng := range pos.Ranges {
		if rng.Hot {
			r.Hot++
		}
		r.Unreadable += rng.Unread
	}
	if !pos.AsOf.IsZero() {
		r.Lag = time.Since(pos.AsOf)
	}
	s.sizes, s.opened = rowSizes{}, nil
	if r.InStep && r.Err == nil {
		s.sizes, s.opened = rowSizes{c.sides.source.RowBytes(), c.sides.target.RowBytes()}, c.keep()
	}
	if r.Err == nil {
		s.took = r.Took - r.comparing
	}
	return r
}

// cycle is one cycle under way.
type cycle struct {
	*Sync
	started time.Time
	pos     *Position
	report  *Report
	asOf    time.Time // both collections are taken to be described as they were then
	sides   sides
	rows    counts
	changes source.Changes // nil where the source does not tell what was written
}

func (c *cycle) run(ctx context.Context) error {
	if still, err := c.still(ctx); err != nil || still {
		return err
	}
	c.asOf, c.changes = c.started, nil
	if err := c.open(ctx); err != nil {
		return err
	}
	c.pos.Cycle++
	if err := c.save(ctx); err != nil { // a late owner is told by this, before it looks at anything
		return err
	}
	if err := c.count(ctx); err != nil {
		return err
	}
	if err := c.refuseLate(ctx); err != nil {
		return err
	}
	finder, err := c.finder(ctx)
	if err != nil {
		return err
	}
	if err := finder.Find(ctx, c.pos, c.deal); err != nil {
		return errors.Join(err, c.save(ctx)) // ranges that were dealt with need not be looked at again
	}
	if err := c.save(ctx); err != nil || c.changes == nil {
		return err
	}
	return c.forget(ctx)
}

// finder is how this cycle finds what may differ: by what the source tells, where it does, or by a comparison. After a switch the
// other side serves, which nothing is told of.
func (c *cycle) finder(ctx context.Context) (Finder, error) {
	if c.pos.Serving.Is(Target) {
		c.pos.Told = nil
	}
	if c.opts.Changes == nil || c.pos.Serving.Is(Target) {
		return c.comparison(), nil
	}
	changes, err := c.opts.Changes(ctx, c.sides.source.Collection())
	if errors.Is(err, source.ErrUntold) {
		c.doubts.note(ctx, c.pos, err)
		return c.comparison(), nil
	}
	c.changes = changes
	return c.follower(), err
}

func (c *cycle) comparison() *comparison {
	return &comparison{sides: &c.sides, rows: c.rows, opts: c.opts, started: c.started, apart: c.opts.Interval + c.took, report: c.report, pos: c.pos, deal: c.deal}
}

func (c *cycle) follower() *follower {
	return &follower{comparison: c.comparison(), changes: c.changes, doubts: &c.doubts}
}

// forget removes what was kept for positions that are none any more. What it leaves is removed another time.
func (c *cycle) forget(ctx context.Context) error {
	if c.pos.Told == nil || bytes.Equal(c.kept, c.pos.Told.Since) {
		return nil
	}
	if err := c.job.StillOwner(ctx); err != nil {
		return err
	}
	if err := c.changes.Forget(ctx, c.pos.Told.Since); err != nil {
		slog.WarnContext(ctx, "keys of rows that nobody needs any more are left on the sink", "error", err)
		return nil
	}
	c.kept = c.pos.Told.Since
	return nil
}

// save makes the position durable. It fails where another process has taken the job over.
func (c *cycle) save(ctx context.Context) error {
	err := c.record(ctx, c.pos, func(j *checkpoint.Job) { j.Planned.Rows, j.Error = c.pos.Rows, "" })
	if err != nil {
		return fmt.Errorf("recording the position: %w", err)
	}
	return nil
}
