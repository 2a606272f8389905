package syncer

import (
	"context"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"migrate/internal/model"
	"migrate/internal/source"
)

// stored is a collection as its segments hold it: every write adds a row, a delete none, and only a compaction takes rows away.
type stored struct {
	live     map[int]int // the version of each key that is there
	segments map[int64][]storedRow
	growing  []storedRow
	writes   int   // by which versions are numbered
	ids      int64 // of segments, none of which comes again
}

type storedRow struct{ key, version int }

func (s *stored) write(key int) {
	s.writes++
	s.live[key] = s.writes
	s.growing = append(s.growing, storedRow{key, s.writes})
}

func (s *stored) flush() {
	if len(s.growing) > 0 {
		s.replace(nil, s.growing)
		s.growing = nil
	}
}

// replace puts rows into a segment in place of others.
func (s *stored) replace(segments []int64, rows []storedRow) {
	for _, id := range segments {
		delete(s.segments, id)
	}
	s.ids++
	s.segments[s.ids] = rows
}

// compact merges segments into one, or sorts a single one, and leaves out the rows that are not there any more, if it looks for them.
func (s *stored) compact(segments []int64, purge bool) {
	var rows []storedRow
	for _, id := range segments {
		rows = append(rows, s.segments[id]...)
	}
	if purge {
		rows = slices.DeleteFunc(rows, func(r storedRow) bool { return s.live[r.key] != r.version })
	}
	s.replace(segments, rows)
}

// act does something that a writer or the server may do.
func (s *stored) act(t *rapid.T) {
	key := rapid.IntRange(0, 9).Draw(t, "key")
	ids := slices.Sorted(maps.Keys(s.segments))
	switch rapid.SampledFrom([]string{"write", "write", "delete", "flush", "compact", "sort"}).Draw(t, "act") {
	case "write":
		s.write(key)
	case "delete":
		delete(s.live, key)
	case "flush":
		s.flush()
	case "compact":
		some := slices.DeleteFunc(ids, func(int64) bool { return rapid.Bool().Draw(t, "left alone") })
		if len(some) > 0 {
			s.compact(some, rapid.Bool().Draw(t, "purge"))
		}
	case "sort":
		if len(ids) > 0 {
			s.compact([]int64{rapid.SampledFrom(ids).Draw(t, "segment")}, rapid.Bool().Draw(t, "purge"))
		}
	}
}

func (s *stored) mark() *model.Mark {
	s.flush()
	m := &model.Mark{Rows: int64(len(s.live)), Segments: map[int64]int64{}}
	for id, rows := range s.segments {
		m.Segments[id] = int64(len(rows))
	}
	return m
}

// some is a collection that was written to for a while.
func some(t *rapid.T) *stored {
	s := &stored{live: map[int]int{}, segments: map[int64][]storedRow{}}
	for range rapid.IntRange(0, 20).Draw(t, "acts before") {
		s.act(t)
	}
	return s
}

// TestSameProves lets writers write, and a server compact and sort, between two marks: where these are the same, every row is as it was.
func TestSameProves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := some(t)
		first, before := s.mark(), maps.Clone(s.live)
		for range rapid.IntRange(0, 4).Draw(t, "acts") {
			s.act(t)
		}
		if second := s.mark(); second.Same(first) && !maps.Equal(s.live, before) {
			t.Fatalf("%v became %v, and both marks are %+v", before, s.live, first)
		} else if !second.Whole() {
			t.Fatalf("%+v is not whole", second)
		}
	})
}

// standby is a side that is kept in step with what is stored, key by key.
type standby struct {
	source.Ranged
	*stored
	rows map[int]int
}

// deal brings the rows of some keys, as a sync deals with what it found. Of keys that are said to be written none is deleted.
func (s *standby) deal(_ context.Context, suspects Suspects) (done Outcome, _ error) {
	for _, k := range suspects.Keys[model.DefaultPartition] {
		key := int(k.Int)
		is, there := s.live[key]
		was, had := s.rows[key]
		switch {
		case there && had && is == was, !there && !had, !there && suspects.Written:
			continue
		case !there:
			done.Deleted++
			delete(s.rows, key)
			continue
		case had:
			done.Changed++
		default:
			done.Inserted++
		}
		done.note(model.DefaultPartition, k)
		s.rows[key] = is
	}
	return done, nil
}

// CountKeys counts those that the source has.
func (s *standby) CountKeys(_ context.Context, _ string, keys []model.Key) (n int64, _ error) {
	for _, k := range keys {
		if _, there := s.live[int(k.Int)]; there {
			n++
		}
	}
	return n, nil
}

// TestExplainedProves finds some of what is written, cycle by cycle, since both sides were equal: where that explains the segments, and
// both count the same, it was all, whatever was compacted and sorted meanwhile.
func TestExplainedProves(t *testing.T) {
	explained := 0
	rapid.Check(t, func(t *rapid.T) {
		s := &standby{stored: some(t)}
		pos := &Position{Base: s.mark()}
		s.rows = maps.Clone(s.live)
		for range rapid.IntRange(1, 4).Draw(t, "cycles") {
			for range rapid.IntRange(0, 5).Draw(t, "acts") {
				s.act(t)
			}
			pos.Mark = s.mark()
			c := &comparison{pos: pos, fresh: true, deal: s.deal, sides: &sides{source: s}}
			if err := c.lookAgain(context.Background()); err != nil {
				t.Fatal(err)
			}
			var keys []model.Key
			for key := range 10 {
				if rapid.IntRange(0, 3).Draw(t, "found") > 0 {
					keys = append(keys, model.IntKey(int64(key)))
				}
			}
			done, _ := s.deal(context.Background(), Suspects{Keys: map[string][]model.Key{model.DefaultPartition: keys}})
			c.found.add(done)
			if err := c.lookAgain(context.Background()); err != nil {
				t.Fatal(err)
			}
			if c.explained() && len(s.rows) == len(s.live) && !maps.Equal(s.rows, s.live) {
				t.Fatalf("%v is not %v, and %+v and %+v explain it", s.rows, s.live, c.before, c.found)
			}
			if c.explained() && c.before.rows() > 0 {
				explained++
			}
			c.remember()
			if maps.Equal(s.rows, s.live) && rapid.Bool().Draw(t, "in step") {
				pos.Base = pos.Mark
			}
		}
	})
	if explained == 0 {
		t.Error("nothing of earlier cycles explained anything")
	}
}
