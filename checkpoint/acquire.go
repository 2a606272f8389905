package checkpoint

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"migrate/internal/clock"
	"migrate/sinks"
)

// Fresh is a job that is about to begin.
type Fresh struct {
	Kind   Kind
	Name   string
	Params any   // what it is bound to: a struct of texts, or what JSON makes texts, by the words that people are told
	Rows   int64 // expected; 0 where only the plan tells
}

func (f Fresh) job() (Job, error) {
	params, err := json.Marshal(f.Params)
	if err != nil {
		return Job{}, fmt.Errorf("encoding the parameters of %q: %w", f.Name, err)
	}
	return Job{Kind: f.Kind, Name: f.Name, Params: params, Planned: Tally{Rows: f.Rows}}, nil
}

// Acquire takes the whole job that fresh begins, or resumes it where its document is there and not done. The context
// that it returns ends when another process takes the job over, with ErrLost as its cause, and when the lease can't be
// renewed in time, with ErrExpired. Where another seems to own it, it is watched for up to half a minute. ErrHeld where that one renews
// its lease, ErrOther where the document was begun with other parameters.
func Acquire(ctx context.Context, sink sinks.Sink, name string, fresh Fresh) (context.Context, *Holder, error) {
	store, err := On(sink)
	if err != nil {
		return nil, nil, err
	}
	job, err := fresh.job()
	if err != nil {
		return nil, nil, err
	}
	h := &Holder{LastSeen: clock.Now(ctx), store: store, name: name, writing: make(chan struct{}, 1), job: job}
	there, err := free(ctx, store, name)
	if err != nil && !missing(err) {
		return nil, nil, orRebuildable(ctx, store, name, err)
	}
	h.version = there.version
	if there.job != nil {
		if err := h.meet(ctx, there); err != nil {
			return nil, nil, err
		}
	}
	if err := h.take(ctx, there); err != nil {
		err = orRebuildable(ctx, store, name, err)
		return nil, nil, errors.Join(err, h.abandon(ctx, err))
	}
	ctx, h.lost = context.WithCancelCause(ctx)
	h.cause = func() error { return context.Cause(ctx) }
	h.renew(ctx)
	return ctx, h, nil
}

// meet decides whether a job that is there and free is resumed, stands until this one has begun, or is none any more.
func (h *Holder) meet(ctx context.Context, f found) error {
	there := f.job
	h.job.Lease.Epoch = there.Lease.Epoch
	if f.stray {
		return nil
	}
	if there.Before != nil && there.State != Done {
		there = there.Before
	}
	if there.State == Done {
		h.job.Before = there
		return nil
	}
	if other := there.bound(h.job.Params); other != nil {
		begun, err := h.begun(ctx, f)
		if begun || err != nil {
			return errors.Join(other, err)
		}
		return nil
	}
	if there.State == Running {
		slog.WarnContext(ctx, "taking over a job whose owner is gone", "job", there.Name, "owner", there.Lease.Owner.String())
	}
	h.job, h.Resumed, h.LastSeen = *there, true, there.Updated
	return nil
}

// begun reports whether something was done of a job that is bound to its parameters. An export that has finished no part may begin anew
// with others.
func (h *Holder) begun(ctx context.Context, f found) (bool, error) {
	if f.job.Kind != Export || f.job.Done.Parts > 0 {
		return true, nil
	}
	if f.old != nil || f.job.Plan == (Plan{}) {
		return false, nil
	}
	chunks, err := readPlan(ctx, h.store, h.name, f.job.Plan) // the document may be older than they
	return doneOf(chunks).Parts > 0, err
}

func doneOf(chunks []Chunk) (done Tally) {
	for _, c := range chunks {
		done = done.plus(c.Done)
	}
	return done
}

// take makes the job this process's. What format 1 left is kept in the sign until all of it is converted: an old program is refused from
// then on, and who comes after a crash converts it again.
func (h *Holder) take(ctx context.Context, f found) error {
	h.own(ctx)
	before := time.Time{}
	if h.Resumed {
		before = storedAt(ctx, h.store, f.object(h.name))
	}
	sign, err := h.putSign(ctx, f)
	if err == nil && h.Resumed && f.old != nil {
		err = h.convert(ctx, f.old)
	}
	if err == nil {
		err = h.Update(ctx, func(*Job) {})
	}
	if err == nil && f.old != nil {
		_, err = h.store.Put(ctx, oldObject(h.name), sign, []byte(bareSign))
	}
	switch {
	case errors.Is(err, ErrConflict):
		return fmt.Errorf("taking %s %q: %w", h.job.Kind, h.job.Name, ErrLost)
	case err != nil:
		return err
	case h.Resumed:
		h.seenBy(ctx, before)
	}
	return h.readWork(ctx)
}

// own makes the job one that this process owns.
func (h *Holder) own(ctx context.Context) {
	j := &h.job
	j.Format, j.State, j.Error = Format, Running, ""
	j.Lease.ID, j.Lease.Owner = rand.Text(), kernel.self()
	j.Lease.Epoch++
	j.Taken, j.TakenRows = clock.Now(ctx).UTC(), j.Done.Rows
	if j.Started.IsZero() {
		j.Started = j.Taken
	}
}

// putSign has old programs refuse the job.
func (h *Holder) putSign(ctx context.Context, f found) (Version, error) {
	sign := []byte(bareSign)
	switch {
	case f.bare, f.old != nil && f.old.fenced:
		return f.sign, nil
	case f.old != nil:
		sign = f.old.sign(f.job.Lease.Epoch)
	}
	return h.store.Put(ctx, oldObject(h.name), f.sign, sign)
}

// convert writes down the chunks of a job of format 1.
func (h *Holder) convert(ctx context.Context, old *oldJob) error {
	chunks := old.chunks()
	if len(chunks) == 0 {
		return nil
	}
	h.job.Plan = Plan{ID: newPlanID(h.job.Lease.Epoch, 0), Chunks: len(chunks)}
	if err := writeConverted(ctx, h.store, h.name, &h.job, chunks, old.Lease); err != nil {
		return fmt.Errorf("converting %s %q from format 1: %w", h.job.Kind, h.job.Name, err)
	}
	return nil
}

// readWork reads how far each chunk is. Where nothing is planned yet, it removes what earlier jobs of this name left.
func (h *Holder) readWork(ctx context.Context) error {
	if h.job.Plan == (Plan{}) {
		return removeWork(ctx, h.store, h.name, math.MaxInt64)
	}
	chunks, err := readPlan(ctx, h.store, h.name, h.job.Plan)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.chunks, h.done = chunks, doneOf(chunks)
	h.job.TakenRows = h.done.Rows
	return nil
}

// object is that which the job's last owner has written last.
func (f found) object(name string) string {
	if f.old != nil {
		return oldObject(name)
	}
	return Object(name)
}

// seenBy takes the store's word for how long nobody has written the document, if that is longer than the owners' clocks say: the
// two machines' clocks may differ by hours.
func (h *Holder) seenBy(ctx context.Context, before time.Time) {
	now := storedAt(ctx, h.store, Object(h.name))
	if now.IsZero() || before.IsZero() {
		return
	}
	if by := clock.Now(ctx).Add(before.Sub(now)); by.Before(h.LastSeen) {
		h.LastSeen = by
	}
}

// storedAt is when the store took an object in, by its own clock; zero where it does not tell.
func storedAt(ctx context.Context, store Store, object string) time.Time {
	for entry, err := range store.List(ctx, object) {
		if err == nil && entry.Name == object {
			return entry.Stored
		}
	}
	return time.Time{}
}
