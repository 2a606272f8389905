package importer

import (
	"context"
	"fmt"

	"migrate/internal/export"
	"migrate/internal/model"
)

// targetOf is the collection as the target is to have it.
func targetOf(m *export.Manifest, opts Options) (*model.Collection, error) {
	c, err := asWanted(m.Collection.Milvus(), opts)
	if err != nil {
		return nil, fmt.Errorf("importing %q: %w", m.Job, err)
	}
	if opts.Widen {
		Widen(c.Schema, m.Columns)
	}
	return c, nil
}

// asWanted is a collection under the name, with the indexes and with the keys that it is to have.
func asWanted(coll *model.Collection, opts Options) (*model.Collection, error) {
	wanted := *coll
	var err error
	if wanted.Indexes, err = coll.WithIndexTypes(opts.IndexTypes); err != nil {
		return nil, err
	}
	wanted.Name = opts.As
	if opts.KeepIDs {
		wanted.Schema = model.WithGivenKeys(coll.Schema)
	}
	return &wanted, nil
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
