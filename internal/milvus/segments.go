package milvus

import (
	"context"
	"fmt"
	"maps"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
)

// mostLooks is how often a server is asked for its segments until it answers the same twice.
const mostLooks = 5

// Segments flushes a collection, and returns the rows of each of its flushed segments. Every insert and upsert adds rows to
// them, be the key there or not; a delete adds none: since 2.4 it fills segments of level 0, which hold no row and are left out
// here. A segment that is flushed keeps its rows as they are until a compaction, or from 2.5 on the sorting that follows a
// flush, replaces it by another. An answer in the midst of that may lack both, so two that follow each other have to agree; nil
// where none did.
func (s *Server) Segments(ctx context.Context, name string) (map[int64]int64, error) {
	if err := s.Flush(ctx, name); err != nil {
		return nil, fmt.Errorf("flushing %q on %s: %w", name, s.Address, err)
	}
	last, err := s.segments(ctx, name)
	for range mostLooks - 1 {
		if err != nil {
			return nil, err
		}
		before := last
		if last, err = s.segments(ctx, name); maps.Equal(before, last) {
			return last, err
		}
	}
	return nil, err
}

func (s *Server) segments(ctx context.Context, name string) (map[int64]int64, error) {
	resp, err := s.svc.GetPersistentSegmentInfo(ctx, &milvuspb.GetPersistentSegmentInfoRequest{DbName: s.database, CollectionName: name})
	if err != nil {
		return nil, fmt.Errorf("asking for the segments of %q on %s: %w", name, s.Address, err)
	}
	rows := make(map[int64]int64, len(resp.GetInfos()))
	for _, info := range resp.GetInfos() {
		if info.GetState() == commonpb.SegmentState_Flushed && info.GetLevel() != commonpb.SegmentLevel_L0 {
			rows[info.GetSegmentID()] = info.GetNumRows()
		}
	}
	return rows, nil
}
