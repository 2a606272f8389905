package checkpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"migrate/internal/clock"
	"migrate/internal/document"
)

// Holder is a job that this process owns as a whole: while it does, nobody else writes the job's document.
type Holder struct {
	Resumed  bool      // the document was there, so some of the work may be done
	LastSeen time.Time // when an earlier owner last wrote it, or before that; now where there was none

	store Store
	name  string
	lost  context.CancelCauseFunc
	cause func() error // that the job's context ended with
	stop  func()       // ends the renewing

	writing chan struct{} // full while somebody writes the document: whoever waits for that waits no longer than its context

	mu      sync.Mutex // of what follows; never held while the store is asked
	job     Job        // as it was written last
	version Version
	renewed time.Time // when the last write began that was stored, by the monotonic clock too
	chunks  []Chunk
	done    Tally // of them
	plans   int   // that this owner has made
}

// Job is the document as it stands; the caller must not change what it points to.
func (h *Holder) Job() Job {
	h.mu.Lock()
	defer h.mu.Unlock()
	job := h.job
	job.Done = h.done
	return job
}

// Epoch is the number of this ownership: no two owners of a job have the same.
func (h *Holder) Epoch() int64 { return h.Job().Lease.Epoch }

// Chunks are those of the plan, and how far each is.
func (h *Holder) Chunks() iter.Seq[Chunk] {
	return func(yield func(Chunk) bool) {
		for id := range h.Job().Plan.Chunks {
			if !yield(h.chunk(id)) {
				return
			}
		}
	}
}

func (h *Holder) chunk(id int) Chunk {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.chunks[id]
}

// keep takes note of a chunk that was recorded.
func (h *Holder) keep(c Chunk) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done = h.done.plus(c.Done).minus(h.chunks[c.ID].Done)
	h.chunks[c.ID] = c
}

// Plan cuts the job into chunks, in place of any plan before. It is durable when it returns, with the body; what else of the job changes
// with it is changed by change, which may be nil. After any error the job has the plan that it had.
func (h *Holder) Plan(ctx context.Context, body any, planned []Planned) error {
	chunks, err := chunksOf(planned)
	if err != nil {
		return err
	}
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding what is planned: %w", err)
	}
	next := h.Job()
	h.plans++
	next.Body, next.Plan, next.Planned, next.Done = text, Plan{newPlanID(next.Lease.Epoch, h.plans), len(chunks)}, Tally{}, Tally{}
	for _, c := range chunks {
		next.Planned = next.Planned.plus(c.Size)
	}
	if err := writePlan(ctx, h.store, h.name, &next, chunks); err != nil {
		return err
	}
	return h.write(ctx, func(j *Job) {
		j.Body, j.Plan, j.Planned = next.Body, next.Plan, next.Planned
	}, func() { h.chunks, h.done = chunks, Tally{} })
}

// Again has a chunk done again that was done.
func (h *Holder) Again(ctx context.Context, id int) error {
	c := &Claim{Chunk: h.chunk(id), holder: h}
	return c.Save(ctx, Todo, Tally{}, nil)
}

// Forget gives the plan up, with all that was done of it, as if the job had just begun.
func (h *Holder) Forget(ctx context.Context) error {
	if err := dropPlans(ctx, h.store, h.name); err != nil {
		return err
	}
	return h.write(ctx, func(j *Job) {
		j.Plan, j.Planned.Parts, j.Body, j.Started = Plan{}, 0, nil, clock.Now(ctx).UTC()
	}, func() { h.chunks, h.done = nil, Tally{} })
}

// Update changes the document and makes the change durable before it returns. ErrLost where another process has taken
// the job over: then nothing was written. After any error the document is as it was.
func (h *Holder) Update(ctx context.Context, change func(*Job)) error {
	return h.write(ctx, change, func() {})
}

