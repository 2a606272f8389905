package milvus

import (
	"context"
	"fmt"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
)

// Segments flushes a collection, and returns the rows of each of its segments. Every insert and upsert adds rows to them,
// be the key there or not; a delete adds none. A segment that is flushed keeps its rows as they are until a compaction
// replaces it by another.
func (s *Server) Segments(ctx context.Context, name string) (map[int64]int64, error) {
	if err := s.Flush(ctx, name); err != nil {
		return nil, fmt.Errorf("flushing %q on %s: %w", name, s.Address, err)
	}
	resp, err := s.svc.GetPersistentSegmentInfo(ctx, &milvuspb.GetPersistentSegmentInfoRequest{DbName: s.database, CollectionName: name})
	if err != nil {
		return nil, fmt.Errorf("asking for the segments of %q on %s: %w", name, s.Address, err)
	}
	rows := make(map[int64]int64, len(resp.GetInfos()))
	for _, info := range resp.GetInfos() {
		rows[info.GetSegmentID()] = info.GetNumRows()
	}
	return rows, nil
}
