package importer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"migrate/checkpoint"
	"migrate/internal/export"
	"migrate/internal/milvus"
)

// Parameters that tell one export of a name from another.
const (
	exportOf       = "export of"
	exportChecksum = "export checksum"
)

// newJob is an import that has not begun, bound to what it brings where.
func newJob(server *milvus.Server, m *export.Manifest, opts Options) checkpoint.Job {
	return checkpoint.Job{Kind: checkpoint.Import, Name: m.Job, Rows: m.Total.Rows, Params: map[string]string{
		"database": server.Database(), "collection": opts.As, exportOf: m.Started.Format(time.RFC3339Nano),
		exportChecksum: fmt.Sprintf("%016x", uint64(m.Total.Hash)), "keep ids": strconv.FormatBool(opts.KeepIDs),
	}}
}

// begin checks and creates, or resumes what is there.
func (im *importing) begin(ctx context.Context) error {
	if len(im.job.Job().Parts) > 0 {
		there, err := im.server.Exists(ctx, im.target.Name)
		if err != nil {
			return err
		}
		if there {
			return im.resume(ctx)
		}
		if err := im.startOver(ctx); err != nil {
			return err
		}
	}
	if before := im.job.Job().Before; before != nil { // it may have been done while this one checked
		if err := im.refuseDone(ctx, before); err != nil {
			return err
		}
	}
	if err := im.check(ctx); err != nil {
		return err
	}
	if err := im.create(ctx); err != nil {
		return err
	}
	coll, err := im.server.Describe(ctx, im.target.Name)
	if err != nil {
		return err
	}
	return im.job.Update(ctx, func(j *checkpoint.Job) {
		j.Target, j.RowsBefore = coll.ID, im.before
		for _, p := range im.manifest.Parts {
			if p.Object != "" {
				j.Parts = append(j.Parts, checkpoint.Part{Part: p})
			}
		}
	})
}

// resume makes sure that the target is still the one that the job began with and that the parts still to come are whole,
// and removes what a killed process staged and did not come to use.
func (im *importing) resume(ctx context.Context) error {
	job := im.job.Job()
	im.before = job.RowsBefore
	coll, err := im.server.Describe(ctx, im.target.Name)
	if err != nil {
		return err
	}
	if coll.ID != job.Target {
		return fmt.Errorf("collection %q on %s: %w: it is not the one that this import began with", coll.Name, im.server.Address, checkpoint.ErrOther)
	}
	inUse, todo := map[string]bool{}, []export.Part(nil)
	for _, p := range job.Parts {
		if p.State == checkpoint.Finished {
			continue
		}
		inUse[p.Staged], todo = true, append(todo, p.Part)
	}
	if err := im.checkParts(ctx, todo); err != nil {
		return err
	}
	return im.unstageAll(ctx, inUse)
}

// startOver forgets what was imported into a collection that somebody has dropped since, and what was staged for it: what a
// late call could still import lies in a file that is gone.
func (im *importing) startOver(ctx context.Context) error {
	slog.WarnContext(ctx, "the collection that this import had begun to fill was dropped; all parts are imported anew", "collection", im.target.Name)
	if err := im.unstageAll(ctx, nil); err != nil {
		return err
	}
	return im.job.Update(ctx, func(j *checkpoint.Job) { j.Parts, j.Target, j.RowsBefore = nil, 0, 0 })
}

// end leaves the job in order. One that submitted nothing leaves nothing behind.
func (im *importing) end(ctx context.Context, cause error) error {
	if cause == nil {
		return im.job.Release(ctx, checkpoint.Done, nil)
	}
	begun := func(p checkpoint.Part) bool { return p.State != checkpoint.Todo }
	lost := im.job.Confirm(ctx)
	if slices.ContainsFunc(im.job.Job().Parts, begun) || im.job.Resumed || lost != nil {
		return im.job.Suspend(ctx, errors.Join(lost, cause))
	}
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if im.created {
		cause = errors.Join(cause, im.server.Drop(clean, im.target.Name))
	}
	return errors.Join(cause, im.job.Remove(clean))
}