// write is Update; kept changes what this process knows, once the document was written.
func (h *Holder) write(ctx context.Context, change func(*Job), kept func()) error {
	select {
	case h.writing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-h.writing }()
	next := h.Job()
	change(&next)
	if next.State == Done {
		next.Before = nil
	}
	next.Updated = clock.Now(ctx).UTC()
	next.Lease.Expires = next.Updated.Add(leaseTime)
	began := time.Now()
	version, err := h.put(ctx, &next)
	if errors.Is(err, ErrLost) {
		h.lose(err)
	}
	if err != nil {
		return fmt.Errorf("writing the checkpoint of %q: %w", next.Name, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.job, h.version, h.renewed = next, version, began
	kept()
	return nil
}

// put writes a document over the one that this owner wrote last.
func (h *Holder) put(ctx context.Context, next *Job) (Version, error) {
	text, err := document.Marshal(next)
	if err != nil {
		return "", fmt.Errorf("encoding it: %w", err)
	}
	version, err := h.store.Put(ctx, Object(h.name), h.version, text)
	if !errors.Is(err, ErrConflict) {
		return version, err
	}
	there, mine, err := h.mine(ctx)
	if err != nil {
		return "", err
	}
	if !mine {
		return "", ErrLost
	}
	return h.store.Put(ctx, Object(h.name), there, text)
}

// mine reports whether the document that is there is this owner's, and of which version: not that which is known where the answer to
// an earlier write was lost.
func (h *Holder) mine(ctx context.Context) (Version, bool, error) {
	f, err := find(ctx, h.store, h.name)
	if missing(err) {
		return "", false, nil
	}
	if err != nil || f.job.Lease.ID != h.job.Lease.ID {
		return "", false, err
	}
	return f.version, true, nil
}

// beginWork has the job of this name that was done before stand no longer.
func (h *Holder) beginWork(ctx context.Context) error {
	if h.Job().Before == nil {
		return nil
	}
	return h.Update(ctx, func(j *Job) { j.Before = nil })
}

// abandon gives up a job that could not be taken: where that was written nevertheless, nobody should find it held.
func (h *Holder) abandon(ctx context.Context, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	version, mine, err := h.mine(ctx)
	if !mine || err != nil {
		return err
	}
	h.version = version
	switch {
	case h.Resumed:
		return h.Update(ctx, func(j *Job) { j.State, j.Error = Interrupted, cause.Error() })
	case h.job.Before != nil:
		return h.restore(ctx)
	}
	return removeDocument(ctx, h.store, h.name)
}

// restore has the job of this name stand again that was done before this one, which has done nothing.
func (h *Holder) restore(ctx context.Context) error {
	return h.Update(ctx, func(j *Job) {
		lease := j.Lease
		*j = *j.Before
		j.Lease = lease
	})
}

// releaseTime is how long an ownership may take to end after its context has.
const releaseTime = 3 * time.Second

func (h *Holder) lose(err error) {
	if h.lost != nil {
		h.lost(err)
	}
}

// StillOwner is asked before what can't be taken back. Where the lease has run out without being renewed, as after a long
// pause of the whole process or a jump of its clock, another may own the job by now, and the store is asked. ErrLost
// where that is so.
func (h *Holder) StillOwner(ctx context.Context) error {
	if h.expired(ctx) == nil {
		return nil
	}
	return h.Update(ctx, func(*Job) {})
}

// expired is ErrExpired where the lease was not renewed for its length: by the monotonic clock, which no jump moves, or by the wall
// clock, which goes on while the machine sleeps.
func (h *Holder) expired(ctx context.Context) error {
	h.mu.Lock()
	job, renewed := h.job, h.renewed
	h.mu.Unlock()
	if clock.Now(ctx).Before(job.Lease.Expires) && time.Since(renewed) < leaseTime {
		return nil
	}
	return fmt.Errorf("%s %q: %w: its lease ran out at %s, and its checkpoint could not be written before that",
		job.Kind, job.Name, ErrExpired, job.Lease.Expires.Local().Format(time.TimeOnly))
}

// Confirm asks the store whether the job is still this process's, and has to be asked before anything is removed: a late
// owner must not take for its own failure what the next one has done. ErrExpired where it was not held on to meanwhile, which the
// work may have met as no more than a call that was cancelled. It works for a few seconds after ctx has ended.
func (h *Holder) Confirm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	err := h.Update(ctx, func(*Job) {})
	if lost := h.cause(); errors.Is(lost, ErrExpired) {
		return errors.Join(lost, err)
	}
	return err
}

// renew keeps the lease until Release, and ends the job's context where that can't be done in time. The counts in the document are
// brought up to date with it, and sooner where they have moved.
func (h *Holder) renew(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	h.stop = sync.OnceFunc(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for clock.Sleep(ctx, countEvery) == nil {
			if !h.due() {
				continue
			}
			err := h.prolong(ctx)
			if err != nil && ctx.Err() == nil {
				slog.WarnContext(ctx, "the job's lease can't be renewed", "error", err)
			}
			if err := h.expired(ctx); err != nil {
				h.lose(err)
				return
			}
		}
	}()
}

// prolong renews the lease. A store that does not answer is waited for no longer than the lease holds.
func (h *Holder) prolong(ctx context.Context) error {
	h.mu.Lock()
	left := leaseTime - time.Since(h.renewed)
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, max(left, releaseTime))
	defer cancel()
	return h.Update(ctx, func(*Job) {})
}

