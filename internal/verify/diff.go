package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"migrate/internal/columns"
	"migrate/internal/model"
	"migrate/internal/source"
)

// held are rows of the left side that are held against those of the right one.
type held struct {
	rest      map[model.Key]uint64   // hashes of those that were not found on the right
	more      map[model.Key][]uint64 // of further rows of the same key
	differing []model.Key
	d         Differences
}

// left takes a row of the left side.
func (h *held) left(key model.Key, hash uint64) {
	if _, there := h.rest[key]; !there {
		h.rest[key.Clone()] = hash
		return
	}
	if h.more == nil {
		h.more = map[model.Key][]uint64{}
	}
	h.more[key.Clone()] = append(h.more[key], hash)
}

// right holds a row of the right side against them. Of a duplicate key's rows the right side may have any.
func (h *held) right(key model.Key, hash uint64) {
	switch want, there := h.rest[key]; {
	case !there:
		h.d.Extra++
		named(&h.d.ExtraKeys, key)
	case want != hash && !slices.Contains(h.more[key], hash):
		h.differing = append(h.differing, key.Clone())
	}
	delete(h.rest, key)
}

// end tells what was found, once the rows of both sides have come.
func (h *held) end() Differences {
	h.d.Differing = int64(len(h.differing))
	for _, key := range h.differing {
		named(&h.d.DifferingKeys, key)
	}
	h.d.Missing = int64(len(h.rest))
	for key := range h.rest {
		named(&h.d.MissingKeys, key)
	}
	h.d.trim()
	return h.d
}

// diffChunk holds the rows of a chunk against each other. Only those of the left side are kept in memory: its chunks are cut to
// that end, and the right side may have any number of rows in one of them.
func (c *comparison) diffChunk(ctx context.Context, chunk model.Chunk) (d Differences, left, right outcome, err error) {
	h := &held{rest: map[model.Key]uint64{}}
	left, err = c.eachRow(ctx, c.left, chunk, nil, h.left)
	if err != nil {
		return d, left, right, err
	}
	right, err = c.eachRow(ctx, c.right, chunk, nil, h.right)
	if err != nil {
		return d, left, right, err
	}
	var arbitrary int64
	if h.differing, arbitrary, err = c.leaveArbitrary(ctx, chunk.Partition, h.differing, left.found); err != nil {
		return d, left, right, err
	}
	d = h.end()
	d.Arbitrary = arbitrary
	return d, left, right, err
}

// leaveArbitrary takes the keys that the left side has several rows of from those that differ, and says how many they are: a query
// returns any of these rows, so that another one may be what the right side has.
func (c *comparison) leaveArbitrary(ctx context.Context, partition string, differing []model.Key, found model.Findings) (left []model.Key, arbitrary int64, err error) {
	ranged, ok := c.left.Source.(source.Ranged)
	if !ok || found.Duplicates.Rows == 0 || len(differing) == 0 {
		return differing, 0, nil
	}
	slices.SortFunc(differing, model.Key.Compare)
	several, err := ranged.Duplicates(ctx, partition, differing, source.MostAsked) // the others stay differences: none may hide among them
	if err != nil {
		return nil, 0, err
	}
	return slices.DeleteFunc(differing, func(k model.Key) bool {
		_, found := slices.BinarySearchFunc(several.Sample, k, func(c model.Copies, k model.Key) int { return c.Key.Compare(k) })
		return found
	}), int64(len(several.Sample)), nil
}

// eachRow tells the key and the hash of every row of a chunk of one side, and progress of each batch, where it is not nil.
func (c *comparison) eachRow(
	ctx context.Context, s side, chunk model.Chunk, progress func(rows, bytes int64), row func(model.Key, uint64),
) (o outcome, err error) {
	stream, err := s.read(ctx, chunk)
	if err != nil {
		return o, err
	}
	for rec, err := range source.Rows(stream) {
		if err != nil {
			return o, err
		}
		hashes, err := c.hash(rec, &o)
		if err != nil {
			return o, err
		}
		for i, k := range columns.KeysOf(rec, s.key) {
			row(k, hashes[i])
		}
		if progress != nil {
			progress(rec.NumRows(), columns.Bytes(rec))
		}
	}
	o.found = stream.Findings()
	return o, nil
}

