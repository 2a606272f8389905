// Package verify proves that two sides hold the same rows, or names the first that differ. Both sides are read by the
// same chunks; of each the order-free checksum over all columns is compared, and only where
// two differ are the rows held against each other one by one. Scattered chunks, whose keys lie among each other, are compared by a hash
// of their keys instead. So memory does not grow with the collection.
package verify

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/dustin/go-humanize"
	"golang.org/x/sync/errgroup"

	"migrate/internal/budget"
	"migrate/internal/columns"
	"migrate/internal/model"
	"migrate/internal/source"
)

// Options of a comparison. The zero value is useful.
type Options struct {
	Workers int // chunks compared at once; 4 where zero
	// Budget is what this comparison shares with others: each chunk that is under way takes one of it. None where nil.
	Budget *budget.Budget
	// WithoutKeys compares the rows without their primary keys, which the target has given anew. Then a difference can
	// be seen, but not named.
	WithoutKeys bool
	// IndexTypes are those that the target's indexes were asked to have, by field, in place of those on the left.
	IndexTypes map[string]string
	// Held is how many rows of scattered chunks are kept in memory at once where some differ, about, at 100 bytes each and the text of their
	// keys; 1,048,576 where zero. Beyond four thousand million rows in a partition it can be more.
	Held     int64
	Progress func(rows, bytes int64) // told of the rows read from the left side
}

// Report is the outcome of a comparison.
type Report struct {
	Equal  bool     `json:"equal"`
	Schema []string `json:"schema_differences,omitempty"` // of the fields, in words
	// Described are the differences of all but the rows. Those that are expected leave the two sides equal.
	Described  model.Differences `json:"description_differences,omitempty"`
	KeptKeys   bool              `json:"kept_keys,omitempty"` // the left side gives the keys, and the right one has kept them as clients' own
	NewKeys    bool              `json:"new_keys,omitempty"`  // the rows were compared without their keys
	Partitions []Partition       `json:"partitions"`
	Left       model.Sum         `json:"left"`
	Right      model.Sum         `json:"right"`
	Rows       Differences       `json:"differences"`
	// Defaulted is how many NULLs of the left side are the default of their field on the right one, as servers make them: these rows
	// count as equal.
	Defaulted  int64          `json:"defaulted,omitempty"`
	LeftFound  model.Findings `json:"left_findings"`
	RightFound model.Findings `json:"right_findings"`
	// ByValue are the columns of JSON that were compared by value, and not by their bytes, since a server of the two spells them anew.
	ByValue []string `json:"compared_by_value,omitempty"`

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

// InWords says how many rows there are of each kind, and names some of their keys.
func (d Differences) InWords() (told []string) {
	for _, kind := range []struct {
		rows int64
		keys []model.Key
		what string
	}{{d.Missing, d.MissingKeys, "missing on the target"}, {d.Extra, d.ExtraKeys, "on the target only"}, {d.Differing, d.DifferingKeys, "different"}} {
		if kind.rows == 0 {
			continue
		}
		text, before := fmt.Sprintf("%s rows %s", humanize.Comma(kind.rows), kind.what), ": keys "
		for _, k := range kind.keys { // none where rows are compared without them
			text, before = text+before+k.String(), ", "
		}
		told = append(told, text)
	}
	return told
}

// namedKeys is how many keys of each kind are named.
const namedKeys = 10

// chunkRows is how many rows are compared at once, where a side can be cut as one likes.
const chunkRows = 1 << 16

// Compare holds right against left, chunk by chunk of the left side's.
func Compare(ctx context.Context, left source.Source, right source.Ranged, opts Options) (*Report, error) {
	if opts.Workers == 0 {
		opts.Workers = 4
	}
	if opts.Held == 0 {
		opts.Held = 1 << 20
	}
	if opts.Progress == nil {
		opts.Progress = func(int64, int64) {}
	}
	c := &comparison{left: sideOf(left), right: sideOf(right), opts: opts}
	c.defaults = columns.DefaultsOf(c.right.coll.Schema)
	c.report = newReport(c.left.coll, c.right.coll, opts.IndexTypes)
	c.documents = source.SpelledAnew(left, right)
	c.report.ByValue = c.documents
	if c.report.NewKeys = opts.WithoutKeys; opts.WithoutKeys {
		c.without = []string{c.left.key}
	}
	if err := c.plan(ctx); err != nil {
		return nil, err
	}
	for _, name := range partitionsOf(c.left, c.right) {
		if err := c.partition(ctx, name); err != nil {
			return nil, fmt.Errorf("comparing partition %q: %w", name, err)
		}
	}
	if e, ok := left.(exported); ok {
		c.report.LeftFound.Duplicates.Add(e.Findings().Duplicates)
	}
	c.report.settle()
	return c.report, nil
}

// exported is a side that has one row of each key, and tells what its own source had.
type exported interface{ Findings() model.Findings }

// side is one of the two.
type side struct {
	source.Source
	coll   *model.Collection
	key    string        // the primary key's name
	chunks []model.Chunk // of its own plan
}

func sideOf(s source.Source) side {
	coll := s.Collection()
	return side{Source: s, coll: coll, key: model.PrimaryKey(coll.Schema).GetName()}
}

// in are the chunks of one partition.
func (s side) in(partition string) []model.Chunk {
	return slices.DeleteFunc(slices.Clone(s.chunks), func(c model.Chunk) bool { return c.Partition != partition })
}

// comparison is one Compare under way.
type comparison struct {
	left, right side
	opts        Options
	without     []string
	defaults    columns.Defaults // of the right side
	documents   []string         // columns that count by value
	scattered   bool             // the left side's chunks are

	mu     sync.Mutex
	report *Report
}

// plan cuts the left side, and the right one too where it is not compared by the left one's ranges.
func (c *comparison) plan(ctx context.Context) error {
	if err := c.left.cut(ctx); err != nil {
		return err
	}
	c.scattered = slices.ContainsFunc(c.left.chunks, func(chunk model.Chunk) bool { return chunk.Scattered })
	if !c.scattered && !c.opts.WithoutKeys {
		return nil
	}
	return c.right.cut(ctx)
}

func (s *side) cut(ctx context.Context) error {
	plan, err := s.Plan(ctx, source.Size{Rows: chunkRows})
	if err != nil {
		return fmt.Errorf("cutting %q into chunks: %w", s.coll.Name, err)
	}
	s.chunks = plan.Chunks
	return nil
}

func (c *comparison) partition(ctx context.Context, name string) error {
	p := &Partition{Name: name}
	compare := c.byRange
	switch {
	case c.opts.WithoutKeys:
		compare = c.bySum
	case c.scattered:
		compare = c.byKeys
	}
	if err := compare(ctx, p); err != nil {
		return err
	}
	c.report.Partitions = append(c.report.Partitions, *p)
	c.report.Left.Add(p.Left)
	c.report.Right.Add(p.Right)
	return nil
}

// byRange compares a partition chunk by chunk.
func (c *comparison) byRange(ctx context.Context, p *Partition) error {
	chunks := c.left.in(p.Name)
	if len(chunks) == 0 {
		chunks = []model.Chunk{{Partition: p.Name}}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.opts.Workers)
	for _, chunk := range chunks {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return c.opts.Budget.Do(ctx, func() error { return c.compareChunk(ctx, p, chunk) })
		})
	}
	return g.Wait()
}

