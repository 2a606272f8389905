package syncer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"migrate/checkpoint"
	"migrate/internal/certificate"
	"migrate/internal/clock"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/verify"
	"migrate/sinks"
)

// Errors of a switch that a caller decides on.
var (
	// ErrWritten: the side that serves is still written to.
	ErrWritten = errors.New("still written to")
	// ErrServes: the side that is to serve does so, and was never switched to.
	ErrServes = errors.New("serves already")
	// ErrDuplicates: the side that serves has keys of several rows, and the other one has one row of each.
	ErrDuplicates = errors.New("has keys of several rows")
)

// Switching is how a switch is made. The zero value of everything but To is useful.
type Switching struct {
	To      checkpoint.Side
	Still   time.Duration // in which nothing may be written to the side that serves; 10 s where zero
	Keep    time.Duration // in which a sync keeps the side that is left in step; 72 h where zero
	Alias   string        // on the target, that names the collection once it serves
	Workers int           // ranges verified at once; 4 where zero
	// AllowDifferences: the collection that is to serve may be described otherwise, in what neither loses rows nor breaks searches.
	AllowDifferences bool
	// AllowDuplicates: of keys that have several rows on the side that serves, the other one may have any one row.
	AllowDuplicates bool
	Began           func(step string, rows int64)
	Progress        func(rows, bytes int64) // of the verification
}

func (s Switching) withDefaults() Switching {
	s.Still, s.Keep = cmp.Or(s.Still, 10*time.Second), cmp.Or(s.Keep, 72*time.Hour)
	if s.Began == nil {
		s.Began = func(string, int64) {}
	}
	return s
}

// Switched is a switch that was made.
type Switched struct {
	checkpoint.Switch
	Certificate certificate.Certificate
	Objects     []string // where the certificate is
	Before      bool     // by an earlier run, that may have left something to be done
}

// ServingError is the end of a switch that failed, and says which side serves.
type ServingError struct {
	Serving checkpoint.Side // empty where the checkpoint could not be read
	Err     error
}

func (e *ServingError) Error() string {
	if e.Serving == "" {
		return e.Err.Error() + "\n  which side serves could not be read: look at the newest certificate, and at `migrate status`, before anything is written"
	}
	return fmt.Sprintf("%v\n  the %s serves", e.Err, e.Serving)
}

func (e *ServingError) Unwrap() error { return e.Err }

// Switch has the other side serve, once nobody writes to the one that does: it applies what is left to be applied, sees that
// nothing is written any more, compares all rows, and then records the switch in one step. Until then the side that served
// does; from then on the other one. A certificate of it is written beside the export. A Switch that was interrupted goes on
// when it is called again. ErrWritten where the side that serves is still written to, verify.ErrDiffers where the rows are
// not the same; all errors are ServingErrors.
func Switch(ctx context.Context, from, to *milvus.Server, sink sinks.Sink, opts Options, how Switching) (Switched, error) {
	opts.Once, opts.CycleRows, opts.MaxRate, opts.CursorField = true, math.MaxInt64, 0, "" // the last pass takes nobody's word
	s := &switching{syncing: begin(from, to, sink, opts), how: how.withDefaults()}
	if err := s.own(ctx, s.run); err != nil {
		return s.done, &ServingError{serving(ctx, sink, s.given.opts), err}
	}
	return s.done, nil
}

// serving is the side that serves as the checkpoint has it in the end: the answer to the write that records a switch may have
// been lost.
func serving(ctx context.Context, sink sinks.Sink, opts Options) checkpoint.Side {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	job, err := checkpoint.Read(ctx, sink, checkpoint.Name(checkpoint.Sync, opts.Job, opts.As))
	switch {
	case errors.Is(err, sinks.ErrNotExist):
		if last, err := certificate.Latest(ctx, sink, opts.Job, opts.As); last != nil || err != nil {
			return ""
		}
		return checkpoint.Source // none was ever switched
	case err != nil:
		return ""
	case job.Sync == nil:
		return checkpoint.Source
	}
	return cmp.Or(job.Sync.Serving, checkpoint.Source)
}

// switching is one Switch under way.
type switching struct {
	*syncing
	how  Switching
	done Switched
}

