package syncer

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"migrate/internal/columns"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/query"
)

// sides are the two collections as they stand at one time.
type sides struct {
	source, target source.Ranged
	layout         *columns.Layout  // of the target
	defaults       columns.Defaults // of the target
	only           []string         // the columns that are read; all where nil
	documents      []string         // columns of JSON that count by value, since a server spells them anew
	limit          *rate.Limiter    // of rows read from the source
	cost           float64          // of a row, in rows of all columns; 1 where zero
	read           *int64           // rows that were
}

// rowSizes are how large a row is on the two sides; zero where that is not known.
type rowSizes struct{ source, target float64 }

func openSides(ctx context.Context, from, to *milvus.Server, a, b *model.Collection, known rowSizes) (s sides, err error) {
	if s.layout, err = columns.NewLayout(b.Schema); err != nil {
		return s, err
	}
	s.defaults = columns.DefaultsOf(b.Schema)
	err = both(ctx, func(ctx context.Context) (err error) {
		s.source, err = query.OpenAt(ctx, from, a, nil, query.Options{RowBytes: known.source})
		return err
	}, func(ctx context.Context) (err error) {
		s.target, err = query.OpenAt(ctx, to, b, nil, query.Options{RowBytes: known.target})
		return err
	})
	if err == nil {
		s.documents = source.SpelledAnew(s.source, s.target)
	}
	return s, err
}

// both does something on both sides at once.
func both(ctx context.Context, source, target func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return source(ctx) })
	g.Go(func() error { return target(ctx) })
	return g.Wait()
}

// asOfNow are the two sides as they stand now.
func (s sides) asOfNow(ctx context.Context) (sides, error) {
	now := s
	err := both(ctx, func(ctx context.Context) (err error) {
		now.source, err = s.source.Now(ctx)
		return err
	}, func(ctx context.Context) (err error) {
		now.target, err = s.target.Now(ctx)
		return err
	})
	return now, err
}

// key is the primary key's name, on both sides.
func (s sides) key() string { return s.layout.KeyName() }

// keysOnly reads of each row only the key, which is all that has to be read where a row is missing on one side.
func (s sides) keysOnly() sides {
	s.only = []string{s.key()}
	s.cost, s.read = s.source.RowBytes(s.key())/max(s.source.RowBytes(), s.source.RowBytes(s.key())), new(int64)
	return s
}

// hints find what was written to the source; nil where it has none.
func (s sides) hints() source.Hints {
	h, _ := s.source.(source.Hints)
	return h
}

// markOf tells by the segments of a side, which counts so many rows, what was written to it; nil where they don't.
func markOf(ctx context.Context, side source.Ranged, rows int64) (*model.Mark, error) {
	hints, ok := side.(source.Hints)
	if !ok {
		return nil, nil
	}
	mark, err := hints.Mark(ctx)
	if err != nil || mark == nil {
		return nil, err
	}
	if mark.Rows = rows; !mark.Whole() {
		return nil, nil
	}
	return mark, nil
}

// partitions are those of both sides.
func (s sides) partitions() []string {
	names := slices.Concat(s.source.Collection().PartitionsToRead(), s.target.Collection().PartitionsToRead())
	slices.Sort(names)
	return slices.Compact(names)
}

// counts are the rows that the two sides count.
type counts struct{ source, target int64 }

func (s sides) counts(ctx context.Context, rng model.Range) (n counts, err error) {
	err = both(ctx, func(ctx context.Context) (err error) {
		n.source, err = s.source.Count(ctx, model.AllPartitions, rng)
		return err
	}, func(ctx context.Context) (err error) {
		n.target, err = s.target.Count(ctx, model.AllPartitions, rng)
		return err
	})
	return n, err
}

// Suspects are keys, by partition, whose rows may differ.
type Suspects struct {
	Keys map[string][]model.Key
	// Twice are those among them that the target has more than one row of: they are written anew even where they look equal.
	Twice map[model.Key]bool
	// Written: nobody saw these differ; they are said to have been written, so those that are equal are no differences passed.
	Written bool
}

func (s Suspects) number() (n int64) {
	for _, keys := range s.Keys {
		n += int64(len(keys))
	}
	return n
}

// look is what a comparison of one range found.
type look struct {
	Suspects
	uneven     int64 // rows that the source counts beyond those of the target, once the suspects are dealt with
	duplicates int64 // keys of several rows on the source
	unreadable int64 // rows that are counted on either side and were not read, and nobody knows why: nothing is to be expected of them
}

// differs reports whether a range has to be looked at again: rows differed, or were not read, of which nothing may be expected.
func (l look) differs() bool { return l.number() > 0 || l.unreadable > 0 }

// compare holds all rows of a range against each other, partition by partition.
func (s sides) compare(ctx context.Context, rng model.Range) (look, error) {
	l := look{Suspects: Suspects{Keys: map[string][]model.Key{}, Twice: map[model.Key]bool{}}}
	for _, p := range s.partitions() {
		var from, to rows
		err := both(ctx, func(ctx context.Context) (err error) {
			from, err = s.rows(ctx, s.source, p, rng, s.paced)
			return err
		}, func(ctx context.Context) (err error) {
			to, err = s.rows(ctx, s.target, p, rng, nil)
			return err
		})
		if err != nil {
			return look{}, err
		}
		arbitrary, err := s.arbitrary(ctx, p, from, to)
		if err != nil {
			return look{}, err
		}
		twice, err := s.twice(ctx, p, to)
		if err != nil {
			return look{}, err
		}
		l.add(p, from, to, arbitrary, twice)
	}
	return l, nil
}

