package syncer

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"migrate/internal/clock"
	"migrate/internal/model"
	"migrate/internal/source"
)

// Told is how far a source was followed that tells what was written to it.
type Told struct {
	Since json.RawMessage `json:"since"` // from which on it tells
	// From is the cycle in which it began, and Sure says that all that was written before it was found since then, so that what is told is all.
	From int64     `json:"from"`
	Sure bool      `json:"sure,omitempty"`
	At   time.Time `json:"at"`             // when it was last asked
	Busy int       `json:"busy,omitempty"` // how many times in a row something was written
	// Still is how many rows were counted in a time in which nothing was written; nil where something was.
	Still *int64 `json:"still,omitempty"`
}

// doubts are why a source did not tell what was written to it, and when that was.
type doubts struct {
	reason string
	at     time.Time
}

// note forgets what a source told that does not tell it any more, so that all is compared.
func (d *doubts) note(ctx context.Context, p *Position, err error) {
	if err.Error() != d.reason {
		slog.WarnContext(ctx, "the source does not tell what was written to it; all rows are compared", "reason", err)
	}
	d.reason, d.at, p.Told = err.Error(), time.Now(), nil
}

// follower is the Finder that has the source tell which keys were written. Where nothing is known that it could tell more than, or it can't
// tell, it compares.
type follower struct {
	*comparison
	changes source.Changes
	doubts  *doubts
	quiet   bool // it told that nothing was written
}

// Find asks the source what was written, and compares the rows of those ranges only that have to be looked at whatever else is known.
func (f *follower) Find(ctx context.Context, pos *Position, deal Deal) error {
	f.pos, f.deal = pos, deal
	if pos.Told != nil && pos.Told.Sure {
		if !f.due() {
			pos.Rows = f.rows.source
			return nil
		}
		err := f.follow(ctx)
		switch {
		case err == nil && f.told:
			return f.finish(ctx)
		case errors.Is(err, source.ErrUntold):
			f.doubts.note(ctx, pos, err)
		case err != nil:
			return err
		}
	}
	return f.compare(ctx)
}

// compare compares, and begins to have the source tell, if it does not yet. What it tells is all from when the comparison has come to an end.
func (f *follower) compare(ctx context.Context) error {
	if err := f.begin(ctx); err != nil {
		return err
	}
	if err := f.comparison.Find(ctx, f.pos, f.deal); err != nil {
		return err
	}
	if t := f.pos.Told; t != nil && (f.report.Settled || lookedSince(f.pos.Ranges, t.From)) {
		sure := *t
		sure.Sure, f.pos.Told = true, &sure
	}
	return nil
}

// due reports whether the source is asked, which flushes it, and makes small segments of what was written. It is asked now and then where
// it is written to all the time.
func (f *follower) due() bool {
	t := f.pos.Told
	return f.opts.Once || t.Busy < busy || f.started.Sub(t.At) >= f.opts.FlushEvery
}

// begin has the source tell from now on. One that could not is not asked again at once, since that flushes it.
func (f *follower) begin(ctx context.Context) error {
	if f.pos.Told != nil || !f.opts.Once && time.Since(f.doubts.at) < f.opts.FlushEvery {
		return nil
	}
	changed, err := f.changes.Changes(ctx, nil)
	if errors.Is(err, source.ErrUntold) {
		f.doubts.note(ctx, f.pos, err)
		return nil
	}
	if err == nil {
		f.pos.Told = &Told{Since: changed.Next, From: f.pos.Cycle, At: f.started}
	}
	return err
}

