package cutover

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"migrate/internal/clock"
	"migrate/internal/syncer"
)

// record is the switch itself: one write of the checkpoint, which a late owner is refused. The alias names another collection before.
func (c *cutover) record(ctx context.Context, proved Certificate, before string) error {
	now, was := clock.Now(ctx).UTC().Truncate(time.Second), c.Position()
	if last := was.Switch; last != nil && !now.After(last.At) {
		now = last.At.Add(time.Second) // by another machine's clock: the newest certificate is the last one
	}
	proved.Made, proved.WayBack, proved.Alias, proved.Before = now, now.Add(c.opts.Keep), c.opts.Alias, before
	if last := was.Switch; last != nil && c.opts.To.Is(syncer.Source) {
		proved.Alias, proved.Before = last.Alias, last.Before
	}
	text, err := json.Marshal(proved)
	if err != nil {
		return fmt.Errorf("encoding the certificate: %w", err)
	}
	next := turned(was)
	next.Switch = &syncer.Switch{
		At: now, Until: proved.WayBack, Left: markOf(was), Alias: proved.Alias, Before: proved.Before, Undone: true, Certificate: text,
	}
	if err := c.Record(ctx, next); err != nil {
		return fmt.Errorf("recording the switch: %w", err)
	}
	slog.InfoContext(ctx, "switched", "job", c.job, "serves", next.Serving)
	return nil
}

// turned is the position of a sync that goes the other way from now on: the ranges are the same, and nothing is known of
// their rows.
func turned(was *syncer.Position) *syncer.Position {
	next := &syncer.Position{
		Serving: was.Serving.Other(), Source: was.Target, Target: was.Source, Cycle: was.Cycle, Rows: was.Rows,
		Upserted: was.Upserted, Deleted: was.Deleted, Passed: was.Passed,
	}
	for _, r := range was.Ranges {
		next.Ranges = append(next.Ranges, syncer.SyncRange{Range: r.Range})
	}
	return next
}

// finish does what is to be done after the switch. All of it may be repeated.
func (c *cutover) finish(ctx context.Context) error {
	c.opts.Began("certificate and alias", 0)
	now := c.Position()
	made := now.Switch
	var bears Certificate
	if err := json.Unmarshal(made.Certificate, &bears); err != nil {
		return fmt.Errorf("reading the certificate in the checkpoint: %w", err)
	}
	c.done.Switch, c.done.Certificate = *made, bears
	var err error
	if c.done.Objects, err = bears.write(ctx, c.sink); err != nil { // first: it is what a lost checkpoint is made of
		return err
	}
	if err := c.moveAlias(ctx, made); err != nil {
		return err
	}
	made.Undone = false
	return c.Record(ctx, now)
}

// moveAlias has the alias name the collection on the target, or after a switch back what it named before, unless somebody has
// moved it since. Once that is done it is somebody else's to move.
func (c *cutover) moveAlias(ctx context.Context, sw *syncer.Switch) error {
	if sw.Alias == "" || !sw.Undone {
		return nil
	}
	collection := c.target.Collection
	if c.opts.To.Is(syncer.Source) {
		collection = sw.Before
		now, err := c.target.Aliased(ctx, sw.Alias)
		if err != nil {
			return err
		}
		if now != c.target.Collection {
			slog.WarnContext(ctx, "the alias was moved since the switch, and is left as it is", "alias", sw.Alias, "names", now)
			return nil
		}
	}
	return c.target.PointAlias(ctx, sw.Alias, collection)
}

// aliased is the collection that the alias names before the switch.
func (c *cutover) aliased(ctx context.Context) (string, error) {
	if c.opts.Alias == "" || c.opts.To.Is(syncer.Source) {
		return "", nil
	}
	return c.target.Aliased(ctx, c.opts.Alias)
}
