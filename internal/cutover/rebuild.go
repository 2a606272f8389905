package cutover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"migrate/checkpoint"
	"migrate/internal/syncer"
	"migrate/sinks"
)

// Rebuild makes the checkpoint of a sync anew that is damaged or lost: all rows are compared again, and which side serves is
// what the newest certificate says. Where there is none, the source is taken to serve, and proved is false: the checkpoint is
// removed, and the next sync begins one. checkpoint.ErrNotDamaged where it can be read.
func Rebuild(ctx context.Context, sink sinks.Sink, job, collection string) (serving syncer.Side, proved bool, err error) {
	name := checkpoint.Name(checkpoint.Sync, job, collection)
	last, err := LatestCertificate(ctx, sink, job, collection)
	if err != nil {
		return "", false, err
	}
	if last == nil {
		return syncer.Source, false, discardDamaged(ctx, sink, name)
	}
	return syncer.Side(last.Serves.Role), true, restore(ctx, sink, job, last)
}

func discardDamaged(ctx context.Context, sink sinks.Sink, name string) error {
	_, err := checkpoint.Read(ctx, sink, name)
	switch {
	case err == nil:
		return fmt.Errorf("rebuilding %s: %w", name, checkpoint.ErrNotDamaged)
	case !errors.Is(err, checkpoint.ErrDamaged):
		return err
	}
	return checkpoint.Discard(ctx, sink, name)
}

// restore makes the checkpoint anew as the switch left it; the alias may not have been moved.
func restore(ctx context.Context, sink sinks.Sink, job string, c *Certificate) error {
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encoding the certificate: %w", err)
	}
	source, target := c.source().Collection, c.target().Collection
	return syncer.Restore(ctx, sink, job, syncer.Route{
		SourceDatabase: source.Database, Source: source.Name, TargetDatabase: target.Database, Target: target.Name,
	}, c.Made, &syncer.Position{
		Serving: syncer.Side(c.Serves.Role), Source: c.Serves.CollectionID, Target: c.Left.CollectionID,
		Switch: &syncer.Switch{At: c.Made, Until: c.WayBack, Alias: c.Alias, Before: c.Before, Undone: true, Certificate: text},
	})
}
