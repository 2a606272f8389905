package importer

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"migrate/internal/clock"
)

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
		jobs, decided, err := im.dialect.Find(ctx, im.target.Name, files)
		if err != nil || decided || len(jobs) == len(files) {
			return jobs, err
		}
		if time.Since(since) > im.opts.StallAfter {
			return nil, fmt.Errorf("collection %q has a bulk-insert job that does not say which files it imports, since %s, and it may be that of %s: %w",
				im.target.Name, since.Format(time.TimeOnly), files[0], ErrStalled)
		}
		if err := clock.Sleep(ctx, im.opts.Poll); err != nil {
			return nil, err
		}
	}
}

// mayHaveForgotten reports whether a job that ended after a point in time may be gone from the server's list.
func (im *importing) mayHaveForgotten(since time.Time) bool {
	return time.Since(since) > im.dialect.Limits().KnownFor
}

// insertMissing resumes a group whose job the server does not know any more: the rows are counted. Where they are
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
	target, err := im.openTarget(ctx)
	if err != nil {
		return false, err
	}
	n, err := target.Count(ctx, p.Partition, p.Range)
	if err != nil || n == 0 || n == p.Rows.Rows {
		return n > 0, err
	}
	return false, fmt.Errorf("the target has %d rows in keys %s, where the part has %d: %w", n, p.Range, p.Rows.Rows, ErrNotEmpty)
}
