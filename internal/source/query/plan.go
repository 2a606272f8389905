package query

import (
	"context"
	"math"

	"golang.org/x/sync/errgroup"

	"migrate/internal/model"
	"migrate/internal/source"
)

// Plan cuts every partition by what the server knows already, and those again of which that was not all: a server needs a fifth of
// a second until it knows what was written last, and cutting fills the time: the first chunks, one for each worker, are cut into
// their pages too. It is made before anything is read.
func (s *Source) Plan(ctx context.Context, size source.Size) (*source.Plan, error) {
	eventual := s.eventualCounts()
	guess, err := eventual.cutAll(ctx, size, nil)
	if err != nil {
		return nil, err
	}
	if eventual == s {
		return s.planOf(guess)
	}
	stop := eventual.cutAhead(ctx, guess, size.Workers)
	same, err := s.resample(ctx)
	stop()
	if err != nil {
		return nil, err
	}
	if !same {
		guess = nil
	}
	all, err := s.cutAll(ctx, size, guess)
	if err != nil {
		return nil, err
	}
	return s.planOf(all)
}

func (s *Source) planOf(all []cuts) (*source.Plan, error) {
	plan := &source.Plan{Snapshot: s.Snapshot()}
	for i, partition := range s.coll.PartitionsToRead() {
		plan.Chunks = append(plan.Chunks, chunksOf(partition, all[i].pieces)...)
		plan.Rows += all[i].rows()
	}
	plan.Bytes = int64(float64(plan.Rows) * s.rowBytes)
	var err error
	plan.Pin, err = s.pinned()
	return plan, err
}

// cutAhead cuts the chunks that are read first into their pages, until it is stopped: those that it did not get to, or that
// it failed at, are cut when they are read.
func (s *Source) cutAhead(ctx context.Context, guess []cuts, chunks int) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error {
		for i, partition := range s.coll.PartitionsToRead() {
			for _, piece := range guess[i].pieces {
				if chunks--; chunks < 0 {
					return nil
				}
				if err := s.cutIntoPages(ctx, partition, piece); err != nil {
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

// cuts are the pieces of one partition, and the rows that it counted before it was cut.
type cuts struct {
	total  int64
	pieces []counted
}

func (c cuts) rows() (n int64) {
	for _, p := range c.pieces {
		n += p.Rows
	}
	return n
}

// hold reports whether the partition had all of these rows from before it was cut, and all of them are in the pieces.
func (c cuts) hold(total int64) bool { return c.total == total && c.rows() == total }

// cutAll cuts each partition into pieces, unless the guess for it holds.
func (s *Source) cutAll(ctx context.Context, size source.Size, guess []cuts) (all []cuts, err error) {
	for i, partition := range s.coll.PartitionsToRead() {
		total, err := s.Count(ctx, partition, model.Range{})
		if err != nil {
			return nil, err
		}
		if guess != nil && guess[i].hold(total) {
			all = append(all, guess[i])
			continue
		}
		pieces, err := s.split(ctx, partition, counted{Rows: total}, chunkRows(total, s.rowBytes, size))
		if err != nil {
			return nil, err
		}
		all = append(all, cuts{total, pieces})
	}
	return all, nil
}

// leastChunkBytes is what a chunk holds at least, where it may hold so much: a few large parts import faster than many small ones.
const leastChunkBytes = 16 << 20

// chunkRows is how many rows of a partition are aimed at for a chunk: every worker should have one.
func chunkRows(total int64, rowBytes float64, size source.Size) int64 {
	rows := int64(math.MaxInt64)
	if size.Bytes > 0 {
		bytes := max(float64(total)*rowBytes/float64(max(size.Workers, 1)), leastChunkBytes)
		rows = max(int64(min(bytes, float64(size.Bytes))/max(rowBytes, 1)), 1)
	}
	if size.Rows > 0 {
		rows = min(rows, size.Rows)
	}
	return rows
}
