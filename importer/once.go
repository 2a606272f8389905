package importer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"

	"migrate/checkpoint"
	"migrate/internal/clock"
	"migrate/internal/milvus"
	"migrate/internal/source/query"
)

// jobPauses are the waits before the parts of a job that failed are imported anew: servers that were restarted under a
// job are back by then.
var jobPauses = []time.Duration{5 * time.Second, 20 * time.Second}

// insertGroup has the parts of a group imported, and again where their job fails, of which nothing is on the target then.
func (im *importing) insertGroup(ctx context.Context, g group) error {
	for _, pause := range jobPauses {
		err := im.insertOnce(ctx, g)
		if !errors.Is(err, ErrJobFailed) || errors.Is(err, ErrValue) || ctx.Err() != nil {
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
	case adopted && errors.Is(err, errJobGone):
		return im.insertMissing(ctx, g, err)
	case errors.Is(err, ErrJobFailed):
		return errors.Join(err, im.forget(ctx, g))
	case err != nil:
		return err
	}
	if want := im.rowsOf(g); rows != want && rows != unknownRows {
		return fmt.Errorf("the server imported %d rows of %d", rows, want)
	}
	im.opts.Imported(im.rowsOf(g))
	return im.finished(ctx, g)
}

// insertMissing goes on with a group whose job the server does not know any more: the rows are counted. Where they are
// not there, the job failed and was forgotten; one that ought to be known still may yet bring them.
func (im *importing) insertMissing(ctx context.Context, g group, gone error) error {
	slog.WarnContext(ctx, "a job of an interrupted run is gone; its rows are counted", "parts", im.inWords(g), "error", gone)
	absent := im.forget
	if !im.mayHaveForgotten(im.job.LastSeen) {
		absent = func(context.Context, group) error {
			return fmt.Errorf("%w, and its rows are not there: %w", gone, ErrUncertain)
		}
	}
	if err := im.settleByRows(ctx, g, absent); err != nil {
		return err
	}
	missing := im.unfinished(g)
	if len(missing) == 0 {
		return nil
	}
	return im.insertOnce(ctx, missing)
}

// forget makes parts whose job failed, or never was, parts that were never submitted: none of their rows is there.
func (im *importing) forget(ctx context.Context, g group) error {
	return im.leave(context.WithoutCancel(ctx), g, func(p *checkpoint.Part) { p.State, p.Staged, p.Task = checkpoint.Todo, "", 0 })
}

func (im *importing) finished(ctx context.Context, g group) error {
	err := im.leave(ctx, g, func(p *checkpoint.Part) { p.State = checkpoint.Finished })
	if err == nil {
		im.progress(g)
	}
	return err
}

// leave records the end of a group's job, and removes what was staged for it.
func (im *importing) leave(ctx context.Context, g group, change func(*checkpoint.Part)) error {
	names := im.stagedNames(g)
	return errors.Join(im.update(ctx, g, change), im.unstage(ctx, names...))
}

// settle finds out what became of jobs that may have been submitted: each part is then submitted, finished, or known not
// to be on the target. The staged objects are removed before the second look: after it, no late call can start a job with
// them. Where the server may have forgotten a job since the last sign of life, the rows are counted.
func (im *importing) settle(ctx context.Context, unsettled []group, lastSeen time.Time) error {
	unsettled, err := im.adopt(ctx, unsettled)
	if err != nil || len(unsettled) == 0 {
		return err
	}
	for _, g := range unsettled {
		if err := im.unstage(ctx, im.stagedNames(g)...); err != nil {
			return err
		}
	}
	if unsettled, err = im.adopt(ctx, unsettled); err != nil {
		return err
	}
	conclude := im.forget
	if im.mayHaveForgotten(lastSeen) {
		conclude = func(ctx context.Context, g group) error { return im.settleByRows(ctx, g, im.forget) }
	}
	for _, g := range unsettled {
		if err := conclude(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// mayHaveForgotten reports whether a job that ended after a point in time may be gone from the server's list.
func (im *importing) mayHaveForgotten(since time.Time) bool {
	return time.Since(since) > im.server.Capabilities().JobsKnownFor
}

// adopt records the jobs that the server knows for the groups' files, and returns the groups that it has none for.
func (im *importing) adopt(ctx context.Context, unsettled []group) (rest []group, err error) {
	var files []string
	for _, g := range unsettled {
		files = append(files, im.files(g)...)
	}
	if len(files) == 0 {
		return nil, nil
	}
	jobs, err := im.find(ctx, files)
	if err != nil {
		return nil, err
	}
	for _, g := range unsettled {
		id := im.jobOf(g, jobs)
		if id == 0 {
			rest = append(rest, g)
			continue
		}
		slog.InfoContext(ctx, "adopting a bulk-insert job that the server has already", "job", id, "parts", im.inWords(g))
		if err := im.recordTask(ctx, g, id); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// jobOf is the job of a group, 0 for none. All files of a group go into one call, so one of them tells.
func (im *importing) jobOf(g group, jobs map[string]int64) int64 {
	for _, file := range im.files(g) {
		if id, found := jobs[file]; found {
			return id
		}
	}
	return 0
}

// find waits until the server tells of all its jobs what they import, which later servers do some time after the call.
func (im *importing) find(ctx context.Context, files []string) (map[string]int64, error) {
	for since := time.Now(); ; {
		jobs, decided, err := im.bulk.find(ctx, im.target.Name, files)
		if err != nil || decided || len(jobs) == len(files) {
			return jobs, err
		}
		if time.Since(since) > im.opts.StallAfter {
			return nil, fmt.Errorf("collection %q has a bulk-insert job that does not say which files it imports, since %s, and it may be that of %s: %w",
				im.target.Name, since.Format(time.TimeOnly), files[0], ErrStalled)
		}
		if err := clock.Sleep(ctx, pollEvery); err != nil {
			return nil, err
		}
	}
}

func (im *importing) recordTask(ctx context.Context, g group, id int64) error {
	return im.update(ctx, g, func(p *checkpoint.Part) { p.State, p.Task = checkpoint.Submitted, id })
}

// submitTries bounds how often a call that may have failed on the way is looked into and made again.
const submitTries = 8

// submit stages the parts of a group and starts their job. Where the call breaks off, what the server knows decides.
func (im *importing) submit(ctx context.Context, g group) error {
	wait := backoff.NewExponentialBackOff()
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
	id, err := im.bulk.submit(ctx, order{im.target.Name, im.part(g[0]).Partition, files})
	if err != nil {
		return fmt.Errorf("starting a bulk-insert job for %s: %w", files[0], err)
	}
	return im.recordTask(ctx, g, id)
}

// settleByRows asks the target itself which parts are there, and concludes of those that are not that they are absent.
func (im *importing) settleByRows(ctx context.Context, g group, absent func(context.Context, group) error) error {
	for _, i := range g {
		there, err := im.rowsThereOf(ctx, i)
		if err != nil {
			return err
		}
		conclude := absent
		if there {
			conclude = im.finished
		}
		if err := conclude(ctx, group{i}); err != nil {
			return err
		}
	}
	return nil
}

// rowsThereOf counts a part's rows on the target: all of them have to be there, or none.
func (im *importing) rowsThereOf(ctx context.Context, i int) (bool, error) {
	p := im.part(i)
	if im.newKeys() || im.before > 0 {
		return false, fmt.Errorf("the server no longer knows what became of %s, and its rows can't be told from others: %w", im.staging.Key(p.Staged), ErrUncertain)
	}
	coll, err := im.loaded(ctx)
	if err != nil {
		return false, err
	}
	reader, err := query.Open(ctx, im.server, coll)
	if err != nil {
		return false, err
	}
	n, err := reader.Count(ctx, p.Partition, p.Range)
	if err != nil || n == 0 || n == p.Rows.Rows {
		return n > 0, err
	}
	return false, fmt.Errorf("the target has %d rows in keys %s, where the part has %d: %w", n, p.Range, p.Rows.Rows, ErrNotEmpty)
}
