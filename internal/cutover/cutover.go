// Package cutover has the other side of a sync serve, once nobody writes and both are equal, and back again: it proves that, records
// the switch in one step, and leaves a certificate of it. A sync goes on in the other direction afterwards.
package cutover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"migrate/checkpoint"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/syncer"
	"migrate/sinks"
)

// Errors that a caller decides on.
var (
	// ErrWritten: the side that serves is still written to.
	ErrWritten = errors.New("still written to")
	// ErrServes: the side that is to serve does so, and was never switched to.
	ErrServes = errors.New("serves already")
	// ErrDuplicates: the side that serves has keys of several rows, and the other one has one row of each.
	ErrDuplicates = errors.New("has keys of several rows")
	// ErrDescribed: the collection on the side that is to serve is not described as the one that serves.
	ErrDescribed = fmt.Errorf("the descriptions differ: %w", model.ErrDiffers)
)

// Options of a cutover. The zero value of everything but To is useful.
type Options struct {
	To      syncer.Side
	Still   time.Duration // in which nothing may be written to the side that serves; 10 s where zero
	Keep    time.Duration // in which a sync keeps the side that is left in step; 72 h where zero
	Alias   string        // on the target, that names the collection once it serves
	Workers int           // ranges verified at once; 4 where zero
	Tool    string        // the version of this program, for the certificate
	// AllowDifferences: the collection that is to serve may be described otherwise, in what neither loses rows nor breaks searches.
	AllowDifferences bool
	// AllowDuplicates: of keys that have several rows on the side that serves, the other one may have any one row.
	AllowDuplicates bool
	Began           func(step string, rows int64)
	Progress        func(rows, bytes int64) // of the verification
}

func (o Options) withDefaults() Options {
	o.Still, o.Keep = cmp.Or(o.Still, 10*time.Second), cmp.Or(o.Keep, 72*time.Hour)
	if o.Began == nil {
		o.Began = func(string, int64) {}
	}
	return o
}

// Result is a cutover that was made.
type Result struct {
	syncer.Switch
	Certificate Certificate
	Objects     []string // where the certificate is
	Before      bool     // by an earlier run, that may have left something to be done
}

// ServingError is the end of a switch that failed, and says which side serves.
type ServingError struct {
	Serving syncer.Side // empty where the checkpoint could not be read
	Err     error
}

func (e *ServingError) Error() string {
	if e.Serving == "" {
		return e.Err.Error() + "\n  which side serves could not be read: look at the newest certificate, and at `migrate status`, before anything is written"
	}
	return fmt.Sprintf("%v\n  the %s serves", e.Err, e.Serving)
}

func (e *ServingError) Unwrap() error { return e.Err }

// Run has the other side serve, once nobody writes to the one that does: it applies what is left to be applied, sees that
// nothing is written any more, compares all rows, and then records the switch in one step. Until then the side that served
// does; from then on the other one. A certificate of it is written beside the export. A Run that was interrupted is resumed
// when it is called again. ErrWritten where the side that serves is still written to, model.ErrDiffers where the rows are
// not the same; all errors are ServingErrors.
func Run(ctx context.Context, source, target *milvus.Server, sink sinks.Sink, sync syncer.Options, opts Options) (Result, error) {
	sync.As = cmp.Or(sync.As, sync.Collection)
	sync.Once, sync.CycleRows, sync.MaxRate, sync.CursorField = true, math.MaxInt64, 0, "" // the last pass takes nobody's word
	sync.MayBegin = MayBegin(sink, sync.Job, sync.As)
	c := &cutover{target: syncer.End{Server: target, Collection: sync.As}, sink: sink, job: sync.Job, mayBegin: sync.MayBegin, opts: opts.withDefaults()}
	err := syncer.Own(ctx, source, target, sink, sync, func(ctx context.Context, s *syncer.Sync) error {
		c.Sync = s
		return c.run(ctx)
	})
	if err != nil {
		return c.done, &ServingError{serving(ctx, sink, sync.Job, sync.As), err}
	}
	return c.done, nil
}

// MayBegin refuses to begin a sync where a certificate says that the collection was switched, of which the checkpoint is gone: the
// target may be the side that serves, and would be overwritten.
func MayBegin(sink sinks.Sink, job, collection string) func(context.Context) error {
	return func(ctx context.Context) error {
		last, err := LatestCertificate(ctx, sink, job, collection)
		if err != nil || last == nil {
			return err
		}
		return fmt.Errorf("%w: by its newest certificate, of %s, the %s serves, and the checkpoint is gone; nothing was changed",
			syncer.ErrSwitched, last.Made.Local().Format(time.DateTime), last.Serves.Role)
	}
}

// serving is the side that serves as the checkpoint has it in the end: the answer to the write that records a switch may have
// been lost.
func serving(ctx context.Context, sink sinks.Sink, job, collection string) syncer.Side {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	is, err := checkpoint.Read(ctx, sink, checkpoint.Name(checkpoint.Sync, job, collection))
	switch {
	case errors.Is(err, sinks.ErrNotExist):
		if last, err := LatestCertificate(ctx, sink, job, collection); last != nil || err != nil {
			return ""
		}
		return syncer.Source // none was ever switched
	case err != nil:
		return ""
	}
	pos, err := syncer.PositionOf(*is)
	if err != nil {
		return ""
	}
	return cmp.Or(pos.Serving, syncer.Source)
}

// cutover is one Run under way.
type cutover struct {
	*syncer.Sync
	target   syncer.End // of the move, whichever side serves
	sink     sinks.Sink
	job      string
	mayBegin func(context.Context) error
	opts     Options
	done     Result
}

func (c *cutover) run(ctx context.Context) error {
	pos := c.Position()
	if !pos.Begun() {
		if err := c.mayBegin(ctx); err != nil {
			return err
		}
	}
	switch {
	case pos.Serving.Is(c.opts.To) && pos.Switch == nil:
		return fmt.Errorf("the %s: %w", c.opts.To, ErrServes)
	case pos.Serving.Is(c.opts.To):
		c.done.Before = true
		return c.finish(ctx)
	}
	if _, err := c.aliased(ctx); err != nil { // that it can't be moved is told before the work
		return err
	}
	proved, err := c.prove(ctx)
	if err != nil {
		return err
	}
	before, err := c.aliased(ctx)
	if err != nil {
		return err
	}
	c.opts.Began("switch", 0)
	if err := c.record(ctx, proved, before); err != nil {
		return err
	}
	return c.finish(ctx)
}
