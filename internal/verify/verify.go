// Package verify proves that two sides hold the same rows, or names the first that differ. Both sides are read by the
// same ranges of the primary key; of each range the order-free checksum over all columns is compared, and only where
// two differ are the rows held against each other one by one. So memory does not grow with the collection.
package verify

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"golang.org/x/sync/errgroup"

	"migrate/internal/columns"
	"migrate/internal/model"
)

// Side is one of the two: a collection on a server, or an export.
type Side interface {
	Schema() *schemapb.CollectionSchema
	Described() *model.Collection // all of the collection but its rows
	Partitions() []string
	// Ranges cuts the keys of a partition into ranges that cover every key once.
	Ranges(ctx context.Context, partition string) ([]model.Range, error)
	// Read hands on the rows of a range, and says what it could not read or found doubled.
	Read(ctx context.Context, partition string, rng model.Range, emit func(arrow.Record) error) (model.Findings, error)
}

// Options of a comparison. The zero value is useful.
type Options struct {
	Workers int // ranges compared at once; 4 where zero
	// WithoutKeys compares the rows without their primary keys, which the target has given anew. Then a difference can
	// be seen, but not named.
	WithoutKeys bool
	Progress    func(rows, bytes int64) // told of the rows read from the left side
}

// Report is the outcome of a comparison.
type Report struct {
	Equal  bool     `json:"equal"`
	Schema []string `json:"schema_differences,omitempty"` // of the fields, in words
	// Described are the differences of all but the rows. Those that are expected leave the two sides equal.
	Described  model.Differences `json:"description_differences,omitempty"`
	KeptKeys   bool              `json:"kept_keys,omitempty"` // the left side gives the keys, and the right one has kept them as clients' own
	Partitions []Partition       `json:"partitions"`
	Left       model.Sum         `json:"left"`
	Right      model.Sum         `json:"right"`
	Rows       Differences       `json:"differences"`
	LeftFound  model.Findings    `json:"left_findings"`
	RightFound model.Findings    `json:"right_findings"`

	sameRows bool
}

// Partition is the outcome for one partition.
type Partition struct {
	Name      string    `json:"name"`
	Left      model.Sum `json:"left"`
	Right     model.Sum `json:"right"`
	Arbitrary int64     `json:"arbitrary,omitempty"` // rows that differ, of keys that the left side has several rows of
}

// Differences counts the rows of each kind, and names the first keys of each.
type Differences struct {
	Missing       int64       `json:"missing"`     // on the left only
	Extra         int64       `json:"extra"`       // on the right only, further rows of a duplicate key included
	Differing     int64       `json:"differing"`   // on both, with other columns
	Arbitrary     int64       `json:"arbitrary"`   // of those that differ, keys of several rows on the left: a query returns any of them
	Uncheckable   int64       `json:"uncheckable"` // counted by a server that does not return them
	MissingKeys   []model.Key `json:"missing_keys,omitempty"`
	ExtraKeys     []model.Key `json:"extra_keys,omitempty"`
	DifferingKeys []model.Key `json:"differing_keys,omitempty"`
}

// namedKeys is how many keys of each kind are named.
const namedKeys = 10

// Compare holds right against left.
func Compare(ctx context.Context, left, right Side, opts Options) (*Report, error) {
	if opts.Workers == 0 {
		opts.Workers = 4
	}
	if opts.Progress == nil {
		opts.Progress = func(int64, int64) {}
	}
	c := &comparison{left: left, right: right, opts: opts, report: newReport(left, right)}
	if opts.WithoutKeys {
		c.without = []string{keyName(left.Schema())}
	}
	for _, name := range partitionsOf(left, right) {
		if err := c.partition(ctx, name); err != nil {
			return nil, fmt.Errorf("comparing partition %q: %w", name, err)
		}
	}
	if e, ok := left.(Export); ok { // which has one row of each key, and tells what its source had
		c.report.LeftFound.Duplicates.Add(e.Manifest.Findings.Duplicates)
	}
	c.report.settle()
	return c.report, nil
}

