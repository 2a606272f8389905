package query

import (
	"context"
	"encoding/json"
	"fmt"
)

// pin is what another process has to know to read the same rows in the same pages.
type pin struct {
	Snapshot uint64            `json:"snapshot,omitempty"`  // 0 where the server can hold none
	Extents  map[string]extent `json:"extents,omitempty"`   // by partition
	RowBytes float64           `json:"row_bytes,omitempty"` // 0 where an earlier migrate wrote it
}

// pinned is what this source reads by, as JSON.
func (s *Source) pinned() (json.RawMessage, error) {
	return json.Marshal(pin{Snapshot: s.Snapshot(), Extents: s.extents.all(), RowBytes: s.rowBytes})
}

// openPinned has all reads see what those of an earlier run saw. Without a snapshot they see the present.
func (s *Source) openPinned(ctx context.Context, text json.RawMessage) error {
	var p pin
	if err := json.Unmarshal(text, &p); err != nil {
		return fmt.Errorf("reading %q as it was planned: %w", s.coll.Name, err)
	}
	s.extents.known = p.Extents
	if s.at(p.Snapshot); !s.snapshot {
		now, err := s.server.Now(ctx)
		if err != nil {
			return err
		}
		s.asOf = now
	}
	if p.RowBytes == 0 {
		_, err := s.resample(ctx)
		return err
	}
	s.rowBytes = p.RowBytes
	s.pageRows.Store(s.pageOf(p.RowBytes))
	return nil
}

// Snapshot is the instant that all reads see, as a timestamp of the server. It is 0 where the server can't hold one: then
// each read sees what was written before it was opened, and of what was written since whatever is there by then.
func (s *Source) Snapshot() uint64 {
	if !s.snapshot {
		return 0
	}
	return s.asOf
}

// at has all reads see a snapshot, unless that is 0.
func (s *Source) at(snapshot uint64) {
	if snapshot > 0 {
		s.asOf, s.snapshot = snapshot, true
	}
}
