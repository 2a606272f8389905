package importer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
	"golang.org/x/sync/errgroup"

	"migrate/checkpoint"
	"migrate/internal/clock"
	"migrate/internal/export"
	"migrate/internal/ingest"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// bulk is the way of bulk insert: a chunk is a group of parts, which a job of the server reads from its own bucket.
type bulk struct {
	*importing
	staging Staging
	dialect ingest.Dialect
	tries   atomic.Int64 // calls that were intended: no two have the same number
	odd     odd
}

// fits refuses a server whose bulk insert would lose something.
func (im *bulk) fits() error {
	can, version := im.server.Capabilities(), im.server.Version()
	if can.ImportLosesStats && !im.opts.Force {
		return fmt.Errorf("%w: Milvus %s loses the statistics of imported segments (milvus-io/milvus#33476); upgrade it to 2.4.4 or later, or go on with --force",
			ErrTarget, version)
	}
	if fields := can.NotImportedOf(im.target.Schema); len(fields) > 0 {
		return fmt.Errorf("%w: the bulk insert of Milvus %s does not take %s; upgrade it", ErrTarget, version, strings.Join(fields, ", "))
	}
	if !im.opts.NewKeys && !im.otherKeys && !can.ImportsAutoIDs && model.AutoID(im.target.Schema) && can.KeepsKeys(im.asThere()) {
		return fmt.Errorf("the bulk insert of Milvus %s into %q: %w, and inserts would keep theirs (--via insert)", version, im.target.Name, ErrNewKeys)
	}
	if im.newKeys() && !bulkGivesKeys(can, im.target.Schema) {
		return fmt.Errorf("%w: the bulk insert of Milvus %s gives no keys that are texts; import by inserts, or with --keep-ids", ErrTarget, version)
	}
	return nil
}

// open opens the dialect of the target, unless it was given.
func (im *bulk) open(ctx context.Context) (err error) {
	if im.dialect == nil {
		im.dialect, err = ingest.Open(ctx, im.server)
	}
	if errors.Is(err, ingest.ErrNoDialect) {
		return fmt.Errorf("%w: %w", ErrTarget, err)
	}
	return err
}

// planned are the groups of parts that one bulk-insert job each is to bring.
func (im *bulk) planned(ctx context.Context, parts []export.Part) (planned []checkpoint.Planned, err error) {
	if err := im.countOdd(ctx); err != nil {
		return nil, err
	}
	parts = slices.DeleteFunc(parts, func(p export.Part) bool { return im.odd.rows[p.Object] == p.Rows.Rows })
	for _, g := range groups(parts, im.dialect.Limits().Files, im.opts.Jobs) {
		planned = append(planned, checkpoint.Planned{Spec: spec{Parts: g, Keys: im.givesIDs()}, Size: tallyOf(g)})
	}
	return planned, nil
}

// left are the parts of the groups that are not finished.
func (im *bulk) left() (left []export.Part, err error) {
	for c := range im.job.Chunks() {
		g, err := groupOf(&checkpoint.Claim{Chunk: c})
		if err != nil {
			return nil, err
		}
		left = append(left, g.some(g.left())...)
	}
	return left, nil
}

// begin removes what a killed process staged and did not come to use.
func (im *bulk) begin(ctx context.Context) error {
	inUse := map[string]bool{}
	for c := range im.job.Chunks() {
		g, err := groupOf(&checkpoint.Claim{Chunk: c})
		if err != nil {
			return err
		}
		if im.otherKeys = im.otherKeys || !g.keys; g.keys && !im.givesIDs() { // its properties were altered since this was begun
			return fmt.Errorf("collection %q on %s, into which rows were imported with theirs: %w", im.target.Name, im.server.Address, ErrNewKeys)
		}
		for _, i := range g.left() {
			inUse[g.stagedAs(i)] = true
		}
	}
	if err := im.unstageAll(ctx, inUse); err != nil {
		return err
	}
	return im.countOdd(ctx)
}

// forget removes what is staged: what a late call could still import lies in a file that is gone.
func (im *bulk) forget(ctx context.Context) error { return im.unstageAll(ctx, nil) }

// work imports all groups that are not finished, several jobs at once; the first error ends the others.
func (im *bulk) work(ctx context.Context, claims checkpoint.Claims) error {
	im.opts.Step("bulk insert", im.manifest.Total.Rows)
	if err := im.tellDone(); err != nil {
		return err
	}
	g, jobs := errgroup.WithContext(ctx)
	for range im.opts.Jobs {
		g.Go(func() error { return im.insertGroups(jobs, claims) })
	}
	if err := g.Wait(); err != nil || im.odd.none() {
		return err
	}
	return im.bringOdd(ctx)
}

// tellDone reports what an earlier run has brought.
func (im *bulk) tellDone() error {
	for c := range im.job.Chunks() {
		g, err := groupOf(&checkpoint.Claim{Chunk: c})
		if err != nil {
			return err
		}
		for i, p := range g.parts {
			if g.there(i) {
				im.opts.Progress(p.Rows.Rows, p.Bytes)
			}
		}
	}
	return nil
}