// follow deals with what the source tells, and has all ranges compared where rows of it are not on the target for sure.
func (f *follower) follow(ctx context.Context) error {
	still, err := f.still(ctx)
	if err != nil || still {
		f.told, f.quiet = still, still
		return err
	}
	changed, err := f.changes.Changes(ctx, f.pos.Told.Since)
	if err != nil {
		return err
	}
	n, err := f.dealTold(ctx, changed)
	if err != nil {
		return err
	}
	f.told, f.quiet = f.found.Unsure == 0, n == 0
	if f.quiet {
		if err := f.awaitCount(ctx); err != nil {
			return err
		}
	}
	now := &Told{Since: changed.Next, From: f.pos.Told.From, Sure: f.told, At: f.started}
	if n > 0 {
		now.Busy = f.pos.Told.Busy + 1
	} else {
		rows := f.rows.source
		now.Still = &rows
	}
	if !f.told {
		now.From = f.pos.Cycle
	}
	f.pos.Told = now
	return nil
}

// recount is how often rows are counted again.
const recount = 500 * time.Millisecond

// awaitCount counts the rows again while the source counts others than the target, or than when it last told nothing, though nothing was
// written: it hands segments over that were compacted. Rows that are compared meanwhile are false differences.
func (f *follower) awaitCount(ctx context.Context) error {
	was := f.pos.Told.Still
	for since := time.Now(); !f.even() && (was == nil || *was != f.rows.source) && time.Since(since) < f.opts.HandOver; {
		if err := clock.Sleep(ctx, min(recount, f.opts.HandOver)); err != nil {
			return err
		}
		now, err := f.sides.asOfNow(ctx)
		if err != nil {
			return err
		}
		if f.rows, err = now.counts(ctx, model.Range{}); err != nil {
			return err
		}
		*f.sides = now
	}
	return nil
}

// still reports, without a flush, whether surely nothing was written since the source was asked last, and told nothing. Whatever is written is in
// growing segments, or in segments that were not there then, and what is only deleted is counted no more. The segments are listed once the rows
// are counted: those that a flush has sealed before are listed by then, or what a compaction has made of them.
func (f *follower) still(ctx context.Context) (bool, error) {
	t, hints := f.pos.Told, f.sides.hints()
	if t.Still == nil || *t.Still != f.rows.source || hints == nil || hints.Sealed() == nil {
		return false, nil
	}
	all, sealed, err := hints.CountNow(ctx)
	if err != nil || all != *t.Still || sealed != *t.Still {
		return false, err
	}
	return f.changes.Same(ctx, t.Since)
}

// mostDealt is how many keys are dealt with at once.
const mostDealt = 20_000

// dealTold deals with the keys that are gone, and then with those that are there, and returns how many they are. A key that moved to another
// partition would be there twice otherwise.
func (f *follower) dealTold(ctx context.Context, changed source.Changed) (n int64, err error) {
	for _, gone := range []bool{true, false} {
		some := Suspects{Keys: map[string][]model.Key{}, Written: !gone}
		for c, err := range changed.Keys {
			if err != nil {
				return n, err
			}
			if c.Gone != gone {
				continue
			}
			n++
			some.Keys[c.Partition] = append(some.Keys[c.Partition], c.Key.Clone())
			if some.number() < mostDealt {
				continue
			}
			if err := f.dealWith(ctx, look{Suspects: some}); err != nil {
				return n, err
			}
			clear(some.Keys)
		}
		if err := f.dealWith(ctx, look{Suspects: some}); err != nil {
			return n, err
		}
	}
	return n, nil
}

// finish compares what is to be compared in any case, and says how far the sync is. Nothing else is known of the source's segments then.
func (f *follower) finish(ctx context.Context) error {
	pos := f.pos
	pos.Rows, pos.Mark, pos.Base, pos.Written, pos.Settled = f.rows.source, nil, nil, nil, false
	f.report.By = byStorage
	p := plan{now: f.started, every: f.opts.FullScanEvery}
	due := false
	for _, r := range pos.Ranges {
		due = due || p.due(r)
	}
	inStep := f.quiet && f.even()
	if due || f.quiet && !inStep {
		if err := f.compareCounts(ctx); err != nil { // which cuts those that have grown
			return err
		}
	}
	if err := f.compareRows(ctx); err != nil {
		return err
	}
	f.settle()
	if inStep && f.report.Settled {
		f.report.InStep, pos.InStep = true, f.started
	}
	return nil
}
