package verify

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/dustin/go-humanize"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source/query"
)

// rowHashes are the rows of one range of one side: a hash for each key.
type rowHashes map[model.Key]uint64

// diffRange holds the rows of a range against each other. Only those of the left side are kept in memory: its ranges are cut to
// that end, and the right side may have any number of rows in one of them.
func (c *comparison) diffRange(ctx context.Context, partition string, rng model.Range) (d Differences, left, right outcome, err error) {
	rest := rowHashes{} // of the left side, without those that were found on the right
	left, err = c.each(ctx, c.left, partition, rng, func(key model.Key, hash uint64) { rest[key.Clone()] = hash })
	if err != nil {
		return d, left, right, err
	}
	var differing []model.Key
	right, err = c.each(ctx, c.right, partition, rng, func(key model.Key, hash uint64) {
		switch want, there := rest[key]; {
		case !there:
			d.Extra++
			named(&d.ExtraKeys, key)
		case want != hash:
			differing = append(differing, key.Clone())
		}
		delete(rest, key)
	})
	if err != nil {
		return d, left, right, err
	}
	if differing, d.Arbitrary, err = c.leaveArbitrary(ctx, partition, differing, left.found); err != nil {
		return d, left, right, err
	}
	d.Differing = int64(len(differing))
	for _, key := range differing {
		named(&d.DifferingKeys, key)
	}
	d.Missing = int64(len(rest))
	for key := range rest {
		named(&d.MissingKeys, key)
	}
	d.trim()
	return d, left, right, err
}

// duplicates is a side that can tell the keys that it has several rows of.
type duplicates interface {
	Duplicates(ctx context.Context, partition string, keys []model.Key, name int) (model.Duplicates, error)
}

// leaveArbitrary takes the keys that the left side has several rows of from those that differ, and says how many they are: a query
// returns any of these rows, so that another one may be what the right side has.
func (c *comparison) leaveArbitrary(ctx context.Context, partition string, differing []model.Key, found model.Findings) (left []model.Key, arbitrary int64, err error) {
	side, ok := c.left.(duplicates)
	if !ok || found.Duplicates.Rows == 0 || len(differing) == 0 {
		return differing, 0, nil
	}
	slices.SortFunc(differing, model.Key.Compare)
	several, err := side.Duplicates(ctx, partition, differing, query.MostAsked) // the others stay differences: none may hide among them
	if err != nil {
		return nil, 0, err
	}
	return slices.DeleteFunc(differing, func(k model.Key) bool {
		_, found := slices.BinarySearchFunc(several.Sample, k, func(c model.Copies, k model.Key) int { return c.Key.Compare(k) })
		return found
	}), int64(len(several.Sample)), nil
}

// each gives the key and the hash of every row of a range of one side.
func (c *comparison) each(ctx context.Context, side Side, partition string, rng model.Range, row func(model.Key, uint64)) (o outcome, err error) {
	if !slices.Contains(side.Partitions(), partition) {
		return o, nil
	}
	key := keyName(side.Schema())
	o.found, err = side.Read(ctx, partition, rng, func(rec arrow.Record) error {
		hashes, err := columns.Hash(rec)
		if err != nil {
			return err
		}
		o.sum.AddRows(hashes)
		for i, k := range columns.KeysOf(rec, key) {
			row(k, hashes[i])
		}
		return nil
	})
	return o, err
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

// But is what "equal" has to be said with: the left side has keys of several rows, of which the right side has one each. It is ""
// where there are none.
func (r *Report) But() string {
	d := r.LeftFound.Duplicates
	if d.Rows == 0 {
		return ""
	}
	but := "but for " + d.String()
	if n := r.Rows.Arbitrary; n > 0 {
		but += fmt.Sprintf(", %s of which hold other rows than the one that was compared", humanize.Comma(n))
	}
	return but
}

// newReport compares the descriptions. Keys that the left side gave may be given by clients on the right, where they were kept.
func newReport(left, right Side) *Report {
	want := *left.Described()
	r := &Report{KeptKeys: keptKeys(left, right)}
	if r.KeptKeys {
		want.Schema = model.WithGivenKeys(want.Schema)
	}
	r.Described = model.Compare(&want, right.Described())
	r.Schema = r.Described.Of(model.Fields, model.Lengths).Texts(model.Refuses, model.Differs)
	return r
}

func keptKeys(left, right Side) bool {
	return model.AutoID(left.Schema()) && !model.AutoID(right.Schema())
}

func keyName(schema *schemapb.CollectionSchema) string { return model.PrimaryKey(schema).GetName() }

func partitionsOf(left, right Side) []string {
	names := slices.Concat(left.Partitions(), right.Partitions())
	slices.Sort(names)
	return slices.Compact(names)
}

// Server is the side of a collection on a server.
type Server struct{ *query.Reader }

// rangeRows is how many rows of a server's collection are compared at once.
const rangeRows = 1 << 16

// Open is the side of a collection of that name, as it stands now.
func Open(ctx context.Context, server *milvus.Server, collection string) (Server, error) {
	described, err := server.Describe(ctx, collection)
	if err != nil {
		return Server{}, err
	}
	r, err := query.Open(ctx, server, described)
	return Server{Reader: r}, err
}

// Described is the collection as it was when it was opened.
func (s Server) Described() *model.Collection { return s.Collection }

// Schema is the collection's.
func (s Server) Schema() *schemapb.CollectionSchema { return s.Collection.Schema }

// Ranges cuts a partition into ranges of about 65,536 rows.
func (s Server) Ranges(ctx context.Context, partition string) ([]model.Range, error) {
	counted, err := s.Split(ctx, partition, rangeRows)
	ranges := make([]model.Range, len(counted))
	for i, c := range counted {
		ranges[i] = c.Range
	}
	return ranges, err
}
