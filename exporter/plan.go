package exporter

import (
	"context"

	"migrate/internal/columns"
	"migrate/internal/milvus"
	"migrate/internal/source"
)

// Plan is what an export is about to do.
type Plan struct {
	Collection *milvus.Collection
	Rows       int64
	Bytes      int64 // estimated from the size of the first rows
	Ranges     []Range

	reader *source.Reader
}

// Range is one range of keys of one partition, and becomes one part.
type Range struct {
	Partition string
	Number    int // within the partition
	columns.Range
	Rows int64
}

// PlanExport describes a collection and cuts it into ranges, and changes nothing.
func PlanExport(ctx context.Context, server *milvus.Server, collection string, opts Options) (*Plan, error) {
	coll, err := describe(ctx, server, collection)
	if err != nil {
		return nil, err
	}
	return newPlan(ctx, server, coll, opts.withDefaults())
}

func newPlan(ctx context.Context, server *milvus.Server, coll *milvus.Collection, opts Options) (*Plan, error) {
	reader, err := source.Open(ctx, server, coll)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Collection: coll, reader: reader}
	for _, partition := range reader.Partitions() {
		if err := plan.add(ctx, partition, opts); err != nil {
			return nil, err
		}
	}
	plan.Bytes = int64(float64(plan.Rows) * reader.RowBytes)
	return plan, nil
}

func (p *Plan) add(ctx context.Context, partition string, opts Options) error {
	total, err := p.reader.Count(ctx, partition, columns.Range{})
	if err != nil {
		return err
	}
	ranges, err := p.reader.Split(ctx, partition, partRows(total, p.reader.RowBytes, opts))
	if err != nil {
		return err
	}
	for i, rng := range ranges {
		p.Ranges = append(p.Ranges, Range{Partition: partition, Number: i, Range: rng.Range, Rows: rng.Rows})
		p.Rows += rng.Rows
	}
	return nil
}

const (
	leastPartBytes = 16 << 20
	mostPartRows   = 1 << 20 // bounds what a verification keeps in memory
)

// partRows sizes the parts: a few large ones import faster than many small ones, but every worker should have one.
func partRows(total int64, rowBytes float64, opts Options) int64 {
	bytes := max(float64(total)*rowBytes/float64(opts.Workers), leastPartBytes)
	bytes = min(bytes, float64(opts.PartBytes))
	return min(max(int64(bytes/max(rowBytes, 1)), 1), mostPartRows)
}