// arbitrary are the keys that differ and have several rows on the source: a query returns any of these, so that it can't be said
// that they differ. Where there are very many, so are all keys that differ beyond those that were asked for; verify does not pass
// them over.
func (s sides) arbitrary(ctx context.Context, partition string, from, to rows) ([]model.Copies, error) {
	if from.found.Duplicates.Rows == 0 {
		return nil, nil
	}
	var differing []model.Key
	for key, hash := range from.hashes {
		if other, there := to.hashes[key]; there && other != hash {
			differing = append(differing, key)
		}
	}
	slices.SortFunc(differing, model.Key.Compare)
	found, err := s.source.Duplicates(ctx, partition, differing, source.MostAsked)
	if n := len(found.Sample); n >= source.MostAsked {
		for _, k := range differing {
			if k.Compare(found.Sample[n-1].Key) > 0 {
				found.Sample = append(found.Sample, model.Copies{Key: k})
			}
		}
	}
	return found.Sample, err
}

// mostTwice is how many keys of several rows on the target are looked for in one range and cycle.
const mostTwice = 2000

// twice are keys that the target has several rows of, which are to be written anew.
func (s sides) twice(ctx context.Context, partition string, to rows) ([]model.Copies, error) {
	if to.found.Duplicates.Rows == 0 {
		return nil, nil
	}
	found, err := s.target.Duplicates(ctx, partition, slices.SortedFunc(maps.Keys(to.hashes), model.Key.Compare), mostTwice)
	return found.Sample, err
}

// paced waits until rows may be read from the source. Those of which only the key is read count by their bytes.
func (s sides) paced(ctx context.Context, n int64) error {
	*s.read += n
	n = int64(math.Ceil(float64(n) * cmp.Or(s.cost, 1)))
	for n > 0 && s.limit.Limit() != rate.Inf {
		some := min(n, int64(s.limit.Burst()))
		if err := s.limit.WaitN(ctx, int(some)); err != nil {
			return err
		}
		n -= some
	}
	return nil
}

// rows are those of one range of one partition of one side: a hash for each key.
type rows struct {
	hashes map[model.Key]uint64
	found  model.Findings
}

func (s sides) rows(ctx context.Context, from source.Ranged, partition string, rng model.Range, paced func(context.Context, int64) error) (rows, error) {
	got := rows{hashes: map[model.Key]uint64{}}
	if !slices.Contains(from.Collection().PartitionsToRead(), partition) {
		return got, nil
	}
	stream, err := from.Read(ctx, model.Chunk{Partition: partition, Range: rng}, s.only...)
	if err != nil {
		return got, err
	}
	for rec, err := range source.Rows(stream) {
		if err != nil {
			return got, err
		}
		if err := got.take(s, rec); err != nil {
			return got, err
		}
		if paced == nil {
			continue
		}
		if err := paced(ctx, rec.NumRows()); err != nil {
			return got, err
		}
	}
	got.found = stream.Findings()
	return got, nil
}

// hash hashes rows of either side as the target has them: a NULL in a field with a default is the default there.
func (s sides) hash(rec arrow.Record) ([]uint64, error) {
	hashes, _, err := s.defaults.Hash(columns.ByValue(rec, s.documents))
	return hashes, err
}

// take adds the rows of a batch.
func (r *rows) take(s sides, rec arrow.Record) error {
	hashes, err := s.hash(rec)
	if err != nil {
		return err
	}
	for i, k := range columns.KeysOf(rec, s.key()) {
		r.hashes[k.Clone()] = hashes[i]
	}
	return nil
}

// add takes what a partition holds on both sides: keys whose rows differ arbitrarily on the source, and such as the target has
// twice, are told apart.
func (l *look) add(partition string, from, to rows, arbitrary, twice []model.Copies) {
	l.duplicates += from.found.Duplicates.Keys
	l.uneven += from.found.Duplicates.Rows + from.found.KnownRows() - to.found.KnownRows()
	l.unreadable += from.found.UnreadableRows() - from.found.KnownRows() + to.found.UnreadableRows() - to.found.KnownRows()
	passed := map[model.Key]bool{}
	for _, c := range arbitrary {
		passed[c.Key] = true
	}
	for _, c := range twice {
		l.Twice[c.Key] = true
		l.Keys[partition] = append(l.Keys[partition], c.Key)
	}
	for key, hash := range from.hashes {
		if other, there := to.hashes[key]; (!there || other != hash && !passed[key]) && !l.Twice[key] {
			l.Keys[partition] = append(l.Keys[partition], key)
		}
	}
	for key := range to.hashes {
		if _, there := from.hashes[key]; !there && !l.Twice[key] {
			l.Keys[partition] = append(l.Keys[partition], key)
		}
	}
	slices.SortFunc(l.Keys[partition], model.Key.Compare)
}
