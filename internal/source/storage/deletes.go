package storage

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"github.com/zeebo/xxh3"

	"migrate/internal/model"
	"migrate/internal/source/storage/binlog"
)

// identity stands for a key: an INT64 itself, or a text's hash of 128 bits.
type identity struct{ high, low uint64 }

func (a identity) compare(b identity) int {
	if by := cmp.Compare(a.high, b.high); by != 0 {
		return by
	}
	return cmp.Compare(a.low, b.low)
}

// mixed spreads keys evenly, whatever they are.
func (a identity) mixed() uint64 {
	const golden = 0x9E3779B97F4A7C15
	return (a.high ^ a.high>>32 ^ a.low) * golden
}

func identityOf(k model.Key) identity {
	if k.IsText() {
		return identityOfText(k.Text)
	}
	return identity{high: uint64(k.Int)}
}

func identityOfText(text string) identity {
	h := xxh3.HashString128(text)
	return identity{h.Hi, h.Lo}
}

// identities are those of a column of keys.
func identities(keys *schemapb.FieldData) []identity {
	if texts := keys.GetScalars().GetStringData().GetData(); texts != nil {
		all := make([]identity, len(texts))
		for i, t := range texts {
			all[i] = identityOfText(t)
		}
		return all
	}
	numbers := keys.GetScalars().GetLongData().GetData()
	all := make([]identity, len(numbers))
	for i, n := range numbers {
		all[i] = identity{high: uint64(n)}
	}
	return all
}

// deletes are when keys were deleted last, before the cut; by keys, 24 bytes each.
type deletes []deleted

type deleted struct {
	key identity
	ts  uint64
}

// kill reports whether a row is deleted: one that is written with the same time as the delete is the upsert's.
func (d deletes) kill(key identity, ts uint64) bool {
	if len(d) == 0 {
		return false
	}
	i, found := slices.BinarySearchFunc(d, key, func(one deleted, k identity) int { return one.key.compare(k) })
	return found && ts < d[i].ts
}

// sorted keeps the last delete of each key.
func (d deletes) sorted() deletes {
	slices.SortFunc(d, func(a, b deleted) int { return cmp.Or(a.key.compare(b.key), cmp.Compare(b.ts, a.ts)) })
	return slices.CompactFunc(d, func(a, b deleted) bool { return a.key == b.key })
}

// deltas are the delta logs of a partition: those of a segment are told by its number.
type deltas map[int64][]int64

// listDeltas lists all of a partition, also those of segments that are no more.
func (s *Source) listDeltas(ctx context.Context, partition int64) (deltas, error) {
	prefix, found := fmt.Sprintf("delta_log/%d/%d/", s.coll.ID, partition), deltas{}
	for info, err := range s.bucket.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("listing the deletes of partition %d: %w", partition, err)
		}
		at, ok := parse(info.Name, prefix, 2)
		if !ok {
			return nil, fmt.Errorf("%s: %w", s.bucket.URL(info.Name), binlog.ErrLayout)
		}
		found[at[0]] = append(found[at[0]], at[1])
	}
	return found, nil
}

// readDeletes reads the delta logs of a segment, what was deleted after the cut left out. It also tells when the last delete was, be it after.
func (s *Source) readDeletes(ctx context.Context, partition, segment int64, logs []int64) (all deletes, newest uint64, err error) {
	for _, log := range logs {
		name := fmt.Sprintf("delta_log/%d/%d/%d/%d", s.coll.ID, partition, segment, log)
		err := s.withObject(ctx, name, func(object binlog.Object) error {
			return binlog.ReadDeletes(object, s.coll.ID, s.textKey(), func(k model.Key, ts uint64) error {
				newest = max(newest, ts)
				if ts <= s.cut.at {
					all = append(all, deleted{identityOf(k), ts})
				}
				return ctx.Err()
			})
		})
		if err != nil {
			return nil, 0, err
		}
	}
	return all, newest, nil
}

// withObject opens an object for as long as it is used, and has errors name it.
func (s *Source) withObject(ctx context.Context, name string, use func(binlog.Object) error) error {
	object, err := s.bucket.Open(ctx, name)
	if err != nil {
		return err
	}
	defer object.Close()
	if err := use(object); err != nil {
		return fmt.Errorf("%s: %w", s.bucket.URL(name), err)
	}
	return nil
}
