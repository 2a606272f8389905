package importer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
	"golang.org/x/sync/errgroup"

	"migrate/checkpoint"
	"migrate/internal/clock"
	"migrate/internal/ingest"
	"migrate/internal/milvus"
)

// insertAll imports all parts that are not finished, several jobs at once; the first error ends the others.
func (im *importing) insertAll(ctx context.Context) error {
	im.opts.Step("bulk insert", im.manifest.Total.Rows)
	parts := im.job.Job().Parts
	im.progress(inState(parts, checkpoint.Finished))
	if err := im.settle(ctx, alone(inState(parts, checkpoint.Intended)), im.job.LastSeen); err != nil {
		return fmt.Errorf("finding out what an interrupted run submitted: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(im.opts.Jobs)
	for _, chunk := range groups(im.job.Job().Parts, im.dialect.Limits().Files, im.opts.Jobs) {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := im.insertGroup(ctx, chunk); err != nil {
				return fmt.Errorf("importing part %s: %w", im.inWords(chunk), err)
			}
			return nil
		})
	}
	return g.Wait()
}

// insertGroup has the parts of a group imported, and again where their job fails, of which nothing is on the target then.
func (im *importing) insertGroup(ctx context.Context, g group) error {
	for _, pause := range im.opts.Pauses {
		err := im.insertOnce(ctx, g)
		if !errors.Is(err, ingest.ErrFailed) || errors.Is(err, ingest.ErrValue) || ctx.Err() != nil {
			return err
		}
		g = im.unfinished(g)
		slog.WarnContext(ctx, "a job failed; its parts are imported anew", "parts", im.inWords(g), "in", pause, "error", err)
		if err := clock.Sleep(ctx, pause); err != nil {
			return err
		}
	}
	return im.insertOnce(ctx, g)
}

// unfinished are the parts of a group that are still to be imported.
func (im *importing) unfinished(g group) group {
	return slices.DeleteFunc(slices.Clone(g), func(i int) bool { return im.part(i).State == checkpoint.Finished })
}

// insertOnce has the parts of a group imported exactly once: a job that was submitted is followed, and only what is known
// not to have been is submitted.
func (im *importing) insertOnce(ctx context.Context, g group) error {
	adopted := im.part(g[0]).State == checkpoint.Submitted
	if !adopted {
		if err := im.submit(ctx, g); err != nil {
			return err
		}
	}
	rows, err := im.follow(ctx, g)
	switch {
	case adopted && errors.Is(err, ingest.ErrGone):
		return im.insertMissing(ctx, g, err)
	case errors.Is(err, ingest.ErrFailed):
		return errors.Join(err, im.forget(ctx, g))
	case err != nil:
		return err
	}
	if want := im.rowsOf(g); rows != want && rows != ingest.UnknownRows {
		return fmt.Errorf("the server imported %d rows of %d", rows, want)
	}
	im.opts.Imported(im.rowsOf(g))
	return im.finished(ctx, g)
}

// submitTries bounds how often a call that may have failed on the way is looked into and made again.
const submitTries = 8

// submit stages the parts of a group and starts their job. Where the call breaks off, what the server knows decides.
func (im *importing) submit(ctx context.Context, g group) error {
	wait := backoff.NewExponentialBackOff(backoff.WithInitialInterval(im.opts.Poll))
	for try := 1; ; try++ {
		if err := im.intend(ctx, g); err != nil {
			return err
		}
		called := time.Now()
		err := im.call(ctx, g)
		if err == nil || try == submitTries || !milvus.CanPass(err) || ctx.Err() != nil {
			return err
		}
		slog.WarnContext(ctx, "a bulk-insert call will be looked into, and made again if the server does not know of it", "error", err)
		if err := clock.Sleep(ctx, wait.NextBackOff()); err != nil {
			return err
		}
		if err := im.settle(ctx, []group{g}, called); err != nil {
			return err
		}
		if im.part(g[0]).State == checkpoint.Submitted {
			return nil
		}
	}
}

// intend stages the parts of a group and records that a call for them is about to be made.
func (im *importing) intend(ctx context.Context, g group) error {
	names, try := map[int]string{}, im.tries.Add(1)
	for _, i := range g {
		names[i] = im.stagedName(im.part(i).Part, try)
	}
	err := im.stageAll(ctx, g, names)
	if err == nil {
		err = im.job.Update(ctx, func(j *checkpoint.Job) {
			for i, name := range names {
				j.Parts[i].State, j.Parts[i].Staged = checkpoint.Intended, name
			}
		})
	}
	if err != nil {
		return errors.Join(err, im.unstage(ctx, slices.Collect(maps.Values(names))...))
	}
	return nil
}