func (s *switching) run(ctx context.Context) error {
	pos := s.position()
	if pos.Source == 0 {
		if err := s.refuseSwitched(ctx); err != nil {
			return err
		}
	}
	switch {
	case pos.Serving.Is(s.how.To) && pos.Switch == nil:
		return fmt.Errorf("the %s: %w", s.how.To, ErrServes)
	case pos.Serving.Is(s.how.To):
		return s.finish(ctx, true)
	}
	if _, err := s.aliased(ctx); err != nil { // that it can't be moved is told before the work
		return err
	}
	c, err := s.prove(ctx)
	if err != nil {
		return err
	}
	before, err := s.aliased(ctx)
	if err != nil {
		return err
	}
	s.how.Began("switch", 0)
	if err := s.record(ctx, c, before); err != nil {
		return err
	}
	return s.finish(ctx, false)
}

// aliased is the collection that the alias names before the switch.
func (s *switching) aliased(ctx context.Context) (string, error) {
	if s.how.Alias == "" || s.how.To.Is(checkpoint.Source) {
		return "", nil
	}
	return s.given.target.Aliased(ctx, s.how.Alias)
}

// proofs is how often a proof is tried, for servers that compact their segments meanwhile: then nothing tells whether a row
// was written too.
const proofs = 3

// errCompacted: the segments have changed, and not by what was written alone.
var errCompacted = errors.New("the server has compacted its segments, so that nothing tells whether it was written to meanwhile; give the same command again")

// prove brings the two sides in step, and shows that they are equal while nothing is written.
func (s *switching) prove(ctx context.Context) (c certificate.Certificate, err error) {
	for range proofs {
		if c, err = s.proveOnce(ctx); !errors.Is(err, errCompacted) {
			return c, err
		}
		slog.InfoContext(ctx, "the proof is tried again", "reason", err)
	}
	return c, err
}

func (s *switching) proveOnce(ctx context.Context) (certificate.Certificate, error) {
	s.how.Began("last pass", 0)
	still, err := s.inStep(ctx)
	if err != nil {
		return certificate.Certificate{}, err
	}
	if err := s.refuseDuplicates(ctx, still.Position); err != nil {
		return certificate.Certificate{}, err
	}
	since := time.Now()
	s.how.Began("verify", still.Position.Rows)
	c, err := s.verified(ctx)
	if errors.Is(err, verify.ErrDiffers) && !errors.Is(err, ErrDescribed) {
		return c, s.explain(ctx, err, still.Position, c)
	}
	if err != nil {
		return c, err
	}
	s.how.Began("see that nothing is written", 0)
	if err := clock.Sleep(ctx, max(0, s.how.Still-time.Since(since))); err != nil {
		return c, err
	}
	until := time.Now()
	again := s.reported(ctx)
	c.Still = certificate.Still{From: since, Until: until, Proof: proofOf(again.Position)}
	return c, s.stillEqual(ctx, still.Position, again)
}

// refuseDuplicates refuses to switch where the last pass saw keys of several rows on the side that serves, and names some.
func (s *switching) refuseDuplicates(ctx context.Context, seen *checkpoint.Position) error {
	if s.how.AllowDuplicates || seen.Doubled == 0 {
		return nil
	}
	side, err := verify.Open(ctx, s.source, s.opts.Collection)
	if err != nil {
		return err
	}
	keys := side.KeysOnly()
	var found model.Findings
	for _, r := range seen.Ranges {
		if r.Double == 0 {
			continue
		}
		more, err := keys.Read(ctx, model.AllPartitions, r.Range, func(arrow.Record) error { return nil })
		if err != nil {
			return err
		}
		found.Add(more)
	}
	return duplicatesError(s.source.Address, milvus.KeyOf(side.Collection.Schema), s.opts.Collection, found.Duplicates)
}

// duplicatesError says which keys, and what is to be done about them.
func duplicatesError(address string, key milvus.KeyField, collection string, d model.Duplicates) error {
	if d.Rows == 0 {
		return nil
	}
	keys := make([]model.Key, len(d.Sample))
	for i, c := range d.Sample {
		keys[i] = c.Key
	}
	return fmt.Errorf("%q on %s %w: %s, of which the other side has one row each, and not surely the one that a reader wants. "+
		"For each of them read the row that is to stay, delete the key (the first ones: %s), and insert that row again",
		collection, address, ErrDuplicates, d, key.In(keys))
}

// explain says why the two sides differ although they were in step, and what is to be done.
func (s *switching) explain(ctx context.Context, differs error, was *checkpoint.Position, c certificate.Certificate) error {
	found := c.Report.LeftFound // rows that are counted beyond those that were read
	now := &model.Mark{Rows: c.Report.Left.Rows + found.Duplicates.Rows + found.UnreadableRows()}
	var err error
	if now.Segments, err = s.segments(ctx); err != nil {
		return errors.Join(differs, err)
	}
	before := was.Mark
	if before == nil {
		before = &model.Mark{Rows: was.Rows}
	}
	switch d := c.Report.Rows; {
	case now.Wrote(before):
		return errors.Join(differs, s.written())
	case d.Missing+d.Extra+d.Differing == 0:
		return fmt.Errorf("%w: %d rows are counted and never returned, so that nothing proves them equal", differs, d.Uncheckable)
	}
	return errors.Join(fmt.Errorf("%w: the side that is to serve was written to by others, or lost rows; the same command compares all of it and "+
		"brings it in step again", differs), s.distrust(ctx))
}

