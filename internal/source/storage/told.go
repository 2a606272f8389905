package storage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"migrate/internal/clock"
	"migrate/internal/milvus"
)

// tellLogs asks the server for the logs of segments; nil where it does not tell, or not at this address, or not this user.
func (s *Source) tellLogs(ctx context.Context, segments []milvus.Segment) (map[int64]milvus.SegmentLogs, error) {
	ids := make([]int64, len(segments))
	for i, g := range segments {
		ids[i] = g.ID
	}
	logs, err := s.server.SegmentLogs(ctx, s.coll.ID, ids)
	if errors.Is(err, milvus.ErrNoREST) || errors.Is(err, milvus.ErrPrivilege) || errors.Is(err, milvus.ErrLogin) {
		s.tell(fmt.Sprintf("the logs of %q are not held against what the server says of them: %v", s.coll.Name, err))
		return nil, nil
	}
	return logs, err
}

// mostUntold bounds how often the server is asked for a log that it does not tell of yet, since it is in the storage before: five seconds.
const mostUntold = 25

// holdLogs holds the logs that were listed against those that the server tells of, both of segments that are there.
func (s *Source) holdLogs(ctx context.Context) error {
	lists := map[int64]deltas{}
	untold := map[int64][]int64{}
	for _, g := range s.cut.segments {
		told, known := s.cut.logs[g.ID]
		if !known {
			continue
		}
		if lists[g.Partition] == nil {
			var err error
			if lists[g.Partition], err = s.listDeltas(ctx, g.Partition); err != nil {
				return err
			}
		}
		there := lists[g.Partition][g.ID]
		if missing := without(told.Deletes, there); len(missing) > 0 {
			return s.contradicts(g, "the server tells of a log that is not there", s.deltaName(g, missing[0]))
		}
		if more := without(there, told.Deletes); len(more) > 0 {
			untold[g.ID] = more
		}
	}
	for _, g := range s.segments {
		if told, known := s.cut.logs[g.ID]; known {
			if err := s.holdInserts(g, told.Inserts); err != nil {
				return err
			}
		}
	}
	return s.holdUntold(ctx, untold)
}

// holdInserts wants the same logs: those of a segment that is flushed don't change.
func (s *Source) holdInserts(g *segment, told map[int64][]int64) error {
	for _, field := range slices.Sorted(maps.Keys(told)) {
		if missing := without(told[field], g.fields[field]); len(missing) > 0 {
			return s.contradicts(g.Segment, "the server tells of a log that is not there", s.insertName(g, field, missing[0]))
		}
	}
	for _, field := range slices.Sorted(maps.Keys(g.fields)) {
		if more := without(g.fields[field], told[field]); len(more) > 0 {
			return s.contradicts(g.Segment, "the server tells of no such log", s.insertName(g, field, more[0]))
		}
	}
	return nil
}

// holdUntold asks again for the segments that have logs of deletes which the server did not tell of: they may have been written since.
func (s *Source) holdUntold(ctx context.Context, untold map[int64][]int64) error {
	for range mostUntold {
		if len(untold) == 0 {
			return nil
		}
		logs, err := s.server.SegmentLogs(ctx, s.coll.ID, slices.Sorted(maps.Keys(untold)))
		if err != nil {
			return err
		}
		maps.DeleteFunc(untold, func(id int64, more []int64) bool {
			told, there := logs[id]
			return !there || len(without(more, told.Deletes)) == 0
		})
		if err := clock.Sleep(ctx, s.opts.askEvery()); err != nil {
			return err
		}
	}
	for _, g := range s.cut.segments {
		if more := untold[g.ID]; len(more) > 0 {
			return s.contradicts(g, "the server tells of no such log", s.deltaName(g, more[0]))
		}
	}
	return nil
}

// without are the numbers of one list that another has not.
func without(all, others []int64) []int64 {
	return slices.DeleteFunc(slices.Clone(all), func(n int64) bool { return slices.Contains(others, n) })
}

func (s *Source) contradicts(g milvus.Segment, what, name string) error {
	return fmt.Errorf("segment %d: %w: %s: %s", g.ID, ErrContradiction, what, s.bucket.URL(name))
}

func (s *Source) deltaName(g milvus.Segment, log int64) string {
	return fmt.Sprintf("delta_log/%d/%d/%d/%d", s.coll.ID, g.Partition, g.ID, log)
}

func (s *Source) insertName(g *segment, field, log int64) string {
	return fmt.Sprintf("insert_log/%d/%d/%d/%d/%d", s.coll.ID, g.Partition, g.ID, field, log)
}

// mostCounts bounds how often rows are counted again that may not be seen yet, as those of a bulk insert that has just ended: 20 seconds.
const mostCounts = 100

// countable reports whether the rows that were found have to be as many as the server counts: it counted them at the cut, and no compaction has
// taken any from it since, or nobody wrote.
func (v *survey) countable() bool {
	c := v.s.cut
	return c.loaded && (c.exact && len(c.replaced) == 0 || v.newest <= c.began)
}

// countAgain counts the rows again until they are as many as were found.
func (v *survey) countAgain(ctx context.Context) (err error) {
	s := v.s
	for range mostCounts {
		if refused := v.torn() || v.lostRows > 0; refused || !v.countable() || s.cut.counted == v.rows {
			return nil
		}
		if err := clock.Sleep(ctx, s.opts.askEvery()); err != nil {
			return err
		}
		if s.cut.counted, err = s.server.CountAsOf(ctx, s.coll.Name, s.cut.at); err != nil {
			return err
		}
	}
	return nil
}