// call makes the one call, if the job is still this process's, and records the id.
func (im *importing) call(ctx context.Context, g group) error {
	if err := im.job.StillOwner(ctx); err != nil {
		return err
	}
	files := im.files(g)
	id, err := im.dialect.Submit(ctx, ingest.Order{Collection: im.target.Name, Partition: im.part(g[0]).Partition, Files: files})
	if err != nil {
		return fmt.Errorf("starting a bulk-insert job for %s: %w", files[0], err)
	}
	return im.recordTask(ctx, g, id)
}

func (im *importing) recordTask(ctx context.Context, g group, id int64) error {
	return im.update(ctx, g, func(p *checkpoint.Part) { p.State, p.Task = checkpoint.Submitted, id })
}

// follow follows a group's job to its end. One that stands still for too long is an error that names it.
func (im *importing) follow(ctx context.Context, g group) (rows int64, err error) {
	id := im.part(g[0]).Task
	job := fmt.Sprintf("bulk-insert job %d (%s)", id, strings.Join(im.files(g), ", "))
	var last ingest.Status
	moved := time.Now()
	for {
		status, err := im.dialect.Poll(ctx, im.target.Name, id)
		if err != nil {
			return 0, fmt.Errorf("following %s, last %s: %w", job, last.Named, err)
		}
		im.opts.Job(id, status.State, status.Reason)
		switch status.State {
		case ingest.Failed:
			return 0, fmt.Errorf("%s: %w", job, status.Err())
		case ingest.Completed:
			return status.Rows, nil
		case ingest.Uncommitted:
			if err := im.commit(ctx, g, status.Rows); err != nil {
				return 0, fmt.Errorf("%s: %w", job, err)
			}
		}
		if status != last {
			last, moved = status, time.Now()
		}
		if time.Since(moved) > im.opts.StallAfter {
			return 0, fmt.Errorf("%s is %s at %s%% since %s: %w", job, last.Named, last.Percent, moved.Format(time.TimeOnly), ErrStalled)
		}
		if err := clock.Sleep(ctx, im.opts.Poll); err != nil {
			return 0, fmt.Errorf("following %s, %s: %w", job, last.Named, err)
		}
	}
}

// commit makes what a job has brought visible, if it is all there and the job is still this process's. Where the call gets
// no answer, the job's next state tells what became of it, and one that is heard twice changes nothing.
func (im *importing) commit(ctx context.Context, g group, rows int64) error {
	id := im.part(g[0]).Task
	committer, ok := im.dialect.(ingest.Committer)
	if !ok {
		return errors.New("it waits for a commit, which its server was not asked to")
	}
	if want := im.rowsOf(g); rows != want && rows != ingest.UnknownRows {
		return errors.Join(fmt.Errorf("%w: aborted, since it has %d rows of %d", ingest.ErrFailed, rows, want), committer.Abort(ctx, id))
	}
	if err := im.job.Confirm(ctx); err != nil {
		return err
	}
	err := committer.Commit(ctx, id)
	if milvus.CanPass(err) {
		slog.WarnContext(ctx, "a commit got no answer; the job is looked at again", "job", id, "error", err)
		return nil
	}
	return err
}

func (im *importing) finished(ctx context.Context, g group) error {
	err := im.leave(ctx, g, func(p *checkpoint.Part) { p.State = checkpoint.Finished })
	if err == nil {
		im.progress(g)
	}
	return err
}

// forget makes parts whose job failed, or never was, parts that were never submitted: none of their rows is there.
func (im *importing) forget(ctx context.Context, g group) error {
	return im.leave(context.WithoutCancel(ctx), g, func(p *checkpoint.Part) { p.State, p.Staged, p.Task = checkpoint.Todo, "", 0 })
}

// leave records the end of a group's job, and removes what was staged for it.
func (im *importing) leave(ctx context.Context, g group, change func(*checkpoint.Part)) error {
	names := im.stagedNames(g)
	return errors.Join(im.update(ctx, g, change), im.unstage(ctx, names...))
}
