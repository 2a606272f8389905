package storage

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"golang.org/x/sync/errgroup"

	"migrate/internal/model"
)

// entryBytes is what a row takes while its key is held against others, and mostEntries how many of them are held at once: 256 MiB. More rows
// are looked through in several passes, each of other keys.
const (
	entryBytes  = 32
	mostEntries = 256 << 20 / entryBytes
)

// entry is a row that is alive.
type entry struct {
	key     identity
	ts      uint64
	segment uint32
	row     uint32
}

// newer orders the rows of a key: the one that was written last is first, and of those that were written at once one of the last segment.
func newer(a, b entry) int {
	if by := a.key.compare(b.key); by != 0 { // as nearly always
		return by
	}
	return cmp.Or(cmp.Compare(b.ts, a.ts), cmp.Compare(b.segment, a.segment), cmp.Compare(b.row, a.row))
}

// several is a row of which there are others with the same key, which are not read.
type several struct {
	segment, row uint32
	copies       uint32
}

// copies finds the rows of duplicate keys: the newest is read.
type copies struct {
	s      *Source
	passes int
	pass   int
	most   int // entries of a pass
	all    []several
	others int64 // rows that are not read, since others have their keys

	mu     sync.Mutex
	shares [shares][]entry // of the pass, by their keys
}

// shares is how many parts the rows of a pass are sorted in, several at once: few enough rows each for the cache of a processor.
const (
	shareBits = 6
	shares    = 1 << shareBits
)

func newCopies(s *Source) *copies {
	var rows int64
	for _, g := range s.segments {
		rows += g.Rows
	}
	most := cmp.Or(s.opts.Entries, mostEntries)
	return &copies{s: s, passes: max(int((rows+int64(most)-1)/int64(most)), 1), most: most}
}

func (c *copies) begin(pass int) {
	c.pass = pass
	for i := range c.shares {
		c.shares[i] = c.shares[i][:0]
	}
}

// scan looks through a segment again, for the keys of another pass.
func (c *copies) scan(ctx context.Context, g *segment) error {
	return c.s.scan(ctx, g, func(at int64, keys *schemapb.FieldData, times []int64) error {
		c.add(g, at, identities(keys), times, g.alive)
		return nil
	})
}

// add takes the rows that are alive, and that are of this pass.
func (c *copies) add(g *segment, at int64, ids []identity, times []int64, alive bitmap) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, key := range ids {
		row, mixed := at+int64(i), key.mixed()
		if mixed>>32%uint64(c.passes) == uint64(c.pass) && alive.has(row) {
			share := &c.shares[mixed>>(64-shareBits)]
			*share = append(*share, entry{c.within(g, key), uint64(times[i]), uint32(g.number), uint32(row)})
		}
	}
}

// within tells the keys of partitions apart that are read apart.
func (c *copies) within(g *segment, key identity) identity {
	if g.readAs != model.AllPartitions {
		key.low ^= uint64(g.Partition)
	}
	return key
}

// settle leaves out all rows of a key but one.
func (c *copies) settle() {
	var g errgroup.Group
	g.SetLimit(scanners)
	for _, share := range c.shares {
		g.Go(func() error {
			slices.SortFunc(share, newer)
			c.settleSorted(share)
			return nil
		})
	}
	_ = g.Wait() // none fails
}

func (c *copies) settleSorted(entries []entry) {
	for i := 0; i < len(entries); {
		j := i + 1
		for j < len(entries) && entries[j].key == entries[i].key {
			j++
		}
		if j > i+1 {
			c.keepFirst(entries[i:j])
		}
		i = j
	}
}

// keepFirst leaves out all of a key's rows but the first.
func (c *copies) keepFirst(all []entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	same := uint32(1)
	for _, e := range all[1:] {
		if c.drop(e) {
			same++
		}
	}
	if same > 1 {
		c.all = append(c.all, several{all[0].segment, all[0].row, same})
		c.others += int64(same) - 1
	}
}

// drop leaves a row out, and says whether it is one of its own: a row of a segment that was replaced may be that of another one.
func (c *copies) drop(e entry) bool {
	g := c.s.segments[e.segment]
	if g.alive == nil {
		g.alive = allOf(g.Rows)
	}
	g.alive.clear(int64(e.row))
	return !g.gone
}

// found are the rows of which there are others, by segment and row.
func (c *copies) found() []several {
	slices.SortFunc(c.all, several.compare)
	return c.all
}

func (a several) compare(b several) int {
	return cmp.Or(cmp.Compare(a.segment, b.segment), cmp.Compare(a.row, b.row))
}

// copiesIn are those of a piece.
func (s *Source) copiesIn(p piece) []several {
	at := func(row int64) int {
		i, _ := slices.BinarySearchFunc(s.copies, several{segment: uint32(p.segment), row: uint32(row)}, several.compare)
		return i
	}
	return s.copies[at(p.from):at(p.to)]
}
