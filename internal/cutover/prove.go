package cutover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"migrate/internal/clock"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/query"
	"migrate/internal/syncer"
	"migrate/internal/verify"
)

// proofs is how often a proof is tried, for servers that compact their segments meanwhile: then nothing tells whether a row
// was written too.
const proofs = 3

// errCompacted: the segments have changed, and not by what was written alone.
var errCompacted = errors.New("the server has compacted its segments, so that nothing tells whether it was written to meanwhile; give the same command again")

// prove brings the two sides in step, and shows that they are equal while nothing is written.
func (c *cutover) prove(ctx context.Context) (proved Certificate, err error) {
	for range proofs {
		if proved, err = c.proveOnce(ctx); !errors.Is(err, errCompacted) {
			return proved, err
		}
		slog.InfoContext(ctx, "the proof is tried again", "reason", err)
	}
	return proved, err
}

func (c *cutover) proveOnce(ctx context.Context) (proved Certificate, err error) {
	c.opts.Began("last pass", 0)
	before, err := c.inSync(ctx)
	if err != nil {
		return proved, err
	}
	if err := c.refuseDuplicates(ctx, before.Position); err != nil {
		return proved, err
	}
	since := time.Now()
	c.opts.Began("verify", before.Position.Rows)
	proved, err = c.verified(ctx)
	if errors.Is(err, model.ErrDiffers) && !errors.Is(err, ErrDescribed) {
		return proved, c.explain(ctx, err, before.Position, proved.Report)
	}
	if err != nil {
		return proved, err
	}
	c.opts.Began("see that nothing is written", 0)
	if err := clock.Sleep(ctx, max(0, c.opts.Still-time.Since(since))); err != nil {
		return proved, err
	}
	until := time.Now()
	after := c.Cycle(ctx)
	proved.Still = Still{From: since, Until: until, Proof: proofOf(after.Position)}
	return proved, c.stillEqual(ctx, before.Position, after)
}

// refuseDuplicates refuses to switch where the last pass saw keys of several rows on the side that serves, and names some.
func (c *cutover) refuseDuplicates(ctx context.Context, seen *syncer.Position) error {
	if c.opts.AllowDuplicates || seen.Duplicates == 0 {
		return nil
	}
	active := c.Active()
	side, err := query.OpenByName(ctx, active.Server, active.Collection)
	if err != nil {
		return err
	}
	key := milvus.KeyOf(side.Collection().Schema)
	var found model.Findings
	for _, r := range seen.Ranges {
		if r.Duplicates == 0 {
			continue
		}
		stream, err := side.Read(ctx, model.Chunk{Partition: model.AllPartitions, Range: r.Range}, key.Name)
		if err != nil {
			return err
		}
		for _, err := range source.Rows(stream) {
			if err != nil {
				return err
			}
		}
		found.Add(stream.Findings())
	}
	return duplicatesError(active, key, found.Duplicates)
}

// duplicatesError says which keys, and what is to be done about them.
func duplicatesError(active syncer.End, key milvus.KeyField, d model.Duplicates) error {
	if d.Rows == 0 {
		return nil
	}
	keys := make([]model.Key, len(d.Sample))
	for i, c := range d.Sample {
		keys[i] = c.Key
	}
	return fmt.Errorf("%q on %s %w: %s, of which the other side has one row each, and not surely the one that a reader wants. "+
		"For each of them read the row that is to stay, delete the key (the first ones: %s), and insert that row again",
		active.Collection, active.Address, ErrDuplicates, d, key.In(keys))
}

// explain says why the two sides differ although they were in sync, and what is to be done.
func (c *cutover) explain(ctx context.Context, differs error, was *syncer.Position, r *verify.Report) error {
	found := r.LeftFound // rows that are counted beyond those that were read
	now, err := c.Mark(ctx, r.Left.Rows+found.Duplicates.Rows+found.UnreadableRows())
	if err != nil {
		return errors.Join(differs, err)
	}
	switch d := r.Rows; {
	case now.Wrote(markOf(was)):
		return errors.Join(differs, c.written())
	case d.Missing+d.Extra+d.Differing == 0:
		return fmt.Errorf("%w: %d rows are counted and never returned, so that nothing proves them equal", differs, d.Uncheckable)
	}
	return errors.Join(fmt.Errorf("%w: the side that is to serve was written to by others, or lost rows; the same command compares all of it and "+
		"brings it in step again", differs), c.Distrust(ctx))
}