// distrust forgets that the two sides were ever equal: somebody wrote to the side that is to serve, which moves nothing on the
// other. The next pass compares all rows, and applies what differs.
func (s *switching) distrust(ctx context.Context) error {
	return s.job.Update(ctx, func(j *checkpoint.Job) {
		p := j.Sync.Clone()
		p.Settled, p.Base = false, nil
		for i := range p.Ranges {
			p.Ranges[i].Cycle = 0
		}
		j.Sync = p
	})
}

func proofOf(p *checkpoint.Position) string {
	if p.Mark == nil {
		return "two comparisons of all rows, one at either end, found no difference; this server does not tell more"
	}
	return "neither the count of the rows nor the segments, flushed at either end, have changed"
}

// stillEqual looks at the cycle after the verification, which has to find nothing, and all as it was before.
func (s *switching) stillEqual(ctx context.Context, was *checkpoint.Position, r Report) error {
	switch is := r.Position; {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case r.Err != nil:
		return r.Err
	case !r.idle() || was.Rows != is.Rows || is.Mark != nil && is.Mark.Wrote(was.Mark):
		return s.written()
	case is.Mark != nil && !is.Mark.Same(was.Mark):
		return fmt.Errorf("%q on %s: %w", s.opts.Collection, s.source.Address, errCompacted)
	case !r.Settled:
		return s.written()
	}
	return nil
}

const (
	passes = 10 // cycles that the last pass takes at most, for servers that compact their segments meanwhile
	moves  = 3  // of them in which something was written: the last writes may have come as the first began
)

// inStep runs cycles until one sees that all is applied and nothing was written meanwhile. What is left though nothing is
// written is a difference that the target does not take.
func (s *switching) inStep(ctx context.Context) (r Report, err error) {
	var last *model.Mark
	moved := 0
	for range passes {
		r = s.reported(ctx)
		switch {
		case ctx.Err() != nil:
			return r, context.Cause(ctx)
		case r.Err != nil:
			return r, r.Err
		case r.InStep, r.Settled && r.Position.Mark == nil && r.idle():
			return r, nil
		}
		now := &model.Mark{Rows: r.Position.Rows}
		if now.Segments, err = s.segments(ctx); err != nil {
			return r, err
		}
		if last != nil && now.Wrote(last) {
			moved++
		}
		if moved == moves {
			return r, s.written()
		}
		last = now
	}
	return r, fmt.Errorf("after %d passes: %w: in %d ranges when they were last compared", passes, verify.ErrDiffers, r.Hot)
}

func (s *switching) written() error {
	return fmt.Errorf("%q on %s: %w; stop its writers first", s.opts.Collection, s.source.Address, ErrWritten)
}

// idle reports whether a cycle found nothing to apply.
func (r Report) idle() bool { return r.applied() == 0 }

// verified compares all rows of both sides.
func (s *switching) verified(ctx context.Context) (c certificate.Certificate, err error) {
	left, err := verify.Open(ctx, s.source, s.opts.Collection)
	if err != nil {
		return c, err
	}
	right, err := verify.Open(ctx, s.target, s.opts.As)
	if err != nil {
		return c, err
	}
	report, err := verify.Compare(ctx, left, right, verify.Options{Workers: s.how.Workers, Progress: s.how.Progress})
	if err != nil {
		return c, err
	}
	serving, other := s.position().Serving, s.how.To
	c = certificate.Certificate{
		AllowedDuplicates: s.how.AllowDuplicates && report.LeftFound.Duplicates.Rows > 0,
		Format:            certificate.Version, Migrate: certificate.Tool(), Job: s.opts.Job, Report: report,
		Left:   certificate.NewParty(serving.String(), s.source, left.Collection),
		Serves: certificate.NewParty(other.String(), s.target, right.Collection),
	}
	s.done.Certificate = c
	if !s.how.AllowDuplicates { // which the last pass may not have looked for
		if err := duplicatesError(s.source.Address, milvus.KeyOf(left.Collection.Schema), s.opts.Collection, report.LeftFound.Duplicates); err != nil {
			return c, err
		}
	}
	if !report.SameRows() {
		return c, fmt.Errorf("comparing all rows before the switch: %w", verify.ErrDiffers)
	}
	return c, s.refuseDescribed(report)
}

