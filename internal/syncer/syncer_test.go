package syncer_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"migrate/internal/labtest"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/syncer"
)

// TestOnce brings a target in step: first with all that the source has, and then with what was inserted, changed and
// deleted. Where nothing was written it reads no row.
func TestOnce(t *testing.T) {
	t.Parallel()
	m := newServers(t, "v2.3.5", plain(id))
	p := pair{m.Pair}
	labtest.Insert(t, p.Source, p.Name, "", at(1, upTo(0, 3000)...))
	var read time.Time // that anything was, first
	m.From.Moved = sync.OnceFunc(func() { read = time.Now() })
	began := time.Now()
	for _, r := range p.WantSync(t)[0].Position.Ranges {
		if r.Looked.Before(began) || r.Looked.After(read) {
			t.Errorf("a range counts as looked at %v after it may have been read as it stood then", r.Looked.Sub(read))
		}
	}
	p.WantEqual(t)

	labtest.Insert(t, p.Source, p.Name, "", at(1, upTo(3000, 4000)...)) // above all others
	labtest.Insert(t, p.Source, p.Name, "", at(1, upTo(-5, 0)...))
	labtest.Upsert(t, p.Source, p.Name, at(2, 7, 700, 1400, 2999))
	labtest.Delete(t, p.Source, p.Name, "id in [8, 701, 702, 2998]")
	labtest.Delete(t, p.Source, p.Name, in(upTo(2000, 2200))) // side by side
	reports := p.WantSync(t)
	p.WantEqual(t)
	if done := total(reports); done != (syncer.Outcome{Inserted: 1005, Changed: 4, Deleted: 204}) {
		t.Errorf("applied: %+v", done)
	}
	p.WantQuiet(t)
}

// TestOnceGoesOn takes as many cycles as it needs where one may compare a few rows only.
func TestOnceGoesOn(t *testing.T) {
	t.Parallel()
	p := newPair(t, plain(id))
	rows := at(1, upTo(0, 5000)...)
	labtest.Insert(t, p.Source, p.Name, "", rows)
	labtest.Insert(t, p.Target, p.Name, "", rows)
	opts := p.Options()
	opts.CycleRows = 1
	reports, err := p.Sync(t, opts)
	if err != nil || len(reports) <= 3 {
		t.Errorf("%d cycles, %v", len(reports), err)
	}
	for _, r := range reports {
		if r.Ranges > 2 {
			t.Errorf("cycle %d compared %d ranges", r.Cycle, r.Ranges)
		}
	}
}

func total(reports []syncer.Report) (all syncer.Outcome) {
	for _, r := range reports {
		all.Inserted += r.Inserted
		all.Changed += r.Changed
		all.Deleted += r.Deleted
		all.Passed += r.Passed
	}
	return all
}

// TestReadsFewRanges compares the rows of few ranges where the segments' rows tell that all was found.
func TestReadsFewRanges(t *testing.T) {
	t.Parallel()
	p := newPair(t, plain(id))
	p.RangeRows = 150
	labtest.Insert(t, p.Source, p.Name, "", at(1, upTo(0, 1500)...))
	p.WantSync(t)
	for _, c := range []struct {
		what  string
		write func()
	}{
		{"inserted above", func() { labtest.Insert(t, p.Source, p.Name, "", at(1, upTo(1500, 1530)...)) }},
		{"deleted", func() { labtest.Delete(t, p.Source, p.Name, "id in [901, 902]") }},
		{"inserted between", func() { labtest.Upsert(t, p.Source, p.Name, at(1, 901, 902)) }},
	} {
		t.Run(c.what, func(t *testing.T) {
			p.WantQuiet(t)
			before := p.segments(t)
			c.write()
			read := p.WantSync(t)[0].Read
			if compacted := !containsAll(p.segments(t), before); !compacted && read > 600 {
				t.Errorf("%d of 1500 rows were read", read)
			}
			p.WantEqual(t)
		})
	}
}

func (p pair) segments(t *testing.T) map[int64]int64 {
	t.Helper()
	segments, err := p.Source.Segments(t.Context(), p.Name)
	if err != nil {
		t.Fatal(err)
	}
	return segments
}

func containsAll(all, some map[int64]int64) bool {
	for segment := range some {
		if _, there := all[segment]; !there {
			return false
		}
	}
	return true
}

// TestMoved deletes a row that moved to another partition where it was first, and makes partitions that are new.
func TestMoved(t *testing.T) {
	t.Parallel()
	p := newPair(t, plain(id), "a", "b")
	labtest.Insert(t, p.Source, p.Name, "a", at(1, upTo(0, 100)...))
	p.WantSync(t)
	labtest.Delete(t, p.Source, p.Name, "id in [3, 4]")
	labtest.Insert(t, p.Source, p.Name, "b", at(1, 3, 4))
	p.WantSync(t)
	p.WantEqual(t)

	c := labtest.Describe(t, p.Source, p.Name)
	c.Partitions = append(c.Partitions, "c")
	if err := p.Source.CreatePartitions(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := p.Source.Load(t.Context(), p.Name); err != nil {
		t.Fatal(err)
	}
	labtest.Insert(t, p.Source, p.Name, "c", at(1, 200))
	p.WantSync(t)
	p.WantEqual(t)
}

// TestGrows cuts ranges that have grown, of text keys too.
func TestGrows(t *testing.T) {
	t.Parallel()
	key := labtest.TextKey("id")
	p := newPair(t, plain(key))
	texts := func(from, to int64) labtest.Rows {
		rows := at(1, upTo(from, to)...)
		rows.Columns[0] = labtest.Column(key, labtest.Each(rows.N, func(i int) string { return fmt.Sprintf("%05d", from+int64(i)) }))
		return rows
	}
	labtest.Insert(t, p.Source, p.Name, "", texts(0, 1200))
	reports := p.WantSync(t)
	before := len(reports[len(reports)-1].Position.Ranges)
	labtest.Insert(t, p.Source, p.Name, "", texts(1200, 4000))
	reports = p.WantSync(t)
	if after := len(reports[len(reports)-1].Position.Ranges); before < 2 || after < before+2 {
		t.Errorf("%d ranges, then %d", before, after)
	}
	p.WantEqual(t)
}

func rows(t *testing.T, r source.Ranged) int64 {
	t.Helper()
	n, err := r.Count(t.Context(), model.AllPartitions, model.Range{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// waitSealed waits until the source has loaded all rows as sealed segments, which takes it some seconds after a flush.
func (p pair) waitSealed(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(labtest.Patience); time.Now().Before(deadline); time.Sleep(time.Second) {
		r := open(t, p.Source, p.Name)
		if rows(t, r.Sealed()) == rows(t, r) {
			return
		}
	}
	t.Fatal("the source has not loaded all rows as sealed segments")
}
