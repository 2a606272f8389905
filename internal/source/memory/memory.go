// Package memory is a source for tests: rows in memory, read in the order of their keys and always as they stand now. Reads can be
// made to fail, rows to be duplicates, or to be counted and never returned.
package memory

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/model"
	"migrate/internal/source"
)

// batchRows is how many rows a batch has where nobody asks for another number.
const batchRows = 100

// Source is one collection, all of it in memory. Its fields may be set until it is first read.
type Source struct {
	BatchRows int                                      // of a batch; 100 where zero
	Hide      []model.Key                              // counted and never returned
	Reading   func(context.Context, model.Chunk) error // called before a chunk is read; its error ends the read
	Planning  func(context.Context) error              // called before a plan is made or a range is split
	Closed    func()                                   // called by Close

	coll   *model.Collection
	layout *columns.Layout
	store  *store
	sealed bool // growing rows are left out
}

// store is the rows that all views of a source share.
type store struct {
	mu       sync.Mutex
	rows     []row
	segments map[int64]int64 // rows that were ever written to each, by number
}

type row struct {
	partition string
	key       model.Key
	rec       arrow.Record // of one row
	growing   bool
}

// New is an empty collection.
func New(coll *model.Collection) (*Source, error) {
	layout, err := columns.NewLayout(coll.Schema)
	if err != nil {
		return nil, err
	}
	return &Source{coll: coll, layout: layout, store: &store{segments: map[int64]int64{}}}, nil
}

// Insert writes rows, which are growing until the next Mark, beside those that have the same keys.
func (s *Source) Insert(partition string, data []*schemapb.FieldData) error {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	return s.insert(partition, data)
}

// Upsert writes rows in place of all that have the same keys.
func (s *Source) Upsert(partition string, data []*schemapb.FieldData) error {
	rec, err := s.layout.Decode(data)
	if err != nil {
		return err
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.remove(s.layout.Keys(rec))
	return s.insert(partition, data)
}

// Delete removes all rows of some keys.
func (s *Source) Delete(keys ...model.Key) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.remove(keys)
}

func (s *Source) insert(partition string, data []*schemapb.FieldData) error {
	rec, err := s.layout.Decode(data)
	if err != nil {
		return err
	}
	for i, k := range s.layout.Keys(rec) {
		s.store.rows = append(s.store.rows, row{partition, k.Clone(), rec.NewSlice(int64(i), int64(i)+1), true})
	}
	s.store.segments[int64(len(s.store.segments)+1)] = rec.NumRows()
	return nil
}

func (s *Source) remove(keys []model.Key) {
	s.store.rows = slices.DeleteFunc(s.store.rows, func(r row) bool { return slices.Contains(keys, r.key) })
}

// found are the rows of a range, in the order of their keys; s.store.mu is held by nobody.
func (s *Source) found(partition string, in func(model.Key) bool) []row {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	var found []row
	for _, r := range s.store.rows {
		if (partition == model.AllPartitions || r.partition == partition) && in(r.key) && !(s.sealed && r.growing) {
			found = append(found, r)
		}
	}
	slices.SortStableFunc(found, func(a, b row) int { return a.key.Compare(b.key) })
	return found
}

// Scattered is a source of the same rows, every copy of a duplicate key among them, in so many scattered chunks a partition: in the order
// in which they were written, one row to each chunk in turn.
type Scattered struct {
	Of     *Source
	Chunks int
}

// Collection is that of the source.
func (s Scattered) Collection() *model.Collection { return s.Of.coll }

// Close does what the source's does.
func (s Scattered) Close(ctx context.Context) error { return s.Of.Close(ctx) }

// Plan has the chunks of each partition.
func (s Scattered) Plan(context.Context, source.Size) (*source.Plan, error) {
	plan := &source.Plan{}
	for _, p := range s.Of.coll.PartitionsToRead() {
		for n := range s.Chunks {
			rows := int64(len(s.chunk(p, n)))
			plan.Chunks = append(plan.Chunks, model.Chunk{Partition: p, Number: n, Rows: rows, Scattered: true})
			plan.Rows += rows
		}
	}
	plan.Bytes = plan.Rows * int64(s.Of.layout.RowBytes())
	return plan, nil
}

// Read reads the rows that a chunk has when the first is asked for.
func (s Scattered) Read(ctx context.Context, chunk model.Chunk, names ...string) (source.Stream, error) {
	return s.Of.stream(ctx, chunk, func() ([]row, model.Findings, error) {
		return s.chunk(chunk.Partition, chunk.Number), model.Findings{}, nil
	}, names...)
}

