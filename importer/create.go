package importer

import (
	"context"
	"fmt"

	"migrate/internal/export"
	"migrate/internal/model"
)

// targetOf is the collection as the target is to have it.
func targetOf(m *export.Manifest, opts Options) (*model.Collection, error) {
	c := m.Collection.Milvus()
	indexes, err := c.WithIndexTypes(opts.IndexTypes)
	if err != nil {
		return nil, fmt.Errorf("importing %q: %w", m.Job, err)
	}
	c.Name, c.Indexes = opts.As, indexes
	if opts.KeepIDs {
		c.Schema = model.WithGivenKeys(c.Schema)
	}
	if opts.Widen {
		Widen(c.Schema, m.Columns)
	}
	return c, nil
}

// create makes the collection unless it is there.
func (im *importing) create(ctx context.Context) error {
	exists, err := im.server.Exists(ctx, im.target.Name)
	if err != nil {
		return err
	}
	if exists {
		return im.server.CreatePartitions(ctx, im.target)
	}
	// Only what surely was made here is dropped after a failure: an empty collection left behind does no harm.
	err = im.server.Create(ctx, im.target)
	im.created = err == nil
	return err
}
