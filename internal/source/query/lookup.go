package query

import (
	"context"
	"fmt"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/clock"
	"migrate/internal/model"
	"migrate/internal/source"
)

// Now reads the same collection as it stands now.
func (s *Source) Now(ctx context.Context) (source.Ranged, error) {
	now := s.copied()
	if s.empty {
		return now, now.openUnloaded(ctx)
	}
	now.extents, now.cutPages = &extents{}, &pagesAhead{}
	now.asOf, now.snapshot = 0, false // without which no new snapshot is given
	return now, now.begin(ctx)
}

// Lookup reads the rows of some keys, so few that one answer holds them. A server may leave some out of an answer: it is asked
// for the others until it counts no row of them, or none comes.
func (s *Source) Lookup(ctx context.Context, partition string, keys []model.Key, names ...string) (source.Found, error) {
	some, err := s.only(names)
	if err != nil {
		return source.Found{}, err
	}
	found, err := some.lookup(ctx, partition, keys)
	if err != nil {
		return found, fmt.Errorf("looking up %d keys of %q: %w", len(keys), s.coll.Name, err)
	}
	return found, nil
}

func (s *Source) lookup(ctx context.Context, partition string, keys []model.Key) (found source.Found, err error) {
	for idle := 0; idle < len(pauses); {
		if err := clock.Sleep(ctx, pauses[idle]); err != nil {
			return found, err
		}
		data, err := s.query(ctx, partition, s.key.In(keys), s.layout.Names(), nil)
		if err != nil {
			return found, err
		}
		if err := s.addTo(&found, data); err != nil {
			return found, err
		}
		left := without(keys, s.layout.Keys(found.Record))
		if n, err := s.CountKeys(ctx, partition, left); err != nil || n == 0 {
			found.Absent = left
			return found, err
		}
		if idle++; len(left) < len(keys) {
			keys, idle = left, 0
		}
	}
	err = s.tellHidden(ctx, partition, keys, &found)
	return found, err
}

// addTo adds the rows of an answer to those that were found.
func (s *Source) addTo(found *source.Found, data []*schemapb.FieldData) error {
	rec, err := s.distinct(data)
	if err == nil && found.Record != nil {
		rec, err = s.layout.Join(found.Record, rec)
	}
	found.Record = rec
	return err
}

// tellHidden tells keys of which rows are counted from those that are absent.
func (s *Source) tellHidden(ctx context.Context, partition string, keys []model.Key, found *source.Found) error {
	n, err := s.CountKeys(ctx, partition, keys)
	switch {
	case err != nil:
		return err
	case n == 0:
		found.Absent = append(found.Absent, keys...)
		return nil
	case len(keys) == 1:
		found.Hidden = append(found.Hidden, keys...)
		return nil
	}
	half := len(keys) / 2
	if err := s.tellHidden(ctx, partition, keys[:half], found); err != nil {
		return err
	}
	return s.tellHidden(ctx, partition, keys[half:], found)
}

// CountKeys is how many rows of some keys the server counts.
func (s *Source) CountKeys(ctx context.Context, partition string, keys []model.Key) (int64, error) {
	if len(keys) == 0 {
		return 0, nil
	}
	return s.countWhere(ctx, partition, s.key.In(keys))
}

// without are the keys that are not among others.
func without(keys, others []model.Key) []model.Key {
	there := make(map[model.Key]bool, len(others))
	for _, k := range others {
		there[k] = true
	}
	var left []model.Key
	for _, k := range keys {
		if !there[k] {
			left = append(left, k)
		}
	}
	return left
}
