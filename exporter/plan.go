package exporter

import (
	"context"
	"errors"

	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
)

// Plan is what an export is about to do.
type Plan struct {
	Collection *model.Collection
	Rows       int64
	Bytes      int64         // estimated from the size of the first rows
	Ranges     []model.Chunk // of keys, each of which becomes one part
}

// Check refuses a collection that an export would refuse as it stands.
func Check(ctx context.Context, server *milvus.Server, collection string) error {
	from, err := open(ctx, server, collection, Options{})
	if err != nil {
		return err
	}
	return from.Close(ctx)
}

func open(ctx context.Context, server *milvus.Server, collection string, opts Options) (source.Source, error) {
	coll, err := describe(ctx, server, collection, opts)
	if err != nil {
		return nil, err
	}
	way, err := opts.way(server, coll)
	if err != nil {
		return nil, err
	}
	return way.Open(ctx, coll, nil)
}

// PlanExport describes a collection and cuts it into chunks, and changes nothing.
func PlanExport(ctx context.Context, server *milvus.Server, collection string, opts Options) (_ *Plan, err error) {
	opts.Load = false
	from, err := open(ctx, server, collection, opts)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, from.Close(ctx)) }()
	plan, err := from.Plan(ctx, opts.withDefaults().size())
	if err != nil {
		return nil, err
	}
	return &Plan{Collection: from.Collection(), Rows: plan.Rows, Bytes: plan.Bytes, Ranges: plan.Chunks}, nil
}

// mostPartRows bounds what a verification keeps in memory.
const mostPartRows = 1 << 20

// size is what is aimed at for a part.
func (o Options) size() source.Size {
	return source.Size{Rows: mostPartRows, Bytes: o.PartBytes, Workers: o.Workers}
}
