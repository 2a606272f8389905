package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"golang.org/x/sync/errgroup"

	"migrate/internal/milvus"
	"migrate/internal/model"
)

// scanners is how many segments are looked through at once.
const scanners = 4

// survey says of each row whether it is read, by keys and times alone. It keeps a bit for each row of a segment of which some are not.
type survey struct {
	s     *Source
	level map[int64]deletes // those of level 0, by partition
	every map[int64]deletes // all of a partition of which a compaction has replaced segments meanwhile
	lost  map[int64]deletes // those of segments that are no more, by partition

	mu        sync.Mutex
	rows      int64  // alive, each of a duplicate key included, once the copies are known
	deleted   uint64 // when a delete was last written, be it after the cut
	newest    uint64 // when a row or a delete was last written, be it after the cut
	left      uint64 // and one of a segment with rows of before the cut that is no more
	lostRows  int64
	lostKey   model.Key
	lostWhere int64
}

// look surveys all segments.
func (s *Source) look(ctx context.Context) error {
	v := &survey{s: s, level: map[int64]deletes{}, every: map[int64]deletes{}, lost: map[int64]deletes{}}
	if err := v.prepare(ctx); err != nil {
		return err
	}
	if err := s.holdLogs(ctx); err != nil {
		return err
	}
	dup := newCopies(s)
	for pass := range dup.passes {
		dup.begin(pass)
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(scanners)
		for _, seg := range s.segments {
			g.Go(func() error {
				if pass == 0 {
					return v.first(ctx, seg, dup)
				}
				return dup.scan(ctx, seg)
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		dup.settle()
	}
	s.copies = dup.found()
	v.rows = dup.others
	for _, g := range s.segments {
		v.rows += g.alive.count(0, g.Rows)
	}
	if err := v.countAgain(ctx); err != nil {
		return err
	}
	return v.check()
}

// prepare lists the logs of all segments, and reads the deletes that are those of several.
func (v *survey) prepare(ctx context.Context) error {
	s := v.s
	byPartition := map[int64]deltas{}
	for partition := range s.partitions {
		found, err := s.listDeltas(ctx, partition)
		if err != nil {
			return err
		}
		byPartition[partition] = found
	}
	for _, one := range s.cut.segments {
		if !one.Deletes {
			continue
		}
		found, known := byPartition[one.Partition]
		if !known {
			var err error
			if found, err = s.listDeltas(ctx, one.Partition); err != nil {
				return err
			}
			byPartition[one.Partition] = found
		}
		if _, err := v.add(ctx, v.level, one.Partition, one.ID, found[one.ID]); err != nil {
			return err
		}
		delete(found, one.ID)
	}
	if err := v.readEvery(ctx, byPartition); err != nil {
		return err
	}
	for _, seg := range s.segments {
		seg.deltas = byPartition[seg.Partition][seg.ID]
		delete(byPartition[seg.Partition], seg.ID)
	}
	if !s.pinned {
		if err := v.readLeft(ctx, byPartition); err != nil {
			return err
		}
	}
	for _, all := range []map[int64]deletes{v.level, v.every, v.lost} {
		for partition := range all {
			all[partition] = all[partition].sorted()
		}
	}
	return v.listAll(ctx)
}

// readEvery reads all deletes of the partitions in which segments were replaced: what was deleted since is told of the new ones alone.
func (v *survey) readEvery(ctx context.Context, byPartition map[int64]deltas) error {
	for _, g := range v.s.cut.replaced {
		if _, done := v.every[g.Partition]; done {
			continue
		}
		v.every[g.Partition] = deletes{}
		for id, logs := range byPartition[g.Partition] {
			if _, err := v.add(ctx, v.every, g.Partition, id, logs); err != nil {
				return err
			}
		}
	}
	return nil
}

// readLeft reads the deletes of segments that are not listed, not now either: of those that are no more, and of growing ones, which have
// logs too once a flush comes upon them. A growing one has no row of before the cut.
func (v *survey) readLeft(ctx context.Context, byPartition map[int64]deltas) error {
	since, err := v.s.server.PersistentSegments(ctx, v.s.coll.Name)
	if err != nil {
		return err
	}
	for partition, left := range byPartition {
		for id, logs := range left {
			if slices.ContainsFunc(since, func(g milvus.Segment) bool { return g.ID == id }) {
				continue
			}
			newest, err := v.add(ctx, v.lost, partition, id, logs)
			if err != nil {
				return err
			}
			if v.s.cut.told[id] {
				v.left = max(v.left, newest)
			}
		}
	}
	return nil
}

func (v *survey) add(ctx context.Context, to map[int64]deletes, partition, id int64, logs []int64) (newest uint64, err error) {
	more, newest, err := v.s.readDeletes(ctx, partition, id, logs)
	to[partition] = append(to[partition], more...)
	v.newest, v.deleted = max(v.newest, newest), max(v.deleted, newest)
	return newest, err
}

func (v *survey) listAll(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(scanners)
	for _, seg := range v.s.segments {
		g.Go(func() error { return v.s.listLogs(ctx, seg) })
	}
	return g.Wait()
}

// first looks through a segment for the first time: it finds the rows that were alive at the cut.
func (v *survey) first(ctx context.Context, g *segment, dup *copies) error {
	own, newest, err := v.s.readDeletes(ctx, g.Partition, g.ID, g.deltas)
	if err != nil {
		return err
	}
	own = own.sorted()
	deleted := newest
	alive, dead, lost, lostKey := allOf(g.Rows), int64(0), int64(0), model.Key{}
	err = v.s.scan(ctx, g, func(at int64, keys *schemapb.FieldData, times []int64) error {
		ids := identities(keys)
		for i, key := range ids {
			ts := uint64(times[i])
			newest = max(newest, ts)
			switch {
			case ts > v.s.cut.at, own.kill(key, ts), g.gone && v.every[g.Partition].kill(key, ts), v.level[g.Partition].kill(key, ts), v.level[allPartitions].kill(key, ts):
				alive.clear(at + int64(i))
				dead++
			case v.lost[g.Partition].kill(key, ts), v.every[g.Partition].kill(key, ts):
				if lost++; lost == 1 {
					lostKey = keyAt(keys, i)
				}
			}
		}
		dup.add(g, at, ids, times, alive)
		return nil
	})
	if err != nil {
		return err
	}
	if dead > 0 {
		g.alive = alive
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.newest, v.deleted = max(v.newest, newest), max(v.deleted, deleted)
	if lost > 0 && v.lostRows == 0 {
		v.lostKey, v.lostWhere = lostKey, g.ID
	}
	v.lostRows += lost
	return nil
}

func keyAt(keys *schemapb.FieldData, i int) model.Key {
	if texts := keys.GetScalars().GetStringData().GetData(); texts != nil {
		return model.TextKey(texts[i]).Clone()
	}
	return model.IntKey(keys.GetScalars().GetLongData().GetData()[i])
}

// errCompacted: a compaction is in the way of what can be told. It ends, so that a later try may tell.
var errCompacted = errors.New("segments were compacted")

// compacting is how long a compaction may have been at work when segments were listed first: a minute, in the terms of timestamps.
const compacting = 60_000 << 18

// torn reports whether a compaction may have taken rows of before the cut that were deleted after it, with nothing to tell them by.
func (v *survey) torn() bool {
	c := v.s.cut
	return v.left > c.at || c.unseen && v.deleted > c.at
}

// check refuses what does not add up.
func (v *survey) check() error {
	s, c := v.s, v.s.cut
	if v.torn() {
		return fmt.Errorf("reading %q from the storage: %w: %w of which rows were deleted since", s.coll.Name, ErrBusy, errCompacted)
	}
	if len(c.replaced) > 0 && s.server.Capabilities().CompactionLosesDeletes && c.began-min(c.began, compacting) < v.deleted {
		return fmt.Errorf("reading %q from the storage: %w, or may have: %w while others deleted and upserted", s.coll.Name, ErrLostDeletes, errCompacted)
	}
	if v.lostRows > 0 {
		return fmt.Errorf("reading %q from the storage: %w: %d rows of segment %d and others are there that were deleted, such as key %s",
			s.coll.Name, ErrLostDeletes, v.lostRows, v.lostWhere, v.lostKey)
	}
	s.counted = v.countable()
	if s.counted && v.rows != c.counted {
		return fmt.Errorf("reading %q from the storage: %w: %d rows are there, and %d are counted", s.coll.Name, ErrContradiction, v.rows, c.counted)
	}
	return nil
}

// textKey tells a VARCHAR key from an INT64.
func (s *Source) textKey() bool {
	return model.PrimaryKey(s.coll.Schema).GetDataType() == schemapb.DataType_VarChar
}
