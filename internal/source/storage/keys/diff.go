package keys

import (
	"container/heap"
	"context"
	"errors"
	"io"
	"iter"
	"slices"

	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/sinks"
)

// Diff are the keys whose newest row is another one in a later set, by partitions and then by keys. Each is told once. A row is dead if a
// delete of its segment, or of level 0, is newer than it; one of the same time is that of the upsert which wrote the row.
//
// Only files that the two sets do not share are read whole, and files that hold what was written between them. Of the others the
// blocks are read that may have a key of these. A block of each file is held in memory.
func Diff(ctx context.Context, sink sinks.Sink, before, after *Set) iter.Seq2[source.Change, error] {
	return func(yield func(source.Change, error) bool) {
		for _, p := range partitions(before, after) {
			d := newDiff(ctx, sink, before, after, p)
			err := d.each(func(c source.Change) bool { return yield(c, nil) })
			if err = errors.Join(err, d.close()); errors.Is(err, errEnough) {
				return
			}
			if err != nil {
				yield(source.Change{}, err)
				return
			}
		}
	}
}

// errEnough: nobody wants more.
var errEnough = errors.New("enough")

// partitions are those that either set has rows in.
func partitions(sets ...*Set) []string {
	var names []string
	for _, s := range sets {
		for _, g := range s.Segments {
			if g.Rows != nil {
				names = append(names, g.Partition)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// The two sets that are held against each other.
const (
	was = 0
	is  = 1
)

// part is a file in its role.
type part struct {
	file    File
	of      *unit
	deletes bool
	in      [2]bool // the sets
	at      *cursor // nil where it was not opened yet
}

// unit is a segment in the two sets, or the deletes of level 0.
type unit struct {
	parts   []*part
	changed bool // it is not the same in both sets, or holds what was written between them
	row     [2]uint64
	delete  [2]uint64
}

// diff is the difference of two sets in one partition.
type diff struct {
	ctx       context.Context
	sink      sinks.Sink
	partition string
	upTo      [2]uint64
	units     map[int64]*unit
	level     *unit // of level 0
	open      []io.Closer

	whole     merging // what gives the keys
	near, far waiting // what is asked of each key; of those that seem to have changed
	roles     map[*cursor]*part
	touched   []*unit // that have times of the key
}

func newDiff(ctx context.Context, sink sinks.Sink, before, after *Set, partition string) *diff {
	d := &diff{ctx: ctx, sink: sink, partition: partition, upTo: [2]uint64{before.At, after.At}, units: map[int64]*unit{}, level: &unit{}, roles: map[*cursor]*part{}}
	for side, s := range []*Set{before, after} {
		for _, g := range s.Segments {
			switch {
			case g.Rows == nil && (g.Partition == partition || g.Partition == ""):
				d.level.add(side, false, g)
			case g.Rows != nil && g.Partition == partition:
				if d.units[g.ID] == nil {
					d.units[g.ID] = &unit{}
				}
				d.units[g.ID].add(side, true, g)
			}
		}
	}
	return d
}

func (u *unit) add(side int, rows bool, g Segment) {
	if rows {
		u.part(*g.Rows, false).in[side] = true
	}
	for _, f := range g.Deletes {
		u.part(f, true).in[side] = true
	}
}

func (u *unit) part(f File, deletes bool) *part {
	for _, p := range u.parts {
		if p.file.Name == f.Name {
			return p
		}
	}
	p := &part{file: f, of: u, deletes: deletes}
	u.parts = append(u.parts, p)
	return p
}

// isWhole reports whether each key of a file may have changed by it.
func (d *diff) isWhole(p *part) bool { return p.in[was] != p.in[is] || p.file.Newest > d.upTo[was] }

// each hands on what changed in the partition.
func (d *diff) each(yield func(source.Change) bool) error {
	if err := d.prepare(); err != nil {
		return err
	}
	for len(d.whole) > 0 {
		if err := d.ctx.Err(); err != nil {
			return err
		}
		key, err := d.take()
		if err != nil {
			return err
		}
		if err := d.ask(&d.near, key); err != nil {
			return err
		}
		if d.newest(was) != d.newest(is) {
			if err := d.ask(&d.far, key); err != nil {
				return err
			}
		}
		before, after := d.newest(was), d.newest(is)
		d.forget()
		if before != after && !yield(source.Change{Partition: d.partition, Key: key, Gone: after == 0}) {
			return errEnough
		}
	}
	return nil
}

// prepare opens the files that are read whole, and puts the others where they are asked.
func (d *diff) prepare() error {
	units := []*unit{d.level}
	for _, u := range d.units {
		units = append(units, u)
	}
	for _, u := range units {
		u.changed = slices.ContainsFunc(u.parts, d.isWhole)
	}
	for _, u := range units {
		for _, p := range u.parts {
			switch {
			case d.isWhole(p):
				if err := d.begin(p); err != nil {
					return err
				}
			case u.changed || d.level.changed || u == d.level:
				d.near = append(d.near, p)
			default:
				d.far = append(d.far, p)
			}
		}
	}
	heap.Init(&d.whole)
	return nil
}

// begin opens a file that is read whole.
func (d *diff) begin(p *part) error {
	if err := d.openPart(p); err != nil || p.at.done() {
		return err
	}
	_, err := p.at.stamp()
	d.whole = append(d.whole, p.at)
	return err
}

func (d *diff) openPart(p *part) error {
	c, o, err := openFile(d.ctx, d.sink, p.file.Name)
	if err != nil {
		return err
	}
	d.open, p.at, d.roles[c] = append(d.open, o), c, p
	return nil
}

func (d *diff) close() (err error) {
	for _, o := range d.open {
		err = errors.Join(err, o.Close())
	}
	return err
}

// take is the next key, with all its times in the files that are read whole.
func (d *diff) take() (model.Key, error) {
	key := d.whole[0].lower()
	for len(d.whole) > 0 && d.whole[0].lower() == key {
		c := d.whole[0]
		s, err := c.stamp()
		if err != nil {
			return key, err
		}
		d.note(d.roles[c], s)
		if err := d.whole.advance(); err != nil {
			return key, err
		}
	}
	return key, nil
}

// ask has files tell the times of a key.
func (d *diff) ask(files *waiting, key model.Key) error {
	for len(*files) > 0 {
		p := (*files)[0]
		if p.at != nil && p.at.lower().Compare(key) > 0 {
			return nil
		}
		if p.at == nil {
			if err := d.openPart(p); err != nil {
				return err
			}
		}
		if err := d.askOne(p, key); err != nil {
			return err
		}
		if p.at.done() {
			heap.Pop(files)
		} else {
			heap.Fix(files, 0)
		}
	}
	return nil
}

func (d *diff) askOne(p *part, key model.Key) error {
	if err := p.at.seek(key); err != nil {
		return err
	}
	for !p.at.done() && p.at.block != nil && p.at.lower() == key {
		s, err := p.at.stamp()
		if err != nil {
			return err
		}
		d.note(p, s)
		p.at.next()
		if err := p.at.seek(key); err != nil { // the key may go on in the next block
			return err
		}
	}
	return nil
}

// note takes down a time of the key.
func (d *diff) note(p *part, s stamp) {
	u := p.of
	d.touched = append(d.touched, u)
	for side := range p.in {
		if !p.in[side] || s.ts > d.upTo[side] {
			continue
		}
		if p.deletes {
			u.delete[side] = max(u.delete[side], s.ts)
		} else {
			u.row[side] = max(u.row[side], s.ts)
		}
	}
}

// newest is the time of the newest row of the key that is alive in a set; 0 where there is none.
func (d *diff) newest(side int) (ts uint64) {
	for _, u := range d.touched {
		if row := u.row[side]; row >= u.delete[side] && row >= d.level.delete[side] {
			ts = max(ts, row)
		}
	}
	return ts
}

func (d *diff) forget() {
	for _, u := range d.touched {
		u.row, u.delete = [2]uint64{}, [2]uint64{}
	}
	d.touched = d.touched[:0]
}

// waiting are files that are not read whole, by the keys from which on they may have more; those that were not opened come first.
type waiting []*part

func (w waiting) Len() int      { return len(w) }
func (w waiting) Swap(i, j int) { w[i], w[j] = w[j], w[i] }
func (w waiting) Less(i, j int) bool {
	a, b := w[i].at, w[j].at
	if a == nil || b == nil {
		return a == nil && b != nil
	}
	return a.lower().Compare(b.lower()) < 0
}
func (w *waiting) Push(x any) { *w = append(*w, x.(*part)) }
func (w *waiting) Pop() any {
	last := len(*w) - 1
	p := (*w)[last]
	*w = (*w)[:last]
	return p
}
