package storage

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"migrate/internal/clock"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// cut is the instant that is read, and the segments that hold all rows and deletes of before.
type cut struct {
	at       uint64
	segments []milvus.Segment
	// What was counted before it was made, of a collection that is loaded: it says how many rows there are if nobody wrote since began.
	began   uint64
	counted int64
	loaded  bool
	// exact: they were counted at the cut itself, which a server that can hold a snapshot does.
	exact bool
	// logs are those of the segments, where the server tells of them.
	logs map[int64]milvus.SegmentLogs
	// replaced are segments that were there before the first flush, or after it, and that a compaction has replaced since: what it made of them
	// may lack rows that were deleted after the cut.
	replaced []milvus.Segment
	// told are all segments that the server told of: one with rows of before the cut is among them.
	told map[int64]bool
	// unseen: one of them was in no list, and others have sealed it, or a compaction has made it or replaced it. Of what there was before that
	// nothing is known.
	unseen bool
}

// mostLooks bounds how often the segments are listed until all of them are flushed: five minutes.
const mostLooks = 1500

// cutNow flushes twice: all that was written before the first flush is stored after the second, also what the first came too early for.
func (s *Source) cutNow(ctx context.Context) (c cut, err error) {
	if err := s.notImporting(ctx); err != nil {
		return c, err
	}
	if c.began, err = s.server.Now(ctx); err != nil {
		return c, err
	}
	c.loaded = s.coll.Loaded
	c.exact = c.loaded && s.server.Capabilities().SnapshotReads
	earlier, err := s.server.PersistentSegments(ctx, s.coll.Name)
	if err != nil {
		return c, err
	}
	var first milvus.Flushed
	g, both := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		first, err = s.server.FlushAt(both, s.coll.Name)
		return err
	})
	if c.loaded && !c.exact { // which waits until all of before is seen
		g.Go(func() (err error) {
			c.counted, err = s.server.CountAsOf(both, s.coll.Name, c.began)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return c, err
	}
	if c.at = first.At; c.exact {
		if c.counted, err = s.server.CountAsOf(ctx, s.coll.Name, c.at); err != nil {
			return c, err
		}
	}
	between, err := s.server.PersistentSegments(ctx, s.coll.Name)
	if err != nil {
		return c, err
	}
	second, err := s.server.FlushAt(ctx, s.coll.Name)
	if err != nil {
		return c, err
	}
	listed, err := s.flushedSegments(ctx, between)
	if err != nil {
		return c, err
	}
	if c.segments, err = s.ofPartitions(ctx, slices.Clone(listed)); err != nil {
		return c, err
	}
	before := withoutDoubles(between, earlier)
	c.replaced, c.told = s.replaced(before, c.segments), map[int64]bool{}
	for _, g := range before {
		c.told[g.ID] = true
	}
	for _, id := range slices.Concat(first.Segments, second.Segments) {
		there := slices.ContainsFunc(listed, func(g milvus.Segment) bool { return g.ID == id })
		c.unseen = c.unseen || !c.told[id] && !(there && slices.Contains(second.Sealed, id))
		c.told[id] = true
	}
	if c.logs, err = s.tellLogs(ctx, c.segments); err != nil {
		return c, err
	}
	return c, s.notImporting(ctx)
}

// withoutDoubles are the segments of several lists, as the first says that has one.
func withoutDoubles(lists ...[]milvus.Segment) []milvus.Segment {
	all := byID(slices.Concat(lists...))
	return slices.CompactFunc(all, func(a, b milvus.Segment) bool { return a.ID == b.ID })
}

// byID are segments in the order of their numbers.
func byID(all []milvus.Segment) []milvus.Segment {
	return slices.SortedStableFunc(slices.Values(all), func(a, b milvus.Segment) int { return cmp.Compare(a.ID, b.ID) })
}

// replaced are the segments of some partition that is there which are not listed any more.
func (s *Source) replaced(before, now []milvus.Segment) (gone []milvus.Segment) {
	for _, b := range before {
		_, there := s.partitions[b.Partition]
		if there && !b.Deletes && !slices.ContainsFunc(now, func(g milvus.Segment) bool { return g.ID == b.ID }) {
			gone = append(gone, b)
		}
	}
	return gone
}

func (s *Source) notImporting(ctx context.Context) error {
	busy, err := s.server.Importing(ctx, s.coll.Name)
	if err != nil {
		return fmt.Errorf("asking for bulk inserts into %q: %w", s.coll.Name, err)
	}
	if busy {
		return fmt.Errorf("reading %q from the storage: %w: a bulk insert is under way", s.coll.Name, ErrBusy)
	}
	return nil
}

// flushedSegments lists the segments, also those of a partition that was dropped lately, once all are flushed and two lists agree: one in the
// midst of a compaction may lack what it takes from and what it makes. The last is one of before.
func (s *Source) flushedSegments(ctx context.Context, last []milvus.Segment) ([]milvus.Segment, error) {
	last = byID(last)
	for range mostLooks {
		all, err := s.server.PersistentSegments(ctx, s.coll.Name)
		if err != nil {
			return nil, err
		}
		all = byID(all)
		if !slices.ContainsFunc(all, func(g milvus.Segment) bool { return !g.Flushed }) && slices.Equal(all, last) {
			return all, nil
		}
		last = all
		if err := clock.Sleep(ctx, s.opts.askEvery()); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("reading %q from the storage: %w: its segments are not flushed in the end", s.coll.Name, ErrBusy)
}

// allPartitions is where segments of level 0 are whose deletes are those of all partitions.
const allPartitions = -1

// ofPartitions leaves out those of a partition that was dropped, which a server lists for a while.
func (s *Source) ofPartitions(ctx context.Context, all []milvus.Segment) ([]milvus.Segment, error) {
	names, err := s.server.PartitionIDs(ctx, s.coll.Name)
	if err != nil {
		return nil, err
	}
	s.partitions = names
	return slices.DeleteFunc(all, func(g milvus.Segment) bool {
		_, there := names[g.Partition]
		return !there && !(g.Deletes && g.Partition == allPartitions)
	}), nil
}

// readAs is the partition that chunks name which hold rows of one.
func (s *Source) readAs(partition int64) string {
	if model.PartitionKey(s.coll.Schema) {
		return model.AllPartitions
	}
	return s.partitions[partition]
}
