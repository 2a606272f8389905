package query

import (
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"migrate/internal/model"
	"migrate/internal/source"
)

// within is a filter for a range of keys. All keys have none where the server takes none.
func (s *Source) within(rng model.Range) string {
	if s.unfiltered && isWhole(rng) {
		return ""
	}
	return s.key.Within(rng)
}

func isWhole(rng model.Range) bool { return rng.After == nil && rng.UpTo == nil }

// checkWhole refuses a collection that takes no filter, and has more rows than one answer.
func (s *Source) checkWhole(ctx context.Context) error {
	if !s.unfiltered {
		return nil
	}
	rows, err := s.Count(ctx, model.AllPartitions, model.Range{})
	if err != nil || rows <= mostLimit {
		return err
	}
	return fmt.Errorf("reading %q on %s, which %w, so that no more than %d rows can be read of it: it has %d",
		s.coll.Name, s.server.Address, model.ErrNoFilters, mostLimit, rows)
}

// nextWhole reads all rows by one answer, which has to have as many as are counted: what is left out of it can't be asked for.
func (p *stream) nextWhole() ([]arrow.Record, error) {
	if p.through {
		return nil, io.EOF
	}
	p.through = true
	rec, err := p.fetch(p.ctx, p.partition, p.within(p.rest), limited(mostLimit))
	if err != nil {
		return nil, err
	}
	switch n, err := p.Count(p.ctx, p.partition, p.rest); {
	case err != nil:
		return nil, err
	case n != rec.NumRows():
		return nil, fmt.Errorf("reading %q, which %w: %d rows came and %d are counted: %w", p.coll.Name, model.ErrNoFilters, rec.NumRows(), n, source.ErrIncomplete)
	}
	return []arrow.Record{rec}, nil
}
