package checkpoint

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"migrate/internal/clock"
	"migrate/internal/document"
	"migrate/sinks"
)

// Name is the object that holds a job's document. An import's and a sync's is told by the collection that it fills.
func Name(kind Kind, job, collection string) string {
	if kind == Export {
		return path.Join(job, "export"+suffix)
	}
	return path.Join(job, string(kind)+"-"+collection+suffix)
}

// longestCollection is how long a collection's name may be, in bytes: with what is added to it, the names of checkpoints and
// certificates have to stay within the 255 that file systems and MinIO allow. Milvus allows as many for the name alone.
const longestCollection = 200

// CheckCollection refuses a collection that no import or sync can be named by: ErrLong.
func CheckCollection(name string) error {
	if len(name) > longestCollection {
		return fmt.Errorf("collection %q: %w: %d bytes of %d", name, ErrLong, len(name), longestCollection)
	}
	return nil
}

// SyncOf is the collection whose sync an object holds the document of; false where it holds another one.
func SyncOf(name string) (collection string, ok bool) {
	return strings.CutPrefix(strings.TrimSuffix(path.Base(name), suffix), string(Sync)+"-")
}

// Read reads a job's document: where a job of the same name was done before, and this one was refused before it did anything, that
// of the one before. sinks.ErrNotExist where there is none.
func Read(ctx context.Context, sink sinks.Sink, name string) (*Job, error) {
	store, err := swapper(sink)
	if err != nil {
		return nil, err
	}
	job, _, err := load(ctx, store, name)
	if err != nil {
		return nil, err
	}
	return job.standing(), nil
}

func swapper(sink sinks.Sink) (sinks.Swapper, error) {
	store, ok := sinks.As[sinks.Swapper](sink)
	if !ok {
		return nil, fmt.Errorf("%s can't hold a checkpoint: it has no compare and swap", sink.URL(""))
	}
	return store, nil
}

func load(ctx context.Context, store sinks.Swapper, name string) (*Job, sinks.Version, error) {
	text, version, err := store.Load(ctx, name)
	if err != nil {
		return nil, "", fmt.Errorf("reading the checkpoint %s: %w", name, err)
	}
	job, err := parse(text)
	if err != nil {
		return nil, version, fmt.Errorf("%s: %w", name, err)
	}
	return job, version, nil
}

// Holder is a job that this process owns: while it does, nobody else writes the document.
type Holder struct {
	Resumed  bool      // the document was there, so some of the work may be done
	LastSeen time.Time // when an earlier owner last wrote it, or before that; now where there was none

	store sinks.Swapper
	sink  sinks.Sink
	name  string
	lost  context.CancelCauseFunc
	cause func() error // that the job's context ended with
	stop  func()       // ends the renewing

	mu      sync.Mutex
	job     Job
	version sinks.Version
	renewed time.Time // when the last write began that was stored, by the monotonic clock too
}

// Acquire takes the job that fresh begins, or goes on with it where its document is there and not done. The context
// that it returns ends when another process takes the job over, with ErrLost as its cause, and when the lease can't be
// renewed in time, with ErrExpired. Where another seems to own it, it is watched for up to half a minute. ErrHeld where that one renews
// its lease, ErrOther where the document was begun with other
// parameters.
func Acquire(ctx context.Context, sink sinks.Sink, name string, fresh Job) (context.Context, *Holder, error) {
	store, err := swapper(sink)
	if err != nil {
		return nil, nil, err
	}
	h := &Holder{LastSeen: clock.Now(ctx), store: store, sink: sink, name: name, job: fresh}
	there, version, err := free(ctx, store, name)
	switch {
	case errors.Is(err, sinks.ErrNotExist):
	case errors.Is(err, ErrDamaged):
		return nil, nil, fmt.Errorf("%w; %s", err, rebuildable(ctx, sink, name))
	case err != nil:
		return nil, nil, err
	default:
		if err := h.takeOver(there, version, fresh); err != nil {
			return nil, nil, err
		}
	}
	h.job.Format, h.job.State, h.job.Error = Version, Running, ""
	h.job.Lease.ID, h.job.Lease.Owner = rand.Text(), kernel.self()
	h.job.Lease.Epoch++
	h.job.Taken = clock.Now(ctx).UTC()
	_, h.job.TakenRows = h.job.Finished()
	if h.job.Started.IsZero() {
		h.job.Started = h.job.Taken
	}
	if h.Resumed {
		err = h.resume(ctx)
	} else {
		err = h.Update(ctx, func(*Job) {})
	}
	switch {
	case err == nil && h.Resumed:
		err = h.sweepRecords(ctx, h.job.Lease.Epoch-1)
	case err == nil:
		err = removePlan(ctx, sink, name) // that an earlier job of this name left: this one would be made anew from it
	}
	if err != nil {
		return nil, nil, errors.Join(err, h.abandon(ctx))
	}
	ctx, h.lost = context.WithCancelCause(ctx)
	h.cause = func() error { return context.Cause(ctx) }
	h.renew(ctx)
	return ctx, h, nil
}

// resume takes a document that is there, and notes for how long nobody has written it.
func (h *Holder) resume(ctx context.Context) error {
	before := storedAt(ctx, h.sink, h.name)
	if err := h.Update(ctx, func(*Job) {}); err != nil {
		return err
	}
	if now := storedAt(ctx, h.sink, h.name); !now.IsZero() && !before.IsZero() {
		h.unseenFor(ctx, now.Sub(before))
	}
	return nil
}

// storedAt is when the store took an object in, by its own clock; zero where it does not tell.
func storedAt(ctx context.Context, sink sinks.Sink, name string) time.Time {
	for info, err := range sink.List(ctx, name) {
		if err == nil && info.Name == name {
			return info.ModTime
		}
	}
	return time.Time{}
}

