package source

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
)

// Found is what a server has of some keys.
type Found struct {
	Record arrow.Record
	Data   []*schemapb.FieldData // the same rows as the protocol has them
	Absent []columns.Key         // of those that were asked for: the server neither returns nor counts them
}

// AsOfNow reads the same collection as it stands now.
func (r *Reader) AsOfNow(ctx context.Context) (*Reader, error) {
	now := r.copied()
	now.extents, now.ahead = &extents{}, &pagesAhead{}
	now.asOf, now.snapshot = 0, false // without which no new snapshot is given
	return now, now.begin(ctx)
}

// Lookup reads the rows of some keys, so few that one answer holds them. A key that is not returned is taken for absent
// only if the server counts no row of it. ErrIncomplete where it does.
func (r *Reader) Lookup(ctx context.Context, partition string, keys []columns.Key) (Found, error) {
	expr := r.Layout.In(keys)
	data, err := r.query(ctx, partition, expr, r.Layout.Names(), nil)
	if err != nil {
		return Found{}, fmt.Errorf("looking up %d keys of %q: %w", len(keys), r.Collection.Name, err)
	}
	rec, err := r.Layout.Record(data)
	if err != nil {
		return Found{}, fmt.Errorf("looking up %d keys of %q: %w", len(keys), r.Collection.Name, err)
	}
	found := Found{Record: rec, Data: data, Absent: without(keys, r.Layout.Keys(rec))}
	return found, r.proveAbsent(ctx, partition, found.Absent)
}

// CountOf is how many rows of some keys the server counts.
func (r *Reader) CountOf(ctx context.Context, partition string, keys []columns.Key) (int64, error) {
	return r.CountWhere(ctx, partition, r.Layout.In(keys))
}

func (r *Reader) proveAbsent(ctx context.Context, partition string, keys []columns.Key) error {
	if len(keys) == 0 {
		return nil
	}
	n, err := r.CountOf(ctx, partition, keys)
	if err == nil && n > 0 {
		err = fmt.Errorf("looking up keys of %q: %d rows are counted and not returned: %w", r.Collection.Name, n, ErrIncomplete)
	}
	return err
}

// without are the keys that are not among others.
func without(keys, others []columns.Key) []columns.Key {
	there := make(map[columns.Key]bool, len(others))
	for _, k := range others {
		there[k] = true
	}
	var left []columns.Key
	for _, k := range keys {
		if !there[k] {
			left = append(left, k)
		}
	}
	return left
}
