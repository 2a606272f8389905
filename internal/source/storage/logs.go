package storage

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/storage/binlog"
	"migrate/internal/source/storage/keys"
	"migrate/sinks"
)

// ChangesOpener opens what tells the changes of collections of a server whose storage is a folder or a bucket. It keeps the keys of their rows
// in a folder of a sink. source.ErrUntold where they can't be told of such a server or collection.
func ChangesOpener(server Server, bucket, sink sinks.Sink, folder string, opts Options) source.ChangesOpener {
	return func(ctx context.Context, coll *model.Collection) (source.Changes, error) {
		s, err := open(ctx, server, bucket, coll, nil, opts)
		if err != nil {
			return nil, untold(err)
		}
		if err := Holds(ctx, server, bucket, coll); err != nil {
			return nil, untold(err)
		}
		return &keys.Keeper{Sink: sink, Folder: folder, Logs: &logs{s}}, nil
	}
}

// untold has errors say that nothing can be told by what there is, and not by what is away.
func untold(err error) error {
	for _, one := range []error{ErrUnsupported, ErrElsewhere, ErrContradiction, errGone, binlog.ErrDamaged, binlog.ErrLayout} {
		if errors.Is(err, one) {
			return fmt.Errorf("%w: %w", source.ErrUntold, err)
		}
	}
	return err
}

// logs are those of a collection, of which only keys and times are read.
type logs struct{ s *Source }

var _ keys.Logs = (*logs)(nil)

// List implements keys.Logs. What was written before the first flush is stored after the second.
func (l *logs) List(ctx context.Context) (keys.Listing, error) {
	s := l.s
	first, err := s.server.FlushAt(ctx, s.coll.Name)
	if err != nil {
		return keys.Listing{}, err
	}
	between, err := s.server.PersistentSegments(ctx, s.coll.Name)
	if err != nil {
		return keys.Listing{}, err
	}
	if _, err := s.server.FlushAt(ctx, s.coll.Name); err != nil {
		return keys.Listing{}, err
	}
	all, err := s.flushedSegments(ctx, between)
	if err != nil {
		return keys.Listing{}, err
	}
	if all, err = s.ofPartitions(ctx, all); err != nil {
		return keys.Listing{}, err
	}
	listing := keys.Listing{Collection: s.coll.ID, Text: s.textKey(), At: first.At}
	listing.Segments, err = l.listed(ctx, all)
	return listing, err
}

// Now implements keys.Logs. A partition that was dropped lately is listed too: then there is more than was. Two lists have to agree: one in the
// midst of a compaction may lack a new segment and what the compaction makes of it, so that nothing seems to be new.
func (l *logs) Now(ctx context.Context) (map[int64]int64, error) {
	rows, err := l.now(ctx)
	if err != nil || rows == nil {
		return nil, err
	}
	again, err := l.now(ctx)
	if err != nil || !maps.Equal(rows, again) {
		return nil, err
	}
	return rows, nil
}

func (l *logs) now(ctx context.Context) (map[int64]int64, error) {
	all, err := l.s.server.PersistentSegments(ctx, l.s.coll.Name)
	if err != nil {
		return nil, err
	}
	rows := make(map[int64]int64, len(all))
	for _, g := range all {
		switch {
		case !g.Flushed:
			return nil, nil
		case g.Deletes:
			rows[g.ID] = 0
		case g.Rows > 0:
			rows[g.ID] = g.Rows
		}
	}
	return rows, nil
}

// listed adds the delta logs of segments.
func (l *logs) listed(ctx context.Context, all []milvus.Segment) (listed []keys.Listed, err error) {
	of := map[int64]deltas{}
	for _, g := range all {
		switch {
		case g.Storage > 1:
			return nil, fmt.Errorf("%w: segment %d: %w", source.ErrUntold, g.ID, binlog.ErrLayout)
		case !g.Deletes && g.Rows == 0:
			continue
		}
		if of[g.Partition] == nil {
			if of[g.Partition], err = l.s.listDeltas(ctx, g.Partition); err != nil {
				return nil, untold(err)
			}
		}
		listed = append(listed, keys.Listed{
			ID: g.ID, PartitionID: g.Partition, Partition: l.s.readAs(g.Partition), Rows: g.Rows, Level0: g.Deletes, Deletes: of[g.Partition][g.ID],
		})
	}
	return listed, nil
}

// Rows implements keys.Logs.
func (l *logs) Rows(ctx context.Context, of keys.Listed, add func(model.Key, uint64) error) error {
	g := &segment{Segment: milvus.Segment{ID: of.ID, Partition: of.PartitionID, Rows: of.Rows}}
	if err := l.s.listLogs(ctx, g); err != nil {
		return untold(err)
	}
	return untold(l.s.scan(ctx, g, func(_ int64, data *schemapb.FieldData, times []int64) error {
		texts, numbers := data.GetScalars().GetStringData().GetData(), data.GetScalars().GetLongData().GetData()
		for i, ts := range times {
			var key model.Key
			if texts != nil {
				key = model.TextKey(texts[i])
			} else {
				key = model.IntKey(numbers[i])
			}
			if err := add(key, uint64(ts)); err != nil {
				return err
			}
		}
		return nil
	}))
}

// Deletes implements keys.Logs.
func (l *logs) Deletes(ctx context.Context, of keys.Listed, log int64, add func(model.Key, uint64) error) error {
	name := fmt.Sprintf("delta_log/%d/%d/%d/%d", l.s.coll.ID, of.PartitionID, of.ID, log)
	return untold(l.s.withObject(ctx, name, func(object binlog.Object) error {
		return binlog.ReadDeletes(object, l.s.coll.ID, l.s.textKey(), func(k model.Key, ts uint64) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return add(k, ts)
		})
	}))
}