// due reports whether the document has to be written: as often as the lease is renewed, or to bring its counts up to date.
func (h *Holder) due() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.renewed) >= renewEvery || h.job.Done != h.done
}

// Release ends the ownership, with the state that the job is left in. It goes on for a few seconds after ctx has ended,
// so that an interrupted job is left in order.
func (h *Holder) Release(ctx context.Context, state State, cause error) error {
	h.stop()
	defer h.lost(nil)
	if errors.Is(cause, ErrLost) {
		return nil // the document is another's
	}
	if err := h.leave(ctx, state, cause); err != nil {
		return err
	}
	if state == Done {
		h.tidy(ctx)
	}
	return nil
}

// leave writes down how the job stands in the end.
func (h *Holder) leave(ctx context.Context, state State, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	return h.Update(ctx, func(j *Job) {
		j.State, j.Error = state, ""
		if cause != nil {
			j.Error = cause.Error()
		}
	})
}

// tidyTime bounds the removal of a job's chunks: there may be thousands.
const tidyTime = 2 * time.Minute

// tidy removes the plan and the chunks of a job that is done. It stays done where they can't be removed: they do no harm.
func (h *Holder) tidy(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tidyTime)
	defer cancel()
	if err := removeWork(ctx, h.store, h.name, h.Epoch()); err != nil {
		slog.WarnContext(ctx, "the job is done; records of its parts, which nobody needs any more, are left", "job", h.job.Name, "error", err)
	}
}

// Remove ends the ownership and removes the document, since there is nothing to resume; where a job of the same name was done
// before, that one stands again. ErrLost where it is another's by now: then nothing is removed.
func (h *Holder) Remove(ctx context.Context) error {
	h.stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	defer h.lost(nil)
	if err := h.Confirm(ctx); err != nil {
		return err
	}
	if h.Job().Before == nil {
		return discard(ctx, h.store, h.name)
	}
	if err := h.restore(ctx); err != nil {
		return err
	}
	h.tidy(context.WithoutCancel(ctx))
	return nil
}

// Suspend ends the ownership of a job that failed or was interrupted, and says so in the error.
func (h *Holder) Suspend(ctx context.Context, cause error) error {
	state := Failed
	if ctx.Err() != nil {
		state = Interrupted
	}
	job := h.Job()
	return &ResumableError{
		Kind: job.Kind, Job: job.Name, Done: job.Done.Parts, Parts: job.Planned.Parts, Rows: job.Done.Rows,
		Err: errors.Join(cause, h.Release(ctx, state, cause)),
	}
}

// Begun reports whether something was recorded of any chunk that its engine has not taken back.
func (h *Holder) Begun() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.chunks, func(c Chunk) bool { return c.State != Todo })
}

// ResumableError is the end of a job with which the same command resumes it.
type ResumableError struct {
	Kind        Kind
	Job         string
	Done, Parts int   // finished, and in all
	Rows        int64 // in the finished ones
	Err         error
}

func (e *ResumableError) Error() string {
	return fmt.Sprintf("%v\n  %s %q is kept: %d of %d parts (%d rows) are done", e.Err, e.Kind, e.Job, e.Done, e.Parts, e.Rows)
}

func (e *ResumableError) Unwrap() error { return e.Err }