// comparison is one Compare under way.
type comparison struct {
	left, right Side
	opts        Options
	without     []string

	mu     sync.Mutex
	report *Report
}

func (c *comparison) partition(ctx context.Context, name string) error {
	p := &Partition{Name: name}
	compare := c.byRange
	if c.opts.WithoutKeys {
		compare = c.bySum
	}
	if err := compare(ctx, p); err != nil {
		return err
	}
	c.report.Partitions = append(c.report.Partitions, *p)
	c.report.Left.Add(p.Left)
	c.report.Right.Add(p.Right)
	return nil
}

// byRange compares a partition range by range.
func (c *comparison) byRange(ctx context.Context, p *Partition) error {
	ranges := []model.Range{{}}
	if slices.Contains(c.left.Partitions(), p.Name) {
		var err error
		if ranges, err = c.left.Ranges(ctx, p.Name); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.opts.Workers)
	for _, rng := range ranges {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return c.compareRange(ctx, p, rng)
		})
	}
	return g.Wait()
}

// compareRange compares checksums first. Where they differ the rows are read once more: a difference that passes was
// a write under way, or the server's own.
func (c *comparison) compareRange(ctx context.Context, p *Partition, rng model.Range) error {
	left, err := c.sum(ctx, c.left, p.Name, rng, c.opts.Progress)
	if err != nil {
		return err
	}
	right, err := c.sum(ctx, c.right, p.Name, rng, nil)
	if err != nil {
		return err
	}
	var d Differences
	if left.sum != right.sum {
		if d, left, right, err = c.diffRange(ctx, p.Name, rng); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p.Left.Add(left.sum)
	p.Right.Add(right.sum)
	p.Arbitrary += d.Arbitrary
	c.report.Rows.add(d)
	c.report.LeftFound.Add(left.found)
	c.report.RightFound.Add(right.found)
	return nil
}

// bySum compares the checksum of a partition as a whole, each side in its own ranges.
func (c *comparison) bySum(ctx context.Context, p *Partition) error {
	var err error
	if p.Left, c.report.LeftFound, err = c.sumAll(ctx, c.left, p.Name, c.report.LeftFound, c.opts.Progress); err != nil {
		return err
	}
	p.Right, c.report.RightFound, err = c.sumAll(ctx, c.right, p.Name, c.report.RightFound, nil)
	return err
}

func (c *comparison) sumAll(ctx context.Context, side Side, partition string, found model.Findings, progress func(int64, int64)) (model.Sum, model.Findings, error) {
	var total model.Sum
	if !slices.Contains(side.Partitions(), partition) {
		return total, found, nil
	}
	ranges, err := side.Ranges(ctx, partition)
	if err != nil {
		return total, found, err
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.opts.Workers)
	for _, rng := range ranges {
		g.Go(func() error {
			o, err := c.sum(ctx, side, partition, rng, progress)
			mu.Lock()
			defer mu.Unlock()
			total.Add(o.sum)
			found.Add(o.found)
			return err
		})
	}
	err = g.Wait()
	return total, found, err
}

// outcome is what a read of one range of one side came to.
type outcome struct {
	sum   model.Sum
	found model.Findings
}

// sum reads one range of one side.
func (c *comparison) sum(ctx context.Context, side Side, partition string, rng model.Range, progress func(int64, int64)) (o outcome, err error) {
	if !slices.Contains(side.Partitions(), partition) {
		return o, nil
	}
	o.found, err = side.Read(ctx, partition, rng, func(rec arrow.Record) error {
		hashes, err := columns.Hash(rec, c.without...)
		if err != nil {
			return err
		}
		o.sum.AddRows(hashes)
		if progress != nil {
			progress(rec.NumRows(), columns.Bytes(rec))
		}
		return nil
	})
	return o, err
}
