package syncer

import (
	"context"
	"errors"
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
func (s *Sync) Position() *checkpoint.Position {
	if p := s.job.Job().Sync; p != nil {
		return p.Clone()
	}
	return &checkpoint.Position{}
}

// Record makes a position durable that is not that of a cycle, in one write, which a late owner is refused.
func (s *Sync) Record(ctx context.Context, p *checkpoint.Position) error {
	saved := p.Clone()
	return s.job.Update(ctx, func(j *checkpoint.Job) { j.Sync, j.Error = saved, "" })
}

// Mark is what the collection that serves holds now, of which rows were counted. Its segments are nil where they tell nothing.
func (s *Sync) Mark(ctx context.Context, rows int64) (*model.Mark, error) {
	mark := &model.Mark{Rows: rows}
	if !s.source.Capabilities().SegmentRows {
		return mark, nil
	}
	var err error
	mark.Segments, err = s.source.Segments(ctx, s.opts.Collection)
	return mark, err
}

// Distrust forgets that the two sides were ever equal, as where somebody else wrote to the standby side, which moves nothing on the
// other: the next pass compares all rows, and applies what differs.
func (s *Sync) Distrust(ctx context.Context) error {
	p := s.Position()
	p.Settled, p.Base = false, nil
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
	fresh := checkpoint.Job{
		Kind: checkpoint.Sync, Name: opts.Job,
		Params: Route{s.given.source.Database(), opts.Collection, s.given.target.Database(), opts.As}.params(),
	}
	s.job = nil
	owned, job, err := checkpoint.Acquire(ctx, s.sink, checkpoint.Name(checkpoint.Sync, opts.Job, opts.As), fresh)
	if err != nil {
		return err
	}
	s.job = job
	s.face(s.Position().Serving)
	err = work(owned)
	if lost := errors.Join(context.Cause(owned), err); isLost(lost) {
		return errors.Join(lost, job.Release(ctx, checkpoint.Interrupted, lost))
	}
	if s.Position().Source == 0 && err != nil {
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
	SourceDatabase, Source string
	TargetDatabase, Target string
}

func (r Route) params() map[string]string {
	return map[string]string{"source database": r.SourceDatabase, "source collection": r.Source, "database": r.TargetDatabase, "collection": r.Target}
}

// Restore makes the checkpoint of a sync anew, where it is damaged or lost, as it stood at some time. checkpoint.ErrNotDamaged where it
// can be read.
func Restore(ctx context.Context, sink sinks.Sink, job string, of Route, at time.Time, p *checkpoint.Position) error {
	_, err := checkpoint.Replace(ctx, sink, checkpoint.Name(checkpoint.Sync, job, of.Target), func() (*checkpoint.Job, error) {
		return &checkpoint.Job{
			Format: checkpoint.Version, Kind: checkpoint.Sync, Name: job, State: checkpoint.Interrupted, Started: at, Updated: at,
			Params: of.params(), Sync: p,
		}, nil
	})
	return err
}
