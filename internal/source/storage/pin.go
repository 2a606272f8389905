package storage

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/zeebo/xxh3"

	"migrate/internal/milvus"
)

// pin is what another process has to know to read the same rows in the same chunks: which rows these are follows from the logs, which do
// not change.
type pin struct {
	At        uint64           `json:"at"`
	Segments  []pinnedSegment  `json:"segments"`
	ChunkRows map[string]int64 `json:"chunk_rows"` // by the partition that chunks name
	Logs      string           `json:"logs"`       // a checksum of the names of all insert logs
}

type pinnedSegment struct {
	ID        int64 `json:"id"`
	Partition int64 `json:"partition"`
	Rows      int64 `json:"rows,omitempty"`
	Deletes   bool  `json:"deletes,omitempty"`
	Gone      bool  `json:"gone,omitempty"` // a compaction has replaced it
}

// errGone: logs are not there any more.
var errGone = errors.New("garbage collection has taken logs away")

// pin is what this source reads by, as JSON.
func (s *Source) pin() (json.RawMessage, error) {
	p := pin{At: s.cut.at, ChunkRows: s.chunkRows, Logs: s.logsDigest()}
	for _, g := range s.cut.segments {
		p.Segments = append(p.Segments, pinnedSegment{ID: g.ID, Partition: g.Partition, Rows: g.Rows, Deletes: g.Deletes})
	}
	for _, g := range s.cut.replaced {
		p.Segments = append(p.Segments, pinnedSegment{ID: g.ID, Partition: g.Partition, Rows: g.Rows, Gone: true})
	}
	return json.Marshal(p)
}

// openPinned finds the rows again that an earlier run read.
func (s *Source) openPinned(ctx context.Context, text json.RawMessage) error {
	var p pin
	if err := json.Unmarshal(text, &p); err != nil {
		return fmt.Errorf("reading %q as it was planned: %w", s.coll.Name, err)
	}
	s.keep(ctx)
	var err error
	if s.partitions, err = s.server.PartitionIDs(ctx, s.coll.Name); err != nil {
		return err
	}
	s.pinned, s.cut, s.chunkRows = true, cut{at: p.At}, p.ChunkRows
	for _, g := range p.Segments {
		one := milvus.Segment{ID: g.ID, Partition: g.Partition, Rows: g.Rows, Deletes: g.Deletes, Flushed: true}
		if g.Gone {
			s.cut.replaced = append(s.cut.replaced, one)
		} else {
			s.cut.segments = append(s.cut.segments, one)
		}
		if _, there := s.partitions[g.Partition]; !there && g.Partition != allPartitions {
			return fmt.Errorf("reading %q as it was planned: %w: partition %d is not there any more", s.coll.Name, ErrContradiction, g.Partition)
		}
	}
	s.setSegments()
	if err := s.look(ctx); err != nil {
		return err
	}
	if p.Logs != s.logsDigest() {
		return fmt.Errorf("reading %q as it was planned: %w: its logs are others", s.coll.Name, ErrContradiction)
	}
	return nil
}

// logsDigest is a checksum of the names of all insert logs.
func (s *Source) logsDigest() string {
	h := xxh3.New()
	for _, g := range s.segments {
		for _, field := range slices.Sorted(maps.Keys(g.fields)) {
			for _, log := range g.fields[field] {
				var b [24]byte
				binary.LittleEndian.PutUint64(b[:], uint64(g.ID))
				binary.LittleEndian.PutUint64(b[8:], uint64(field))
				binary.LittleEndian.PutUint64(b[16:], uint64(log))
				_, _ = h.Write(b[:]) // it never fails
			}
		}
	}
	return fmt.Sprintf("%016x", h.Sum64())
}
