package keys_test

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync/atomic"

	"migrate/internal/model"
	"migrate/internal/source/storage/keys"
)

// server is a collection in the storage of a Milvus, and a model of what of it is alive. Deletes are of the segments that have the key, or of
// level 0.
type server struct {
	level0     bool
	now        uint64
	last       int64 // number given
	collection int64
	more       int64 // rows of each segment that it says it has, and has not
	partitions map[string]*partition
	cut        uint64       // what is listed is as of it; now where zero
	reads      atomic.Int64 // of segments and logs
}

type partition struct {
	growing  *segment
	segments map[int64]*segment
	levels   map[int64][]row        // deletes of level 0, by segment
	alive    map[model.Key][]uint64 // times of its rows
}

// row is one, or a delete.
type row struct {
	key model.Key
	ts  uint64
}

type segment struct {
	rows    []row
	deletes map[int64][]row // by log
	pending []row           // that were not flushed yet
}

func newServer(level0 bool) *server {
	return &server{level0: level0, partitions: map[string]*partition{}}
}

func (s *server) number() int64 {
	s.last++
	return s.last
}

func (s *server) tick() uint64 {
	s.now++
	return s.now
}

func (s *server) in(name string) *partition {
	if s.partitions[name] == nil {
		s.partitions[name] = &partition{&segment{deletes: map[int64][]row{}}, map[int64]*segment{}, map[int64][]row{}, map[model.Key][]uint64{}}
	}
	return s.partitions[name]
}

func (s *server) insert(name string, key model.Key, ts uint64) {
	p := s.in(name)
	p.growing.rows = append(p.growing.rows, row{key, ts})
	p.alive[key] = append(p.alive[key], ts)
}

func (s *server) delete(name string, key model.Key, ts uint64) {
	p := s.in(name)
	p.alive[key] = slices.DeleteFunc(p.alive[key], func(one uint64) bool { return one < ts })
	if s.level0 {
		p.levels[0] = append(p.levels[0], row{key, ts})
		return
	}
	for _, g := range append(slices.Collect(maps.Values(p.segments)), p.growing) {
		if slices.ContainsFunc(g.rows, func(r row) bool { return r.key == key }) {
			g.pending = append(g.pending, row{key, ts})
		}
	}
}

func (s *server) upsert(name string, key model.Key) {
	ts := s.tick()
	s.delete(name, key, ts)
	s.insert(name, key, ts)
}

// bulkInsert makes a segment of rows that have the time when it began.
func (s *server) bulkInsert(name string, all []model.Key, began uint64) {
	p, g := s.in(name), &segment{deletes: map[int64][]row{}}
	for _, key := range all {
		g.rows = append(g.rows, row{key, began})
		if !s.level0 || !slices.ContainsFunc(p.deletesOfAll(), func(d row) bool { return d.key == key && d.ts > began }) {
			p.alive[key] = append(p.alive[key], began)
		}
	}
	p.segments[s.number()] = g
}

func (p *partition) deletesOfAll() []row {
	return slices.Concat(slices.Collect(maps.Values(p.levels))...)
}

func (s *server) flush() {
	for _, p := range s.partitions {
		if len(p.growing.rows) > 0 {
			p.segments[s.number()] = p.growing
			p.growing = &segment{deletes: map[int64][]row{}}
		}
		for _, g := range p.segments {
			if len(g.pending) > 0 {
				g.deletes[s.number()], g.pending = g.pending, nil
			}
		}
		if pending := p.levels[0]; len(pending) > 0 {
			p.levels[s.number()] = pending
			delete(p.levels, 0)
		}
	}
}

// compact makes one segment of some, without the rows that are dead. One that holds all of a segment is its sorting.
func (s *server) compact(name string, some []int64) {
	p, merged := s.in(name), &segment{deletes: map[int64][]row{}}
	for _, id := range some {
		g := p.segments[id]
		dead := slices.Concat(slices.Concat(slices.Collect(maps.Values(g.deletes))...), p.deletesOfAll())
		for _, r := range g.rows {
			if !slices.ContainsFunc(dead, func(d row) bool { return d.key == r.key && d.ts > r.ts }) {
				merged.rows = append(merged.rows, r)
			}
		}
		merged.pending = append(merged.pending, g.pending...)
		delete(p.segments, id)
	}
	if len(merged.rows) > 0 {
		p.segments[s.number()] = merged
	}
}

// compactLevel gives each segment the deletes of level 0 that are of its rows, and takes these away.
func (s *server) compactLevel(name string) {
	p := s.in(name)
	for _, g := range p.segments {
		var own []row
		for id, deletes := range p.levels {
			for _, d := range deletes {
				if id != 0 && slices.ContainsFunc(g.rows, func(r row) bool { return r.key == d.key }) {
					own = append(own, d)
				}
			}
		}
		if len(own) > 0 {
			g.deletes[s.number()] = own
		}
	}
	maps.DeleteFunc(p.levels, func(id int64, _ []row) bool { return id != 0 })
}

// alive is the newest time of each key, by partition.
func (s *server) alive() map[string]map[model.Key]uint64 {
	all := map[string]map[model.Key]uint64{}
	for name, p := range s.partitions {
		all[name] = map[model.Key]uint64{}
		for key, copies := range p.alive {
			if len(copies) > 0 {
				all[name][key] = slices.Max(copies)
			}
		}
	}
	return all
}

// List implements keys.Logs.
func (s *server) List(context.Context) (keys.Listing, error) {
	s.flush()
	l := keys.Listing{Collection: s.collection, At: cmp.Or(s.cut, s.now)}
	for _, name := range slices.Sorted(maps.Keys(s.partitions)) {
		p := s.partitions[name]
		for _, id := range slices.Sorted(maps.Keys(p.segments)) {
			g := p.segments[id]
			l.Segments = append(l.Segments, keys.Listed{ID: id, Partition: name, Rows: int64(len(g.rows)) + s.more, Deletes: slices.Sorted(maps.Keys(g.deletes))})
		}
		for _, id := range slices.Sorted(maps.Keys(p.levels)) {
			l.Segments = append(l.Segments, keys.Listed{ID: id, Partition: name, Level0: true, Deletes: []int64{id}})
		}
	}
	return l, nil
}

// Now implements keys.Logs.
func (s *server) Now(context.Context) (map[int64]int64, error) {
	rows := map[int64]int64{}
	for _, p := range s.partitions {
		for id, g := range p.segments {
			rows[id] = int64(len(g.rows))
		}
		for id := range p.levels {
			if id != 0 {
				rows[id] = 0
			}
		}
	}
	return rows, nil
}

func each(rows []row, add func(model.Key, uint64) error) error {
	for _, r := range rows {
		if err := add(r.key, r.ts); err != nil {
			return err
		}
	}
	return nil
}

// Rows implements keys.Logs.
func (s *server) Rows(_ context.Context, g keys.Listed, add func(model.Key, uint64) error) error {
	s.reads.Add(1)
	return each(s.partitions[g.Partition].segments[g.ID].rows, add)
}

// Deletes implements keys.Logs.
func (s *server) Deletes(_ context.Context, g keys.Listed, log int64, add func(model.Key, uint64) error) error {
	s.reads.Add(1)
	if g.Level0 {
		return each(s.partitions[g.Partition].levels[g.ID], add)
	}
	return each(s.partitions[g.Partition].segments[g.ID].deletes[log], add)
}