// named adds a key to those of which the first are named in the end, and keeps no more than a few of the others.
func named(keys *[]model.Key, key model.Key) {
	*keys = append(*keys, key.Clone())
	if len(*keys) == 100*namedKeys {
		trim(keys)
	}
}

func (d *Differences) add(other Differences) {
	d.Missing += other.Missing
	d.Extra += other.Extra
	d.Differing += other.Differing
	d.Arbitrary += other.Arbitrary
	d.MissingKeys = append(d.MissingKeys, other.MissingKeys...)
	d.ExtraKeys = append(d.ExtraKeys, other.ExtraKeys...)
	d.DifferingKeys = append(d.DifferingKeys, other.DifferingKeys...)
	d.trim()
}

// trim keeps the first keys of each kind.
func (d *Differences) trim() {
	for _, keys := range []*[]model.Key{&d.MissingKeys, &d.ExtraKeys, &d.DifferingKeys} {
		trim(keys)
	}
}

func trim(keys *[]model.Key) {
	slices.SortFunc(*keys, model.Key.Compare)
	if len(*keys) > namedKeys {
		*keys = slices.Clone((*keys)[:namedKeys])
	}
}

// settle counts what the servers' findings mean, and decides.
func (r *Report) settle() {
	r.Rows.Extra += r.RightFound.Duplicates.Rows
	for _, c := range r.RightFound.Duplicates.Sample {
		r.Rows.ExtraKeys = append(r.Rows.ExtraKeys, c.Key)
	}
	r.Rows.Uncheckable = r.LeftFound.UnreadableRows() + r.RightFound.UnreadableRows()
	r.Rows.trim()
	d := r.Rows
	moved := slices.ContainsFunc(r.Partitions, func(p Partition) bool {
		return p.Left.Rows != p.Right.Rows || p.Left.Hash != p.Right.Hash && p.Arbitrary == 0
	})
	r.sameRows = !moved && d.Missing+d.Extra+d.Differing+d.Uncheckable == 0
	r.Equal = r.sameRows && len(r.Described.Texts(model.Refuses, model.Differs)) == 0
}

// SameRows reports whether the two sides hold the same rows, however they are described.
func (r *Report) SameRows() bool { return r.Equal || r.sameRows }

// But is what "equal" has to be said with: the left side has keys of several rows, of which the right side has one each, or NULLs where
// the right side has the default. It is "" where there is neither.
func (r *Report) But() string {
	var but []string
	if d := r.LeftFound.Duplicates; d.Rows > 0 {
		but = append(but, d.String())
		if n := r.Rows.Arbitrary; n > 0 {
			but[0] += fmt.Sprintf(", %s of which hold other rows than the one that was compared", humanize.Comma(n))
		}
	}
	if r.Defaulted > 0 {
		but = append(but, fmt.Sprintf("%s NULLs that became the default of their field", humanize.Comma(r.Defaulted)))
	}
	if len(but) == 0 {
		return ""
	}
	return "but for " + strings.Join(but, ", and ")
}

// newReport compares the descriptions. Keys that the left side gave may be given by clients on the right, where they were kept.
func newReport(left, right *model.Collection, types map[string]string) *Report {
	want := *left.AskedFor(types)
	r := &Report{KeptKeys: model.AutoID(left.Schema) && !model.AutoID(right.Schema)}
	if r.KeptKeys {
		want.Schema = model.WithGivenKeys(want.Schema)
	}
	r.Described = model.Compare(&want, right)
	r.Schema = r.Described.Of(model.Fields, model.Lengths).Texts(model.Refuses, model.Differs)
	return r
}

func partitionsOf(left, right side) []string {
	names := slices.Concat(left.coll.PartitionsToRead(), right.coll.PartitionsToRead())
	slices.Sort(names)
	return slices.Compact(names)
}
