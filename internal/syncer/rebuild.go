package syncer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"migrate/checkpoint"
	"migrate/internal/certificate"
	"migrate/sinks"
)

// Rebuild makes the checkpoint of a sync anew that is damaged or lost: all rows are compared again, and which side serves is
// what the newest certificate says. Where there is none, the source is taken to serve, and proved is false: the checkpoint is
// removed, and the next sync begins one. checkpoint.ErrNotDamaged where it can be read.
func Rebuild(ctx context.Context, sink sinks.Sink, job, collection string) (serving checkpoint.Side, proved bool, err error) {
	name := checkpoint.Name(checkpoint.Sync, job, collection)
	last, err := certificate.Latest(ctx, sink, job, collection)
	if err != nil {
		return "", false, err
	}
	if last == nil {
		return checkpoint.Source, false, discardDamaged(ctx, sink, name)
	}
	_, err = checkpoint.Replace(ctx, sink, name, func() (*checkpoint.Job, error) { return fromCertificate(job, last) })
	return checkpoint.Side(last.Serves.Role), true, err
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

// fromCertificate is the document as the switch left it; the alias may not have been moved.
func fromCertificate(job string, c *certificate.Certificate) (*checkpoint.Job, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encoding the certificate: %w", err)
	}
	source, target := c.Left, c.Serves
	if c.Serves.Role == string(checkpoint.Source) {
		source, target = target, source
	}
	return &checkpoint.Job{
		Format: checkpoint.Version, Kind: checkpoint.Sync, Name: job, State: checkpoint.Interrupted, Started: c.Made, Updated: c.Made,
		Params: params(source.Collection.Database, source.Collection.Name, target.Collection.Database, target.Collection.Name),
		Sync: &checkpoint.Position{
			Serving: checkpoint.Side(c.Serves.Role), Source: c.Serves.CollectionID, Target: c.Left.CollectionID,
			Switch: &checkpoint.Switch{At: c.Made, Until: c.WayBack, Alias: c.Alias, Before: c.Before, Undone: true, Certificate: text},
		},
	}, nil
}