// ErrDescribed: the collection on the side that is to serve is not described as the one that serves.
var ErrDescribed = fmt.Errorf("the descriptions differ: %w", verify.ErrDiffers)

// refuseDescribed refuses to switch to a collection that would lose rows or answer otherwise, or that differs in what may be allowed.
func (s *switching) refuseDescribed(r *verify.Report) error {
	found := r.Described
	if s.how.To.Is(checkpoint.Source) {
		found = wayBack(found)
	}
	refused, differ := found.Texts(model.Refuses), found.Texts(model.Differs)
	if len(refused) > 0 || len(differ) > 0 && !s.how.AllowDifferences {
		return fmt.Errorf("%q on %s, which is to serve: %w: %s", s.opts.As, s.target.Address, ErrDescribed, strings.Join(append(refused, differ...), "; "))
	}
	return nil
}

// record is the switch itself: one write of the checkpoint, which a late owner is refused.
func (s *switching) record(ctx context.Context, c certificate.Certificate, before string) error {
	now, was := clock.Now(ctx).UTC().Truncate(time.Second), s.position()
	if last := was.Switch; last != nil && !now.After(last.At) {
		now = last.At.Add(time.Second) // by another machine's clock: the newest certificate is the last one
	}
	c.Made, c.WayBack, c.Alias, c.Before = now, now.Add(s.how.Keep), s.how.Alias, before
	if last := was.Switch; last != nil && s.how.To.Is(checkpoint.Source) {
		c.Alias, c.Before = last.Alias, last.Before
	}
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encoding the certificate: %w", err)
	}
	left := was.Mark
	if left == nil {
		left = &model.Mark{Rows: was.Rows}
	}
	next := turned(was)
	next.Switch = &checkpoint.Switch{
		At: now, Until: c.WayBack, Left: left, Alias: c.Alias, Before: c.Before, Undone: true, Certificate: text,
	}
	err = s.job.Update(ctx, func(j *checkpoint.Job) { j.Sync, j.Error = next, "" })
	if err != nil {
		return fmt.Errorf("recording the switch: %w", err)
	}
	slog.InfoContext(ctx, "switched", "job", s.opts.Job, "serves", next.Serving)
	return nil
}

// turned is the position of a sync that goes the other way from now on: the ranges are the same, and nothing is known of
// their rows.
func turned(was *checkpoint.Position) *checkpoint.Position {
	next := &checkpoint.Position{
		Serving: was.Serving.Other(), Source: was.Target, Target: was.Source, Cycle: was.Cycle, Rows: was.Rows,
		Upserted: was.Upserted, Deleted: was.Deleted, Passed: was.Passed,
	}
	for _, r := range was.Ranges {
		next.Ranges = append(next.Ranges, checkpoint.SyncRange{Range: r.Range})
	}
	return next
}

// finish does what is to be done after the switch. All of it may be repeated.
func (s *switching) finish(ctx context.Context, before bool) error {
	s.how.Began("certificate and alias", 0)
	sw := *s.position().Switch
	s.done = Switched{Switch: sw, Before: before}
	if err := json.Unmarshal(sw.Certificate, &s.done.Certificate); err != nil {
		return fmt.Errorf("reading the certificate in the checkpoint: %w", err)
	}
	var err error
	if s.done.Objects, err = certificate.Write(ctx, s.sink, s.done.Certificate); err != nil { // first: it is what a lost checkpoint is made of
		return err
	}
	if err := s.moveAlias(ctx, sw); err != nil {
		return err
	}
	sw.Undone = false
	return s.job.Update(ctx, func(j *checkpoint.Job) {
		p := j.Sync.Clone()
		p.Switch, j.Sync = &sw, p
	})
}

// moveAlias has the alias name the collection on the target, or after a switch back what it named before, unless somebody has
// moved it since. Once that is done it is somebody else's to move.
func (s *switching) moveAlias(ctx context.Context, sw checkpoint.Switch) error {
	if sw.Alias == "" || !sw.Undone {
		return nil
	}
	collection := s.given.opts.As
	if s.how.To.Is(checkpoint.Source) {
		collection = sw.Before
		now, err := s.given.target.Aliased(ctx, sw.Alias)
		if err != nil {
			return err
		}
		if now != s.given.opts.As {
			slog.WarnContext(ctx, "the alias was moved since the switch, and is left as it is", "alias", sw.Alias, "names", now)
			return nil
		}
	}
	return s.given.target.PointAlias(ctx, sw.Alias, collection)
}
