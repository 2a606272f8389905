package move

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"migrate/checkpoint"
	"migrate/importer"
	"migrate/internal/cutover"
	"migrate/internal/milvus"
	"migrate/sinks"
)

// Unfinished are the exports and imports of a job that are to be resumed, in the order of the stores: at least one.
func Unfinished(ctx context.Context, stores []sinks.Sink, name string) ([]checkpoint.Job, error) {
	left, known, err := unfinished(ctx, stores, func(job string) bool { return job == name })
	switch {
	case err != nil:
		return nil, err
	case known == 0:
		return nil, noJob(name)
	case len(left) == 0:
		return nil, fmt.Errorf("nothing of job %q is left to be done; `migrate status` shows the jobs", name)
	}
	return left, nil
}

// UnfinishedOf are the exports and imports that are to be resumed of the collections that are meant, in the order of the stores.
func UnfinishedOf(ctx context.Context, stores []sinks.Sink, of Selection) ([]checkpoint.Job, error) {
	left, _, err := unfinished(ctx, stores, of.MeansJob)
	return left, err
}

// unfinished are the exports and imports that are to be resumed of the jobs that are meant, and how many documents there are of these.
func unfinished(ctx context.Context, stores []sinks.Sink, meant func(job string) bool) (left []checkpoint.Job, known int, err error) {
	for _, store := range stores {
		found, err := checkpoint.List(ctx, store)
		if err != nil {
			return nil, 0, err
		}
		for _, j := range found {
			if !meant(j.Name) {
				continue
			}
			known++
			if j.State != checkpoint.Done && j.Kind != checkpoint.Sync {
				left = append(left, j)
			}
		}
	}
	return left, known, nil
}

func noJob(name string) error {
	return fmt.Errorf("there is no job %q here; `migrate status` shows the jobs of a sink and a staging store", name)
}

// Removal is a job that is to be removed, with all that it wrote to its stores. What was imported into a target stays.
type Removal struct {
	Job   string
	Force bool // also a complete export, and what tells which side serves since a cutover
	// Target connects to the target's server and one of its databases, to drop the aliases that an import by inserts may have left there;
	// nil where it is not known.
	Target func(ctx context.Context, database string) (*milvus.Server, error)
}

// Remove removes a job that is there and that nobody owns.
func Remove(ctx context.Context, stores []sinks.Sink, r Removal) error {
	found, err := Statuses(ctx, stores, r.Job)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return noJob(r.Job)
	}
	if !r.Force {
		if err := refuseComplete(found); err != nil {
			return err
		}
		if err := refuseSwitched(ctx, stores, r.Job, found); err != nil {
			return err
		}
	}
	inserted, err := insertedBy(ctx, stores, r.Job)
	if err != nil {
		return err
	}
	for _, store := range stores {
		if err := checkpoint.Remove(ctx, store, r.Job); err != nil {
			return err
		}
	}
	for _, p := range inserted {
		if err := r.dropFences(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// insertedBy are the imports by inserts of a job that have not ended, so that they may have left an alias on the target.
func insertedBy(ctx context.Context, stores []sinks.Sink, job string) (inserted []importer.Params, err error) {
	for _, store := range stores {
		found, err := checkpoint.List(ctx, store)
		if err != nil {
			return nil, err
		}
		for _, j := range found {
			if j.Name != job || j.Kind != checkpoint.Import || j.State == checkpoint.Done {
				continue
			}
			if p, err := importer.ParamsOf(j); err == nil && p.Via == importer.Insert { // one that can't be read is removed all the same
				inserted = append(inserted, p)
			}
		}
	}
	return inserted, nil
}

// dropFences drops the aliases of an import that was removed.
func (r Removal) dropFences(ctx context.Context, p importer.Params) error {
	if r.Target == nil {
		slog.WarnContext(ctx, "the import inserted rows, and an alias _migrate_… of the collection may be left on the target; name the target to have it dropped",
			"collection", p.Collection)
		return nil
	}
	server, err := r.Target(ctx, p.Database)
	if err != nil {
		return err
	}
	defer server.Close()
	plain, within := checkpoint.ImportNames(r.Job, p.Database, p.Collection)
	for _, name := range []string{plain, within} {
		fences, err := server.Fences(ctx, p.Collection, name)
		if errors.Is(err, milvus.ErrNotFound) {
			return nil
		}
		if err == nil {
			err = server.DropFences(ctx, fences)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func refuseComplete(found []Status) error {
	for _, j := range found {
		if j.Kind == checkpoint.Export && j.State == checkpoint.Done {
			return fmt.Errorf("removing %q: it is a complete export; remove it with --force", j.Job)
		}
	}
	return nil
}

// refuseSwitched refuses to remove what tells which side serves since a cutover, and what can't be read and may tell it.
func refuseSwitched(ctx context.Context, stores []sinks.Sink, job string, found []Status) error {
	for _, j := range found {
		switch {
		case j.Sync != nil && j.Sync.Serving != "":
			return fmt.Errorf("removing %q: after a cutover its checkpoint tells which side serves (the %s); remove it with --force", job, j.Sync.Serving)
		case j.Kind == "":
			return fmt.Errorf("removing %q: one of its checkpoints can't be read: %s; see `migrate jobs rebuild`, or remove it with --force", job, j.LastError)
		}
	}
	for _, store := range stores {
		switched, err := cutover.CertifiedCollections(ctx, store, job)
		if err != nil {
			return err
		}
		if len(switched) > 0 {
			return fmt.Errorf("removing %q: there are certificates of a cutover, which tell which side serves; remove it with --force", job)
		}
	}
	return nil
}