// markOf is what the side that serves held by a position: where nothing but its rows is known, those.
func markOf(p *syncer.Position) *model.Mark {
	if p.Mark == nil {
		return &model.Mark{Rows: p.Rows}
	}
	return p.Mark
}

func proofOf(p *syncer.Position) string {
	if p.Mark == nil {
		return "two comparisons of all rows, one at either end, found no difference; this server does not tell more"
	}
	return "neither the count of the rows nor the segments, flushed at either end, have changed"
}

// stillEqual looks at the cycle after the verification, which has to find nothing, and all as it was before.
func (c *cutover) stillEqual(ctx context.Context, was *syncer.Position, r syncer.Report) error {
	switch is := r.Position; {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case r.Err != nil:
		return r.Err
	case r.Applied() > 0 || was.Rows != is.Rows || is.Mark != nil && is.Mark.Wrote(was.Mark):
		return c.written()
	case is.Mark != nil && !is.Mark.Same(was.Mark):
		return fmt.Errorf("%q on %s: %w", c.Active().Collection, c.Active().Address, errCompacted)
	case !r.Settled:
		return c.written()
	}
	return nil
}

const (
	passes = 10 // cycles that the last pass takes at most, for servers that compact their segments meanwhile
	moves  = 3  // of them in which something was written: the last writes may have come as the first began
)

// inSync runs cycles until one sees that all is applied and nothing was written meanwhile. What is left though nothing is
// written is a difference that the target does not take.
func (c *cutover) inSync(ctx context.Context) (r syncer.Report, err error) {
	var last *model.Mark
	moved := 0
	for range passes {
		r = c.Cycle(ctx)
		switch {
		case ctx.Err() != nil:
			return r, context.Cause(ctx)
		case r.Err != nil:
			return r, r.Err
		case r.InStep, r.Settled && r.Position.Mark == nil && r.Applied() == 0:
			return r, nil
		}
		now, err := c.Mark(ctx, r.Position.Rows)
		if err != nil {
			return r, err
		}
		if last != nil && now.Wrote(last) {
			moved++
		}
		if moved == moves {
			return r, c.written()
		}
		last = now
	}
	return r, fmt.Errorf("after %d passes: %w: in %d ranges when they were last compared", passes, model.ErrDiffers, r.Hot)
}

func (c *cutover) written() error {
	return fmt.Errorf("%q on %s: %w; stop its writers first", c.Active().Collection, c.Active().Address, ErrWritten)
}

// verified compares all rows of both sides.
func (c *cutover) verified(ctx context.Context) (Certificate, error) {
	active, standby := c.Active(), c.Standby()
	left, err := query.OpenByName(ctx, active.Server, active.Collection)
	if err != nil {
		return Certificate{}, err
	}
	right, err := query.OpenByName(ctx, standby.Server, standby.Collection)
	if err != nil {
		return Certificate{}, err
	}
	report, err := verify.Compare(ctx, left, right, verify.Options{Workers: c.opts.Workers, Progress: c.opts.Progress})
	if err != nil {
		return Certificate{}, err
	}
	c.done.Certificate = Certificate{
		AllowedDuplicates: c.opts.AllowDuplicates && report.LeftFound.Duplicates.Rows > 0,
		Format:            CertificateFormat, Migrate: c.opts.Tool, Job: c.job, Report: report,
		Left:   newParty(c.Position().Serving, active.Server, left.Collection()),
		Serves: newParty(c.opts.To, standby.Server, right.Collection()),
	}
	if !c.opts.AllowDuplicates { // which the last pass may not have looked for
		if err := duplicatesError(active, milvus.KeyOf(left.Collection().Schema), report.LeftFound.Duplicates); err != nil {
			return c.done.Certificate, err
		}
	}
	if !report.SameRows() {
		return c.done.Certificate, fmt.Errorf("comparing all rows before the switch: %w", model.ErrDiffers)
	}
	return c.done.Certificate, c.refuseDescribed(report)
}

// refuseDescribed refuses to switch to a collection that would lose rows or answer otherwise, or that differs in what may be allowed.
func (c *cutover) refuseDescribed(r *verify.Report) error {
	found := r.Described
	if c.opts.To.Is(syncer.Source) {
		found = found.ForRollback()
	}
	refused, differ := found.Texts(model.Refuses), found.Texts(model.Differs)
	if len(refused) > 0 || len(differ) > 0 && !c.opts.AllowDifferences {
		return fmt.Errorf("%q on %s, which is to serve: %w: %s", c.Standby().Collection, c.Standby().Address, ErrDescribed, strings.Join(append(refused, differ...), "; "))
	}
	return nil
}
