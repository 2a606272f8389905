package importer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"

	"migrate/checkpoint"
	"migrate/internal/clock"
	"migrate/internal/milvus"
	"migrate/internal/source"
)

// insertPart has one part imported exactly once, however often it is called for it: what was submitted is followed,
// what may have been is looked for, and only what is known not to have been is submitted.
func (im *importing) insertPart(ctx context.Context, i int) error {
	p := im.job.Job().Parts[i]
	if err := im.ensureSubmitted(ctx, i); err != nil {
		return err
	}
	adopted := p.State != checkpoint.Todo
	if p = im.job.Job().Parts[i]; p.State == checkpoint.Finished {
		return nil
	}
	rows, err := im.follow(ctx, p)
	if adopted && errors.Is(err, errJobFailed) {
		slog.WarnContext(ctx, "a job of an interrupted run failed; its part is imported anew", "part", p.Object, "error", err)
		if err := im.submit(ctx, i); err != nil {
			return err
		}
		p = im.job.Job().Parts[i]
		rows, err = im.follow(ctx, p)
	}
	if err != nil {
		return errors.Join(err, im.forget(ctx, i, err))
	}
	if rows != p.Rows.Rows {
		return fmt.Errorf("the server imported %d rows of %d", rows, p.Rows.Rows)
	}
	return im.finished(ctx, i)
}

// forget makes a part whose job failed one that was never submitted, since none of its rows is there.
func (im *importing) forget(ctx context.Context, i int, cause error) error {
	if !errors.Is(cause, errJobFailed) {
		return nil
	}
	staged := im.job.Job().Parts[i].Staged
	err := im.job.Update(context.WithoutCancel(ctx), func(j *checkpoint.Job) {
		j.Parts[i].State, j.Parts[i].Staged, j.Parts[i].Task = checkpoint.Todo, "", 0
	})
	return errors.Join(err, im.unstage(ctx, staged))
}

func (im *importing) finished(ctx context.Context, i int) error {
	staged := im.job.Job().Parts[i].Staged
	err := im.job.Update(ctx, func(j *checkpoint.Job) { j.Parts[i].State = checkpoint.Finished })
	return errors.Join(err, im.unstage(ctx, staged))
}

// ensureSubmitted brings a part to where its job's id is known, or to where its rows are known to be there.
func (im *importing) ensureSubmitted(ctx context.Context, i int) error {
	p := im.job.Job().Parts[i]
	switch p.State {
	case checkpoint.Submitted:
		return nil
	case checkpoint.Intended:
		settled, err := im.settle(ctx, i)
		if settled || err != nil {
			return err
		}
	}
	return im.submit(ctx, i)
}

// settle finds out what became of a job that may have been submitted before a crash, and reports whether there is one.
// The staged object is removed before the second look: after it, no late call can start a job with it.
func (im *importing) settle(ctx context.Context, i int) (bool, error) {
	p := im.job.Job().Parts[i]
	if settled, err := im.adopt(ctx, i); settled || err != nil {
		return settled, err
	}
	if err := im.unstage(ctx, p.Staged); err != nil {
		return false, err
	}
	if settled, err := im.adopt(ctx, i); settled || err != nil {
		return settled, err
	}
	if time.Since(im.job.LastSeen) < jobsKnownFor {
		return false, nil
	}
	return im.rowsThereOf(ctx, i)
}

// jobsKnownFor is how long a server surely lists a job that has ended (Milvus 2.3: 24 hours).
const jobsKnownFor = 20 * time.Hour

// adopt records the job that the server knows for a part's file.
func (im *importing) adopt(ctx context.Context, i int) (bool, error) {
	p := im.job.Job().Parts[i]
	id, found, err := im.bulk.find(ctx, im.target.Name, im.staging.Key(p.Staged))
	if !found || err != nil {
		return false, err
	}
	slog.InfoContext(ctx, "adopting a bulk-insert job that the server has already", "job", id, "part", p.Object)
	return true, im.recordTask(ctx, i, id)
}

func (im *importing) recordTask(ctx context.Context, i int, id int64) error {
	return im.job.Update(ctx, func(j *checkpoint.Job) { j.Parts[i].State, j.Parts[i].Task = checkpoint.Submitted, id })
}

// submitTries bounds how often a call that may have failed on the way is looked into and made again.
const submitTries = 8

// submit stages a part and starts its job: the intent is recorded before the call, and the id after it. Where the call
// breaks off, what the server knows decides.
func (im *importing) submit(ctx context.Context, i int) error {
	p := im.job.Job().Parts[i]
	name := im.stagedName(p.Part)
	if err := im.stage(ctx, name, p.Part); err != nil {
		return errors.Join(err, im.unstage(ctx, name))
	}
	err := im.job.Update(ctx, func(j *checkpoint.Job) { j.Parts[i].State, j.Parts[i].Staged = checkpoint.Intended, name })
	if err != nil {
		return errors.Join(err, im.unstage(ctx, name))
	}
	wait := backoff.NewExponentialBackOff()
	for try := 1; ; try++ {
		err := im.call(ctx, i, name)
		if err == nil || try == submitTries || !milvus.CanPass(err) || ctx.Err() != nil {
			return err
		}
		if err := clock.Sleep(ctx, wait.NextBackOff()); err != nil {
			return err
		}
		if settled, err := im.adopt(ctx, i); settled || err != nil {
			return err
		}
	}
}

// call makes the one call, if the job is still this process's.
func (im *importing) call(ctx context.Context, i int, name string) error {
	if err := im.job.StillOwner(ctx); err != nil {
		return err
	}
	p, file := im.job.Job().Parts[i], im.staging.Key(name)
	id, err := im.bulk.submit(ctx, im.target.Name, p.Partition, file)
	if err != nil {
		return fmt.Errorf("starting a bulk-insert job for %s: %w", file, err)
	}
	return im.recordTask(ctx, i, id)
}

// rowsThereOf asks the target itself whether a part is there, where the server may have forgotten its job: all of its
// rows, or none of them.
func (im *importing) rowsThereOf(ctx context.Context, i int) (bool, error) {
	p := im.job.Job().Parts[i]
	if im.newKeys() || im.before > 0 {
		return false, fmt.Errorf("the server no longer knows what became of %s, and its rows can't be told from others: %w", im.staging.Key(p.Staged), ErrUncertain)
	}
	coll, err := im.loaded(ctx)
	if err != nil {
		return false, err
	}
	reader, err := source.Open(ctx, im.server, coll)
	if err != nil {
		return false, err
	}
	n, err := reader.Count(ctx, p.Partition, p.Range)
	switch {
	case err != nil:
		return false, err
	case n == 0:
		return false, nil
	case n == p.Rows.Rows:
		return true, im.finished(ctx, i)
	}
	return false, fmt.Errorf("the target has %d rows in keys %s, where the part has %d: %w", n, p.Range, p.Rows.Rows, ErrNotEmpty)
}
