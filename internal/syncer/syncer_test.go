package syncer_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/query"
	"migrate/internal/syncer"
	"migrate/internal/verify"
)

// newPair makes an empty collection on both sides, which are servers in memory.
func newPair(t *testing.T, schema *schemapb.CollectionSchema, partitions ...string) pair {
	t.Helper()
	return newServers(t, "v2.3.5", schema, partitions...).pair
}

// newServers starts a source of a version and a target, with an empty collection on both.
func newServers(t *testing.T, version string, schema *schemapb.CollectionSchema, partitions ...string) inMemory {
	t.Helper()
	m, c := inMemory{from: memory.Start(t, version), to: memory.Start(t, "v2.3.5")}, labtest.Collection(schema, partitions...)
	m.from.Add(t, c)
	m.to.Add(t, c)
	m.pair = pair{m.from.Client(t), m.to.Client(t), c.Name, labtest.Local(t)}
	return m
}

// compare holds the target against the source, row by row.
func (p pair) compare(t *testing.T) *verify.Report {
	t.Helper()
	report, err := verify.Compare(t.Context(), open(t, p.source, p.name), open(t, p.target, p.name), verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func (p pair) wantEqual(t *testing.T) {
	t.Helper()
	if report := p.compare(t); !report.Equal {
		t.Errorf("the two sides differ: %+v", report)
	}
}

var (
	id      = labtest.IntKey("id")
	version = labtest.Field("version", schemapb.DataType_Int64)
)

// plain is a schema of a key, a version and a small vector.
func plain(key *schemapb.FieldSchema) *schemapb.CollectionSchema {
	return labtest.Schema(key, version, labtest.Vector("v", schemapb.DataType_FloatVector, 4))
}

// at are rows of a version.
func at(v int64, keys ...int64) labtest.Rows {
	return labtest.Rows{N: len(keys), Columns: []*schemapb.FieldData{
		labtest.Column(id, keys),
		labtest.Column(version, labtest.Each(len(keys), func(int) int64 { return v })),
		labtest.Vectors("v", 4, len(keys), uint64(v)),
	}}
}

// upTo are the keys from one to another, which is left out.
func upTo(from, to int64) []int64 {
	return labtest.Each(int(to-from), func(i int) int64 { return from + int64(i) })
}

// TestOnce brings a target in step: first with all that the source has, and then with what was inserted, changed and
// deleted. Where nothing was written it reads no row.
func TestOnce(t *testing.T) {
	t.Parallel()
	m := newServers(t, "v2.3.5", plain(id))
	p := m.pair
	labtest.Insert(t, p.source, p.name, "", at(1, upTo(0, 3000)...))
	var read time.Time // that anything was, first
	m.from.Moved = sync.OnceFunc(func() { read = time.Now() })
	began := time.Now()
	for _, r := range p.wantSync(t)[0].Position.Ranges {
		if r.Looked.Before(began) || r.Looked.After(read) {
			t.Errorf("a range counts as looked at %v after it may have been read as it stood then", r.Looked.Sub(read))
		}
	}
	p.wantEqual(t)

	labtest.Insert(t, p.source, p.name, "", at(1, upTo(3000, 4000)...)) // above all others
	labtest.Insert(t, p.source, p.name, "", at(1, upTo(-5, 0)...))
	labtest.Upsert(t, p.source, p.name, at(2, 7, 700, 1400, 2999))
	labtest.Delete(t, p.source, p.name, "id in [8, 701, 702, 2998]")
	labtest.Delete(t, p.source, p.name, in(upTo(2000, 2200))) // side by side
	reports := p.wantSync(t)
	p.wantEqual(t)
	if done := total(reports); done != (syncer.Outcome{Inserted: 1005, Changed: 4, Deleted: 204}) {
		t.Errorf("applied: %+v", done)
	}
	p.wantQuiet(t)
}

// TestOnceGoesOn takes as many cycles as it needs where one may compare a few rows only.
func TestOnceGoesOn(t *testing.T) {
	t.Parallel()
	p := newPair(t, plain(id))
	rows := at(1, upTo(0, 5000)...)
	labtest.Insert(t, p.source, p.name, "", rows)
	labtest.Insert(t, p.target, p.name, "", rows)
	opts := p.options()
	opts.CycleRows = 1
	reports, err := p.sync(t, opts)
	if err != nil || len(reports) <= 3 {
		t.Errorf("%d cycles, %v", len(reports), err)
	}
	for _, r := range reports {
		if r.Ranges > 2 {
			t.Errorf("cycle %d compared %d ranges", r.Cycle, r.Ranges)
		}
	}
}

// wantQuiet wants a pass that reads no row. A compaction changes the segments without a write, and costs one pass that
// does.
func (p pair) wantQuiet(t *testing.T) {
	t.Helper()
	for range 5 {
		if r := p.wantSync(t)[0]; r.InStep && r.Read == 0 {
			return
		}
	}
	t.Error("nothing is written, and yet each pass reads rows")
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
	labtest.Insert(t, p.source, p.name, "", at(1, upTo(0, 5000)...))
	p.wantSync(t)
	for _, c := range []struct {
		what  string
		write func()
	}{
		{"inserted above", func() { labtest.Insert(t, p.source, p.name, "", at(1, upTo(5000, 5100)...)) }},
		{"deleted", func() { labtest.Delete(t, p.source, p.name, "id in [3001, 3002]") }},
		{"inserted between", func() { labtest.Upsert(t, p.source, p.name, at(1, 3001, 3002)) }},
	} {
		t.Run(c.what, func(t *testing.T) {
			p.wantQuiet(t)
			before := p.segments(t)
			c.write()
			read := p.wantSync(t)[0].Read
			if compacted := !containsAll(p.segments(t), before); !compacted && read > 2000 {
				t.Errorf("%d of 5000 rows were read", read)
			}
			p.wantEqual(t)
		})
	}
}

func (p pair) segments(t *testing.T) map[int64]int64 {
	t.Helper()
	segments, err := p.source.Segments(t.Context(), p.name)
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
	labtest.Insert(t, p.source, p.name, "a", at(1, upTo(0, 100)...))
	p.wantSync(t)
	labtest.Delete(t, p.source, p.name, "id in [3, 4]")
	labtest.Insert(t, p.source, p.name, "b", at(1, 3, 4))
	p.wantSync(t)
	p.wantEqual(t)

	c := labtest.Describe(t, p.source, p.name)
	c.Partitions = append(c.Partitions, "c")
	if err := p.source.CreatePartitions(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := p.source.Load(t.Context(), p.name); err != nil {
		t.Fatal(err)
	}
	labtest.Insert(t, p.source, p.name, "c", at(1, 200))
	p.wantSync(t)
	p.wantEqual(t)
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
	labtest.Insert(t, p.source, p.name, "", texts(0, 1200))
	reports := p.wantSync(t)
	before := len(reports[len(reports)-1].Position.Ranges)
	labtest.Insert(t, p.source, p.name, "", texts(1200, 4000))
	reports = p.wantSync(t)
	if after := len(reports[len(reports)-1].Position.Ranges); before < 2 || after < before+2 {
		t.Errorf("%d ranges, then %d", before, after)
	}
	p.wantEqual(t)
}

func open(t *testing.T, server *milvus.Server, name string) *query.Source {
	t.Helper()
	r, err := query.Open(t.Context(), server, labtest.Describe(t, server, name))
	if err != nil {
		t.Fatal(err)
	}
	return r
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
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(time.Second) {
		r := open(t, p.source, p.name)
		if rows(t, r.Sealed()) == rows(t, r) {
			return
		}
	}
	t.Fatal("the source has not loaded all rows as sealed segments")
}