// compareChunk compares checksums first. Where they differ the rows are read once more: a difference that passes was
// a write under way, or the server's own.
func (c *comparison) compareChunk(ctx context.Context, p *Partition, chunk model.Chunk) error {
	left, err := c.sum(ctx, c.left, chunk, c.opts.Progress)
	if err != nil {
		return err
	}
	right, err := c.sum(ctx, c.right, chunk, nil)
	if err != nil {
		return err
	}
	var d Differences
	if left.sum != right.sum {
		if d, left, right, err = c.diffChunk(ctx, chunk); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p.Left.Add(left.sum)
	p.Right.Add(right.sum)
	p.Arbitrary += d.Arbitrary
	c.report.Defaulted += left.defaulted - right.defaulted
	c.report.Rows.add(d)
	c.report.LeftFound.Add(left.found)
	c.report.RightFound.Add(right.found)
	return nil
}

// bySum compares the checksum of a partition as a whole, each side in its own ranges.
func (c *comparison) bySum(ctx context.Context, p *Partition) error {
	left, err := c.sumAll(ctx, c.left, p.Name, c.opts.Progress)
	if err != nil {
		return err
	}
	right, err := c.sumAll(ctx, c.right, p.Name, nil)
	p.Left, p.Right = left.sum, right.sum
	c.report.Defaulted += left.defaulted - right.defaulted
	c.report.LeftFound.Add(left.found)
	c.report.RightFound.Add(right.found)
	return err
}

func (c *comparison) sumAll(ctx context.Context, s side, partition string, progress func(int64, int64)) (total outcome, err error) {
	var mu sync.Mutex
	err = c.eachChunk(ctx, s, partition, func(ctx context.Context, chunk model.Chunk) error {
		o, err := c.sum(ctx, s, chunk, progress)
		mu.Lock()
		defer mu.Unlock()
		total.add(o)
		return err
	})
	return total, err
}

// eachChunk calls back for every chunk of a partition of one side, for several at once.
func (c *comparison) eachChunk(ctx context.Context, s side, partition string, call func(context.Context, model.Chunk) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.opts.Workers)
	for _, chunk := range s.in(partition) {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return c.opts.Budget.Do(ctx, func() error { return call(ctx, chunk) })
		})
	}
	return g.Wait()
}

// outcome is what a read of one chunk of one side came to.
type outcome struct {
	sum       model.Sum
	found     model.Findings
	defaulted int64 // NULLs that count as the default of their field
}

// add adds what a read of another chunk of that side came to.
func (o *outcome) add(other outcome) {
	o.sum.Add(other.sum)
	o.defaulted += other.defaulted
	o.found.Add(other.found)
}

// sum reads one chunk of one side.
func (c *comparison) sum(ctx context.Context, s side, chunk model.Chunk, progress func(int64, int64)) (o outcome, err error) {
	stream, err := s.read(ctx, chunk)
	if err != nil {
		return o, err
	}
	for rec, err := range source.Rows(stream) {
		if err != nil {
			return o, err
		}
		if _, err := c.hash(rec, &o, c.without...); err != nil {
			return o, err
		}
		if progress != nil {
			progress(rec.NumRows(), columns.Bytes(rec))
		}
	}
	o.found = stream.Findings()
	return o, nil
}

// hash hashes the rows of a batch of either side as the right one has them, where a NULL in a field with a default is the default.
func (c *comparison) hash(rec arrow.Record, o *outcome, without ...string) ([]uint64, error) {
	hashes, nulls, err := c.defaults.Hash(columns.ByValue(rec, c.documents), without...)
	if err != nil {
		return nil, err
	}
	o.sum.AddRows(hashes)
	o.defaulted += nulls
	return hashes, nil
}

// read reads a chunk, which is empty where the side has not its partition.
func (s side) read(ctx context.Context, chunk model.Chunk) (source.Stream, error) {
	if !slices.Contains(s.coll.PartitionsToRead(), chunk.Partition) {
		return source.Empty{}, nil
	}
	return s.Read(ctx, chunk)
}
