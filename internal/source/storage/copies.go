package storage

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

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
	return cmp.Or(a.key.compare(b.key), cmp.Compare(b.ts, a.ts), cmp.Compare(b.segment, a.segment), cmp.Compare(b.row, a.row))
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

	mu      sync.Mutex
	entries []entry
}

func newCopies(s *Source) *copies {
	var rows int64
	for _, g := range s.segments {
		rows += g.Rows
	}
	most := cmp.Or(s.opts.Entries, mostEntries)
	return &copies{s: s, passes: max(int((rows+int64(most)-1)/int64(most)), 1), most: most}
}

func (c *copies) begin(pass int) {
	c.pass, c.entries = pass, c.entries[:0]
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
	some := make([]entry, 0, len(ids))
	for i, key := range ids {
		row := at + int64(i)
		if c.passOf(key) == c.pass && alive.has(row) {
			some = append(some, entry{c.within(g, key), uint64(times[i]), uint32(g.number), uint32(row)})
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries = append(c.entries, some...)
}

// within tells the keys of partitions apart that are read apart.
func (c *copies) within(g *segment, key identity) identity {
	if g.readAs != model.AllPartitions {
		key.low ^= uint64(g.Partition)
	}
	return key
}

// passOf spreads keys evenly, whatever they are.
func (c *copies) passOf(key identity) int {
	const golden = 0x9E3779B97F4A7C15
	mixed := (key.high ^ key.high>>32 ^ key.low) * golden
	return int((mixed >> 32) % uint64(c.passes))
}

// settle leaves out all rows of a key but one.
func (c *copies) settle() {
	slices.SortFunc(c.entries, newer)
	for i := 0; i < len(c.entries); {
		j := i + 1
		same := uint32(1)
		for ; j < len(c.entries) && c.entries[j].key == c.entries[i].key; j++ {
			if c.drop(c.entries[j]) {
				same++
			}
		}
		if same > 1 {
			c.all = append(c.all, several{c.entries[i].segment, c.entries[i].row, same})
			c.others += int64(same) - 1
		}
		i = j
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
