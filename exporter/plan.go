package exporter

import (
	"context"

	"golang.org/x/sync/errgroup"

	"migrate/checkpoint"
	"migrate/internal/export"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source/query"
)

// Plan is what an export is about to do.
type Plan struct {
	Collection *model.Collection
	Rows       int64
	Bytes      int64 // estimated from the size of the first rows
	Ranges     []Range
}

// Range is one range of keys of one partition, and becomes one part.
type Range struct {
	Partition string
	Number    int // within the partition
	model.Range
	Rows int64
}

// Check refuses a collection that an export would refuse as it stands.
func Check(ctx context.Context, server *milvus.Server, collection string) error {
	_, err := open(ctx, server, collection)
	return err
}

func open(ctx context.Context, server *milvus.Server, collection string) (*query.Reader, error) {
	coll, err := describe(ctx, server, collection)
	if err != nil {
		return nil, err
	}
	return query.Open(ctx, server, coll)
}

// PlanExport describes a collection and cuts it into ranges, and changes nothing.
func PlanExport(ctx context.Context, server *milvus.Server, collection string, opts Options) (*Plan, error) {
	reader, err := open(ctx, server, collection)
	if err != nil {
		return nil, err
	}
	return planRanges(ctx, reader, opts.withDefaults(), 0)
}

// planRanges cuts every partition by what the server knows already, and those again of which that was not all: a server
// needs a fifth of a second until it knows what was written last, and cutting fills the time: the first ranges, so many as
// are ahead, are cut into their pages too.
func planRanges(ctx context.Context, reader *query.Reader, opts Options, ahead int) (*Plan, error) {
	loose := reader.Loosely()
	guess, err := cut(ctx, loose, opts, nil)
	if err != nil {
		return nil, err
	}
	stop := cutAhead(ctx, loose, guess, ahead)
	same, err := reader.Resample(ctx)
	stop()
	if err != nil {
		return nil, err
	}
	if !same {
		guess = nil
	}
	all, err := cut(ctx, reader, opts, guess)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Collection: reader.Collection}
	for i, partition := range reader.Partitions() {
		plan.add(partition, all[i].ranges)
	}
	plan.Bytes = int64(float64(plan.Rows) * reader.RowBytes)
	return plan, nil
}

// cutAhead cuts the ranges that are read first into their pages, until it is stopped: those that it did not get to, or that
// it failed at, are cut when they are read.
func cutAhead(ctx context.Context, reader *query.Reader, guess []cuts, ranges int) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error {
		for i, partition := range reader.Partitions() {
			for _, rng := range guess[i].ranges {
				if ranges--; ranges < 0 {
					return nil
				}
				if err := reader.CutAhead(ctx, partition, rng); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return func() {
		cancel()
		_ = g.Wait()
	}
}

// cuts are the ranges of one partition, and the rows that it counted before it was cut.
type cuts struct {
	total  int64
	ranges []query.Counted
}

// hold reports whether the partition had all of these rows from before it was cut, and all of them are in the ranges.
func (c cuts) hold(total int64) bool {
	var rows int64
	for _, r := range c.ranges {
		rows += r.Rows
	}
	return c.total == total && rows == total
}

// cut cuts each partition into ranges, unless the guess for it holds.
func cut(ctx context.Context, reader *query.Reader, opts Options, guess []cuts) (all []cuts, err error) {
	for i, partition := range reader.Partitions() {
		total, err := reader.Count(ctx, partition, model.Range{})
		if err != nil {
			return nil, err
		}
		if guess != nil && guess[i].hold(total) {
			all = append(all, guess[i])
			continue
		}
		ranges, err := reader.Split(ctx, partition, partRows(total, reader.RowBytes, opts))
		if err != nil {
			return nil, err
		}
		all = append(all, cuts{total, ranges})
	}
	return all, nil
}

func (p *Plan) add(partition string, ranges []query.Counted) {
	for i, rng := range ranges {
		p.Ranges = append(p.Ranges, Range{Partition: partition, Number: i, Range: rng.Range, Rows: rng.Rows})
		p.Rows += rng.Rows
	}
}

// parts are the plan's ranges as a job records them.
func (p *Plan) parts() []checkpoint.Part {
	parts := make([]checkpoint.Part, len(p.Ranges))
	for i, r := range p.Ranges {
		parts[i] = checkpoint.Part{
			Part: export.Part{Partition: r.Partition, Range: r.Range}, Number: r.Number, Planned: r.Rows,
		}
	}
	return parts
}

// planOf is the plan that a job was begun with.
func planOf(reader *query.Reader, parts []checkpoint.Part) *Plan {
	plan := &Plan{Collection: reader.Collection}
	for _, p := range parts {
		plan.Ranges = append(plan.Ranges, Range{Partition: p.Partition, Number: p.Number, Range: p.Range, Rows: p.Planned})
		plan.Rows += p.Planned
	}
	plan.Bytes = int64(float64(plan.Rows) * reader.RowBytes)
	return plan
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
