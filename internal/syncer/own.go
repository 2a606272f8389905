package syncer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"migrate/checkpoint"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/sinks"
)

// Own has work done as the owner of a sync, by whoever decides more than what a cycle finds, as a cutover does: nobody else syncs
// meanwhile. The context that work gets ends when another process has taken the job over. checkpoint.ErrHeld where another owns it.
func Own(ctx context.Context, source, target *milvus.Server, sink sinks.Sink, opts Options, work func(context.Context, *Sync) error) error {
	s := begin(source, target, sink, opts)
	return s.own(ctx, func(ctx context.Context) error { return work(ctx, s) })
}

// End is one of the two collections that a sync keeps in step.
type End struct {
	*milvus.Server
	Collection string
}

// Active is the collection that serves, and Standby the one that is kept in step with it.
func (s *Sync) Active() End { return End{s.source, s.opts.Collection} }

// Standby is the collection that is kept in step with the one that serves.
func (s *Sync) Standby() End { return End{s.target, s.opts.As} }

// Position is a copy of what the checkpoint has.
func (s *Sync) Position() *Position { return s.pos.Clone() }

// Record makes a position durable that is not that of a cycle, in one write, which a late owner is refused.
func (s *Sync) Record(ctx context.Context, p *Position) error {
	return s.record(ctx, p, func(j *checkpoint.Job) { j.Error = "" })
}

// record makes a position durable, and what else of the job changes with it.
func (s *Sync) record(ctx context.Context, p *Position, change func(*checkpoint.Job)) error {
	saved := p.Clone()
	body, err := json.Marshal(saved)
	if err != nil {
		return fmt.Errorf("encoding the position: %w", err)
	}
	err = s.job.Update(ctx, func(j *checkpoint.Job) {
		j.Body = body
		change(j)
	})
	if err == nil {
		s.pos = saved
	}
	return err
}

// Mark is what the collection that serves holds now, of which rows were counted. Its segments are nil where they tell nothing.
func (s *Sync) Mark(ctx context.Context, rows int64) (*model.Mark, error) {
	mark := &model.Mark{Rows: rows}
	if !s.source.Capabilities().SegmentRows {
		return mark, nil
	}
	var err error
	if mark.Segments, err = s.source.Segments(ctx, s.opts.Collection); !mark.Whole() {
		mark.Segments = nil
	}
	return mark, err
}

// Distrust forgets that the two sides were ever equal, as where somebody else wrote to the standby side, which moves nothing on the
// other: the next pass compares all rows, and applies what differs.
func (s *Sync) Distrust(ctx context.Context) error {
	p := s.Position()
	p.Settled, p.Base, p.Written, p.Told = false, nil, nil, nil
	for i := range p.Ranges {
		p.Ranges[i].Cycle = 0
	}
	return s.Record(ctx, p)
}

// Cycle runs one cycle, of which all are told who want to know.
func (s *Sync) Cycle(ctx context.Context) Report {
	r := s.cycle(ctx)
	if ctx.Err() != nil {
		return r
	}
	if r.Err != nil {
		r.Err = errors.Join(r.Err, s.job.Update(ctx, func(j *checkpoint.Job) { j.Error = r.Err.Error() }))
	}
	r.log(ctx)
	s.opts.Cycled(r)
	return r
}

// own does some work as the job's owner.
func (s *Sync) own(ctx context.Context, work func(context.Context) error) error {
	opts := s.given.opts
	if err := checkpoint.CheckCollection(opts.As); err != nil {
		return err
	}
	fresh := checkpoint.Fresh{
		Kind: checkpoint.Sync, Name: opts.Job, Params: Route{s.given.source.Database(), opts.Collection, s.given.target.Database(), opts.As},
	}
	s.job = nil
	owned, job, err := checkpoint.Acquire(ctx, s.sink, checkpoint.Name(checkpoint.Sync, opts.Job, opts.As), fresh)
	if err != nil {
		return err
	}
	s.job = job
	if s.pos, err = PositionOf(job.Job()); err != nil {
		return errors.Join(err, job.Release(ctx, checkpoint.Failed, err))
	}
	s.face(s.pos.Serving)
	if !s.source.Capabilities().SegmentRows {
		slog.InfoContext(ctx, "this server does not tell what was written to it, so that each cycle compares", "server", s.source.Address)
	}
	err = work(owned)
	if lost := errors.Join(context.Cause(owned), err); isLost(lost) {
		return errors.Join(lost, job.Release(ctx, checkpoint.Interrupted, lost))
	}
	if !s.Position().Begun() && err != nil {
		return errors.Join(err, job.Remove(ctx)) // it was refused before it began
	}
	state, cause := checkpoint.Paused, err
	if errors.Is(err, model.ErrDiffers) || errors.Is(err, ErrOver) || ctx.Err() != nil {
		cause = nil
	} else if err != nil {
		state = checkpoint.Failed
	}
	return errors.Join(err, job.Release(ctx, state, cause))
}

// Route is what a sync is bound to: its two collections, by their names.
type Route struct {
	SourceDatabase string `json:"source database"`
	Source         string `json:"source collection"`
	TargetDatabase string `json:"database"`
	Target         string `json:"collection"`
}

// Restore makes the checkpoint of a sync anew, where it is damaged or lost, as it stood at some time. checkpoint.ErrNotDamaged where it
// can be read.
func Restore(ctx context.Context, sink sinks.Sink, job string, of Route, at time.Time, p *Position) error {
	params, err := json.Marshal(of)
	if err != nil {
		return fmt.Errorf("encoding what the sync is bound to: %w", err)
	}
	body, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encoding the position: %w", err)
	}
	return checkpoint.Replace(ctx, sink, checkpoint.Name(checkpoint.Sync, job, of.Target), &checkpoint.Job{
		Kind: checkpoint.Sync, Name: job, State: checkpoint.Interrupted, Started: at, Updated: at, Params: params, Body: body,
	})
}
