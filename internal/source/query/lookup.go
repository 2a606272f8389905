package query

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/clock"
	"migrate/internal/model"
)

// Found is what a server has of some keys: one row of each.
type Found struct {
	Record arrow.Record
	Absent []model.Key // of those that were asked for: the server neither returns nor counts them
	Hidden []model.Key // of those that were asked for: the server counts rows of them and returns none
}

// AsOfNow reads the same collection as it stands now.
func (r *Reader) AsOfNow(ctx context.Context) (*Reader, error) {
	now := r.copied()
	if r.empty {
		return now, now.openUnloaded(ctx)
	}
	now.extents, now.ahead = &extents{}, &pagesAhead{}
	now.asOf, now.snapshot = 0, false // without which no new snapshot is given
	return now, now.begin(ctx)
}

// Lookup reads the rows of some keys, so few that one answer holds them. A server may leave some out of an answer: it is asked
// for the others until it counts no row of them, or none comes.
func (r *Reader) Lookup(ctx context.Context, partition string, keys []model.Key) (Found, error) {
	found, err := r.lookup(ctx, partition, keys)
	if err != nil {
		return found, fmt.Errorf("looking up %d keys of %q: %w", len(keys), r.Collection.Name, err)
	}
	return found, nil
}

func (r *Reader) lookup(ctx context.Context, partition string, keys []model.Key) (found Found, err error) {
	for idle := 0; idle < len(pauses); {
		if err := clock.Sleep(ctx, pauses[idle]); err != nil {
			return found, err
		}
		data, err := r.query(ctx, partition, r.key.In(keys), r.Layout.Names(), nil)
		if err != nil {
			return found, err
		}
		if err := r.addTo(&found, data); err != nil {
			return found, err
		}
		left := without(keys, r.Layout.Keys(found.Record))
		if n, err := r.CountOf(ctx, partition, left); err != nil || n == 0 {
			found.Absent = left
			return found, err
		}
		if idle++; len(left) < len(keys) {
			keys, idle = left, 0
		}
	}
	err = r.tellHidden(ctx, partition, keys, &found)
	return found, err
}

// addTo adds the rows of an answer to those that were found.
func (r *Reader) addTo(found *Found, data []*schemapb.FieldData) error {
	rec, err := r.distinct(data)
	if err == nil && found.Record != nil {
		rec, err = r.Layout.Join(found.Record, rec)
	}
	found.Record = rec
	return err
}

// tellHidden tells keys of which rows are counted from those that are absent.
func (r *Reader) tellHidden(ctx context.Context, partition string, keys []model.Key, found *Found) error {
	n, err := r.CountOf(ctx, partition, keys)
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
	if err := r.tellHidden(ctx, partition, keys[:half], found); err != nil {
		return err
	}
	return r.tellHidden(ctx, partition, keys[half:], found)
}

// CountOf is how many rows of some keys the server counts.
func (r *Reader) CountOf(ctx context.Context, partition string, keys []model.Key) (int64, error) {
	if len(keys) == 0 {
		return 0, nil
	}
	return r.CountWhere(ctx, partition, r.key.In(keys))
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