// unseenFor takes the store's word for how long nobody has written the document, if that is longer than the owners' clocks say: the
// two machines' clocks may differ by hours.
func (h *Holder) unseenFor(ctx context.Context, idle time.Duration) {
	if by := clock.Now(ctx).Add(-idle); by.Before(h.LastSeen) {
		h.LastSeen = by
	}
}

// takeOver goes on with a document that is there and free, unless it is bound otherwise.
func (h *Holder) takeOver(there *Job, version sinks.Version, fresh Job) error {
	lease := there.Lease
	if there.Before != nil && there.State != Done && !there.begun() {
		there = there.Before
	}
	h.version = version
	other := there.bound(fresh.Params)
	if there.State == Done || other != nil && there.untouched() {
		h.job.Lease.Epoch = lease.Epoch
		if there.State == Done {
			h.job.Before = there
		}
		return nil
	}
	if other != nil {
		return other
	}
	if there.State == Running {
		slog.Warn("taking over a job whose owner is gone", "job", there.Name, "owner", lease.Owner.String())
	}
	h.job, h.Resumed, h.LastSeen = *there, true, there.Updated
	return nil
}

// Job is the document as it stands; the caller must not change it.
func (h *Holder) Job() Job {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.job
}

// Epoch is the number of this ownership: no two owners of a job have the same.
func (h *Holder) Epoch() int64 { return h.Job().Lease.Epoch }

// Update changes the document and makes the change durable before it returns. ErrLost where another process has taken
// the job over: then nothing was written. After any error the document is as it was.
func (h *Holder) Update(ctx context.Context, change func(*Job)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := h.job
	next.Parts = slices.Clone(h.job.Parts) // a change that can't be stored leaves no trace
	change(&next)
	if next.begun() || next.State == Done {
		next.Before = nil
	}
	next.Updated = clock.Now(ctx).UTC()
	next.Lease.Expires = next.Updated.Add(leaseTime)
	if err := h.record(ctx, &next); err != nil {
		return fmt.Errorf("recording a part of %q: %w", next.Name, err)
	}
	return h.write(ctx, &next)
}

// write makes a document durable in place of the one that is there; h.mu is held.
func (h *Holder) write(ctx context.Context, next *Job) error {
	began := time.Now()
	text, err := document.Marshal(next)
	if err != nil {
		return fmt.Errorf("encoding the checkpoint of %q: %w", next.Name, err)
	}
	version, err := h.store.Swap(ctx, h.name, h.version, text)
	if errors.Is(err, sinks.ErrChanged) {
		version, err = h.swapAgain(ctx, text)
	}
	if errors.Is(err, ErrLost) {
		h.lose(err)
	}
	if err != nil {
		return fmt.Errorf("writing the checkpoint of %q: %w", next.Name, err)
	}
	h.job, h.version, h.renewed = *next, version, began
	return nil
}

// swapAgain writes over a version that was not seen before, if it is this owner's: then the answer to an earlier write
// was lost. ErrLost where it is another's.
func (h *Holder) swapAgain(ctx context.Context, text []byte) (sinks.Version, error) {
	mine, err := h.mine(ctx)
	if err != nil {
		return "", err
	}
	if !mine {
		return "", ErrLost
	}
	return h.store.Swap(ctx, h.name, h.version, text)
}

// mine reports whether the document that is there is this owner's, and takes note of its version.
func (h *Holder) mine(ctx context.Context) (bool, error) {
	there, version, err := load(ctx, h.store, h.name)
	if errors.Is(err, sinks.ErrNotExist) {
		return false, nil
	}
	if err != nil || there.Lease.ID != h.job.Lease.ID {
		return false, err
	}
	h.version = version
	return true, nil
}

// abandon gives up a job whose first write failed: where it was stored nevertheless, nobody should find it held.
func (h *Holder) abandon(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	mine, err := h.mine(ctx)
	if !mine || err != nil {
		return err
	}
	switch {
	case h.Resumed:
		return h.Update(ctx, func(j *Job) { j.State = Interrupted })
	case h.job.Before != nil:
		return h.restore(ctx)
	}
	return h.sink.Delete(ctx, h.name)
}

// restore has the job of this name stand again that was done before this one, which has done nothing.
func (h *Holder) restore(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := *h.job.Before
	next.Lease = h.job.Lease
	return h.write(ctx, &next)
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

// renew keeps the lease until Release, and ends the job's context where that can't be done in time.
func (h *Holder) renew(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	h.stop = sync.OnceFunc(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for clock.Sleep(ctx, renewEvery) == nil {
			err := h.Update(ctx, func(*Job) {})
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

// tidyTime bounds the removal of a job's records: there may be thousands.
const tidyTime = 2 * time.Minute

// tidy removes the records of a job that is done. It stays done where they can't be removed: they do no harm.
func (h *Holder) tidy(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tidyTime)
	defer cancel()
	if err := removeRecords(ctx, h.sink, h.name); err != nil {
		slog.WarnContext(ctx, "the job is done; records of its parts, which nobody needs any more, are left", "job", h.job.Name, "error", err)
	}
}

// Remove ends the ownership and removes the document, since there is nothing to go on from; where a job of the same name was done
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
		return Discard(ctx, h.sink, h.name)
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
	done, rows := job.Finished()
	return &ResumableError{
		Kind: job.Kind, Job: job.Name, Done: done, Parts: len(job.Parts), Rows: rows,
		Err: errors.Join(cause, h.Release(ctx, state, cause)),
	}
}

// ResumableError is the end of a job with which the same command goes on.
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