// insertGroups imports one group after the other, until none is left.
func (im *bulk) insertGroups(ctx context.Context, claims checkpoint.Claims) error {
	return checkpoint.Each(ctx, claims, func(claim *checkpoint.Claim) error {
		g, err := groupOf(claim)
		if err != nil {
			return err
		}
		if err := im.opts.Budget.Do(ctx, func() error { return im.insertGroup(ctx, g) }); err != nil {
			return fmt.Errorf("importing part %s: %w", g, err)
		}
		return nil
	})
}

// insertGroup has the parts of a group imported, and again where their job fails, of which nothing is on the target then.
func (im *bulk) insertGroup(ctx context.Context, g *group) error {
	if g.State == Intended {
		if err := im.settle(ctx, g, im.job.LastSeen); err != nil {
			return fmt.Errorf("finding out what an interrupted run submitted: %w", err)
		}
	}
	for _, pause := range im.opts.Pauses {
		err := im.insertOnce(ctx, g)
		if !errors.Is(err, ingest.ErrFailed) || errors.Is(err, ingest.ErrValue) || ctx.Err() != nil {
			return err
		}
		slog.WarnContext(ctx, "a job failed; its parts are imported anew", "parts", g.String(), "in", pause, "error", err)
		if err := clock.Sleep(ctx, pause); err != nil {
			return err
		}
	}
	return im.insertOnce(ctx, g)
}

// insertOnce has the parts of a group imported exactly once: a job that was submitted is followed, and only what is known
// not to have been is submitted.
func (im *bulk) insertOnce(ctx context.Context, g *group) error {
	if g.State == checkpoint.Done {
		return nil
	}
	adopted := g.State == Submitted
	if !adopted {
		if err := im.submit(ctx, g); err != nil || g.State == checkpoint.Done {
			return err
		}
	}
	rows, err := im.follow(ctx, g)
	switch {
	case adopted && errors.Is(err, ingest.ErrGone):
		return im.insertMissing(ctx, g, err)
	case errors.Is(err, ingest.ErrFailed):
		return errors.Join(err, im.undone(ctx, g))
	case err != nil:
		return err
	}
	brought := im.rowsOf(g.some(g.left()))
	if rows != brought && rows != ingest.UnknownRows {
		return fmt.Errorf("the server imported %d rows of %d", rows, brought)
	}
	im.opts.Imported(brought)
	return im.finished(ctx, g)
}

// submitTries bounds how often a call that may have failed on the way is looked into and made again.
const submitTries = 8

// submit stages the parts of a group and starts their job. Where the call breaks off, what the server knows decides.
func (im *bulk) submit(ctx context.Context, g *group) error {
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
		if err := im.settle(ctx, g, called); err != nil {
			return err
		}
		if g.State != checkpoint.Todo {
			return nil
		}
	}
}

// intend stages the parts of a group and records that a call for them is about to be made.
func (im *bulk) intend(ctx context.Context, g *group) error {
	names, try := make([]string, len(g.parts)), im.tries.Add(1)
	for _, i := range g.left() {
		names[i] = im.stagedName(g.parts[i], try)
	}
	err := im.stageAll(ctx, g, names)
	if err == nil {
		err = g.record(ctx, Intended, progress{Staged: names, There: g.There})
	}
	if err != nil {
		return errors.Join(err, im.unstage(ctx, names...))
	}
	return nil
}

// call makes the one call, if the job is still this process's, and records the id.
func (im *bulk) call(ctx context.Context, g *group) error {
	if err := g.StillOwner(ctx); err != nil {
		return err
	}
	files := im.files(g)
	id, err := im.dialect.Submit(ctx, ingest.Order{Collection: im.target.Name, Partition: g.parts[0].Partition, Files: files})
	if err != nil {
		return fmt.Errorf("starting a bulk-insert job for %s: %w", files[0], err)
	}
	return im.submitted(ctx, g, id)
}

func (im *bulk) submitted(ctx context.Context, g *group, id int64) error {
	return g.record(ctx, Submitted, progress{Staged: g.Staged, Job: id, There: g.There})
}

// follow follows a group's job to its end. One that stands still for too long is an error that names it.
func (im *bulk) follow(ctx context.Context, g *group) (rows int64, err error) {
	id := g.Job
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
func (im *bulk) commit(ctx context.Context, g *group, rows int64) error {
	id := g.Job
	committer, ok := im.dialect.(ingest.Committer)
	if !ok {
		return errors.New("it waits for a commit, which its server was not asked to")
	}
	if want := im.rowsOf(g.some(g.left())); rows != want && rows != ingest.UnknownRows {
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

func (im *bulk) finished(ctx context.Context, g *group) error {
	brought := g.some(g.left())
	err := im.leave(ctx, g, checkpoint.Done, progress{})
	if err == nil {
		im.tell(brought)
	}
	return err
}

// undone makes a group whose job failed, or never was, one that was never submitted: none of its rows is there.
func (im *bulk) undone(ctx context.Context, g *group) error {
	return im.leave(context.WithoutCancel(ctx), g, checkpoint.Todo, progress{There: g.There})
}

// leave records the end of a group's job, and removes what was staged for it.
func (im *bulk) leave(ctx context.Context, g *group, state checkpoint.State, next progress) error {
	names := g.staged()
	return errors.Join(g.record(ctx, state, next), im.unstage(ctx, names...))
}