// chunk are the rows of the n-th chunk of a partition; s.Of.store.mu is held by nobody.
func (s Scattered) chunk(partition string, n int) (some []row) {
	s.Of.store.mu.Lock()
	defer s.Of.store.mu.Unlock()
	at := 0
	for _, r := range s.Of.store.rows {
		if partition != model.AllPartitions && r.partition != partition {
			continue
		}
		if at%s.Chunks == n {
			some = append(some, r)
		}
		at++
	}
	return some
}

func within(rng model.Range) func(model.Key) bool {
	return func(k model.Key) bool {
		return (rng.After == nil || k.Compare(*rng.After) > 0) && (rng.UpTo == nil || k.Compare(*rng.UpTo) <= 0)
	}
}

func among(keys []model.Key) func(model.Key) bool {
	return func(k model.Key) bool { return slices.Contains(keys, k) }
}

// Collection is all of the collection but its rows.
func (s *Source) Collection() *model.Collection { return s.coll }

// Plan cuts every partition.
func (s *Source) Plan(ctx context.Context, size source.Size) (*source.Plan, error) {
	plan, most := &source.Plan{}, cmp.Or(size.Rows, 1<<20)
	if size.Bytes > 0 {
		most = min(most, max(size.Bytes/int64(s.layout.RowBytes()), 1))
	}
	for _, p := range s.coll.PartitionsToRead() {
		chunks, err := s.Split(ctx, p, model.Range{}, most)
		if err != nil {
			return nil, err
		}
		for _, c := range chunks {
			plan.Chunks = append(plan.Chunks, c)
			plan.Rows += c.Rows
		}
	}
	plan.Bytes = plan.Rows * int64(s.layout.RowBytes())
	return plan, nil
}

// Split cuts a range after each so many rows.
func (s *Source) Split(ctx context.Context, partition string, rng model.Range, rows int64) ([]model.Chunk, error) {
	if s.Planning != nil {
		if err := s.Planning(ctx); err != nil {
			return nil, err
		}
	}
	chunk := model.Chunk{Partition: partition, Range: rng}
	var chunks []model.Chunk
	for _, r := range s.found(partition, within(rng)) {
		if last := chunk.UpTo; chunk.Rows >= rows && r.key != *last {
			chunks = append(chunks, chunk)
			chunk = model.Chunk{Partition: partition, Range: model.Range{After: last}, Number: len(chunks)}
		}
		key := r.key
		chunk.UpTo = &key
		chunk.Rows++
	}
	chunk.UpTo = rng.UpTo
	return append(chunks, chunk), nil
}

// Count counts the rows of a range.
func (s *Source) Count(ctx context.Context, partition string, rng model.Range) (int64, error) {
	return int64(len(s.found(partition, within(rng)))), ctx.Err()
}

// CountKeys counts the rows of some keys.
func (s *Source) CountKeys(ctx context.Context, partition string, keys []model.Key) (int64, error) {
	return int64(len(s.found(partition, among(keys)))), ctx.Err()
}

// Duplicates finds those of some keys that have more than one row.
func (s *Source) Duplicates(ctx context.Context, partition string, keys []model.Key, name int) (model.Duplicates, error) {
	_, found, _ := s.apart(s.found(partition, among(keys)))
	found.Sample = found.Sample[:min(name, len(found.Sample))]
	return found, ctx.Err()
}

// RowBytes is the size of the columns of fixed width.
func (s *Source) RowBytes(names ...string) float64 {
	layout := s.layout
	if len(names) > 0 {
		layout = layout.Only(func(name string) bool { return slices.Contains(names, name) })
	}
	return float64(layout.RowBytes())
}

// Now is the same source, which is always as it stands now.
func (s *Source) Now(ctx context.Context) (source.Ranged, error) { return s, ctx.Err() }

// Close tells whoever wants to know.
func (s *Source) Close(context.Context) error {
	if s.Closed != nil {
		s.Closed()
	}
	return nil
}

// Mark seals all rows, and tells how many were written at a time.
func (s *Source) Mark(ctx context.Context) (*model.Mark, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	mark := &model.Mark{Segments: map[int64]int64{}}
	for id, rows := range s.store.segments {
		mark.Segments[id] = rows
	}
	for i := range s.store.rows {
		s.store.rows[i].growing = false
	}
	return mark, ctx.Err()
}

// CountNow implements source.Hints.
func (s *Source) CountNow(ctx context.Context) (all, sealed int64, err error) {
	if all, err = s.Count(ctx, model.AllPartitions, model.Range{}); err != nil {
		return 0, 0, err
	}
	sealed, err = s.Sealed().Count(ctx, model.AllPartitions, model.Range{})
	return all, sealed, err
}

// Sealed leaves growing rows out.
func (s *Source) Sealed() source.Ranged {
	sealed := *s
	sealed.sealed = true
	return &sealed
}
