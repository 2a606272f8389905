package importer

import (
	"cmp"
	"context"
	"fmt"

	"migrate/internal/export"
	"migrate/internal/model"
)

// targetOf is the collection as the target is to have it.
func targetOf(can model.Capabilities, m *export.Manifest, opts Options) (*model.Collection, error) {
	opts.NewKeys = opts.NewKeys || m.Keyless()
	c, err := Wanted(can, m.Collection.Milvus(), opts)
	if err != nil {
		return nil, fmt.Errorf("importing %q: %w", m.Job, err)
	}
	if opts.Widen {
		Widen(c.Schema, m.Columns)
	}
	return c, nil
}

// Wanted is a collection as an import makes it on a server: under the name, with the indexes and with the keys that it is to have.
func Wanted(can model.Capabilities, coll *model.Collection, opts Options) (*model.Collection, error) {
	wanted := *coll
	var err error
	if wanted.Indexes, err = coll.WithIndexTypes(opts.IndexTypes); err != nil {
		return nil, err
	}
	wanted.Name = cmp.Or(opts.As, coll.Name)
	switch {
	case opts.KeepIDs:
		wanted.Schema = model.WithGivenKeys(coll.Schema)
	case !opts.NewKeys && (opts.Via != Bulk || can.ImportsAutoIDs):
		return can.KeepingAutoIDs(&wanted), nil
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
