package importer

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"migrate/checkpoint"
	"migrate/internal/clock"
	"migrate/internal/export"
	"migrate/internal/source/query"
)

// settle finds out what became of a job that may have been submitted: the group is then submitted, finished, or known not
// to be on the target. The staged objects are removed before the second look: after it, no late call can start a job with
// them. Where the server may have forgotten a job since the last sign of life, the rows are counted.
func (im *bulk) settle(ctx context.Context, g *group, lastSeen time.Time) error {
	if err := im.adopt(ctx, g); err != nil || g.State == Submitted {
		return err
	}
	if err := im.unstage(ctx, g.staged()...); err != nil {
		return err
	}
	if err := im.adopt(ctx, g); err != nil || g.State == Submitted {
		return err
	}
	if !im.mayHaveForgotten(lastSeen) {
		return im.undone(ctx, g)
	}
	return im.settleByRows(ctx, g, nil)
}

// adopt records the job that the server knows for the group's files, if there is one. All files of a group go into one call, so one of
// them tells.
func (im *bulk) adopt(ctx context.Context, g *group) error {
	files := im.files(g)
	if len(files) == 0 {
		return nil
	}
	jobs, err := im.find(ctx, files)
	if err != nil {
		return err
	}
	for _, file := range files {
		if id, found := jobs[file]; found {
			slog.InfoContext(ctx, "adopting a bulk-insert job that the server has already", "job", id, "parts", g.String())
			return im.submitted(ctx, g, id)
		}
	}
	return nil
}

// find waits until the server tells of all its jobs what they import, which later servers do some time after the call.
func (im *bulk) find(ctx context.Context, files []string) (map[string]int64, error) {
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
func (im *bulk) mayHaveForgotten(since time.Time) bool {
	return time.Since(since) > im.dialect.Limits().KnownFor
}

// insertMissing resumes a group whose job the server does not know any more: the rows are counted. Where they are
// not there, the job failed and was forgotten; one that ought to be known still may yet bring them.
func (im *bulk) insertMissing(ctx context.Context, g *group, gone error) error {
	slog.WarnContext(ctx, "a job of an interrupted run is gone; its rows are counted", "parts", g.String(), "error", gone)
	var absent error
	if !im.mayHaveForgotten(im.job.LastSeen) {
		absent = fmt.Errorf("%w, and its rows are not there: %w", gone, ErrUncertain)
	}
	if err := im.settleByRows(ctx, g, absent); err != nil {
		return err
	}
	return im.insertOnce(ctx, g)
}

// settleByRows asks the target itself which parts are there. Those that are not were never submitted, or else that they are absent is
// an error.
func (im *bulk) settleByRows(ctx context.Context, g *group, absent error) error {
	now, found := make([]bool, len(g.parts)), []export.Part(nil)
	for i, p := range g.parts {
		if now[i] = g.there(i); now[i] {
			continue
		}
		there, err := im.rowsThereOf(ctx, p, g.stagedAs(i))
		if err != nil {
			return err
		}
		if now[i] = there; there {
			found = append(found, p)
		}
	}
	switch left := slices.Contains(now, false); {
	case !left:
		return im.finished(ctx, g)
	case absent != nil:
		return absent
	}
	err := im.leave(context.WithoutCancel(ctx), g, checkpoint.Todo, progress{There: now})
	if err == nil {
		im.tell(found)
	}
	return err
}

// rowsThereOf counts a part's rows on the target: all of them have to be there, or none.
func (im *bulk) rowsThereOf(ctx context.Context, p export.Part, staged string) (bool, error) {
	if im.newKeys() || im.before > 0 {
		return false, fmt.Errorf("the server no longer knows what became of %s, and its rows can't be told from others: %w", im.staging.Key(staged), ErrUncertain)
	}
	if _, err := im.loaded(ctx); err != nil {
		return false, err
	}
	if err := im.server.Refresh(ctx, im.target.Name); err != nil { // rows that it has not taken in yet would seem absent
		return false, err
	}
	target, err := query.OpenByName(ctx, im.server, im.target.Name)
	if err != nil {
		return false, err
	}
	n, err := im.countOf(ctx, target, p)
	if err != nil || n == 0 || n == im.rowsOf([]export.Part{p}) {
		return n > 0, err
	}
	keys := "keys " + p.Range.String()
	if p.Scattered {
		keys = "the keys of " + p.Object
	}
	return false, fmt.Errorf("the target has %d rows in %s, where the part has %d: %w", n, keys, p.Rows.Rows, ErrNotEmpty)
}
