package move

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"migrate/checkpoint"
	"migrate/exporter"
	"migrate/internal/cutover"
	"migrate/internal/syncer"
	"migrate/sinks"
)

// ErrUndamaged: there is nothing to be made anew of a job.
var ErrUndamaged = errors.New("has no checkpoint that is damaged or lost")

// Rebuilt is a checkpoint that was made anew.
type Rebuilt struct {
	Kind checkpoint.Kind
	Name string

	Done, Parts int   // of an export or an import
	Rows        int64 // that are done

	Serving   syncer.Side // of a sync
	Certified bool        // that side is what the newest certificate names; otherwise the source is taken to serve
}

// Rebuild makes the damaged and lost checkpoints of a job anew, and reports those that were, also where another one could not be.
// ErrUndamaged where there are none.
func Rebuild(ctx context.Context, stores []sinks.Sink, job string) (rebuilt []Rebuilt, err error) {
	for _, store := range stores {
		documents, err := documentsOf(ctx, store, job)
		if err != nil {
			return rebuilt, err
		}
		for _, name := range documents {
			one, err := rebuild(ctx, store, job, name)
			if errors.Is(err, checkpoint.ErrNotDamaged) {
				continue
			}
			if err != nil {
				return rebuilt, err
			}
			rebuilt = append(rebuilt, one)
		}
	}
	if len(rebuilt) == 0 {
		return nil, fmt.Errorf("job %q %w; `migrate status` shows the jobs", job, ErrUndamaged)
	}
	return rebuilt, nil
}

// documentsOf are the names of a job's documents on a store, and of those that may be lost, which a certificate tells of.
func documentsOf(ctx context.Context, store sinks.Sink, job string) ([]string, error) {
	names, err := checkpoint.Names(ctx, store, job)
	if err != nil {
		return nil, err
	}
	switched, err := cutover.CertifiedCollections(ctx, store, job)
	if err != nil {
		return nil, err
	}
	for _, collection := range switched {
		if name := checkpoint.Name(checkpoint.Sync, job, collection); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

func rebuild(ctx context.Context, store sinks.Sink, job, name string) (Rebuilt, error) {
	if collection, ok := checkpoint.SyncOf(name); ok {
		serving, certified, err := cutover.Rebuild(ctx, store, job, collection)
		return Rebuilt{Kind: checkpoint.Sync, Name: job, Serving: serving, Certified: certified}, err
	}
	var whole checkpoint.Whole // an import's chunks are on its server
	if name == checkpoint.Name(checkpoint.Export, job, "") {
		whole = exporter.Whole(store, job)
	}
	j, err := checkpoint.Rebuild(ctx, store, name, whole)
	if err != nil {
		return Rebuilt{}, err
	}
	return Rebuilt{Kind: j.Kind, Name: j.Name, Done: j.Done.Parts, Parts: j.Planned.Parts, Rows: j.Done.Rows}, nil
}
