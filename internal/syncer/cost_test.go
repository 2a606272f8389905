//go:build lab && faults

package syncer_test

import (
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/deploy/lab"
	"migrate/exporter"
	"migrate/internal/labtest"
	"migrate/internal/labtest/pairs"
	"migrate/internal/syncer"
)

const costDim = 128

// wide are rows of a vector as wide as those of real collections.
func wide(version int64, keys ...int64) labtest.Rows {
	rows := at(version, keys...)
	rows.Columns[2] = labtest.Vectors("v", costDim, len(keys), uint64(version*1_000_003+keys[0]))
	return rows
}

// measured is a pair whose source nobody else uses, and whose CPU time is told.
type measured struct {
	pair
	lab  *lab.Lab
	part string // of the lab: the source
}

// newMeasured makes an empty collection on a standalone of its own and on the cluster.
func newMeasured(t *testing.T, schema *schemapb.CollectionSchema) measured {
	t.Helper()
	server, l, part := labtest.Spare(t)
	c := labtest.Collection(schema)
	p := measured{pair{pairs.Pair{Source: server, Target: labtest.Target(t), Sink: labtest.Local(t), Name: c.Name}}, l, part}
	labtest.Create(t, p.Source, c)
	labtest.Create(t, p.Target, c)
	return p
}

// fill inserts ROWS rows on both sides, or 100,000.
func (p measured) fill(t *testing.T, make func(version int64, keys ...int64) labtest.Rows) int64 {
	t.Helper()
	rows, err := strconv.ParseInt(os.Getenv("ROWS"), 10, 64)
	if err != nil {
		rows = 100_000
	}
	for from := int64(0); from < rows; from += 5000 {
		batch := make(0, upTo(from, from+5000)...)
		labtest.Insert(t, p.Source, p.Name, "", batch)
		labtest.Insert(t, p.Target, p.Name, "", batch)
	}
	return rows
}

// exported is the CPU time that the source takes for an export by queries.
func (p measured) exported(t *testing.T) time.Duration {
	t.Helper()
	return p.cost(t, "a full export by queries", nil, func() {
		if _, err := exporter.Export(t.Context(), p.Source, p.Name, labtest.Local(t), exporter.Options{Job: "j", Overwrite: true}); err != nil {
			t.Fatal(err)
		}
	})
}

// taken is the CPU time that the source has taken since it was started, in hundredths of a second.
func (p measured) taken(t *testing.T) time.Duration {
	t.Helper()
	took, err := p.lab.ProcessorTime(p.part)
	if err != nil {
		t.Fatal(err)
	}
	return took
}

// TestSyncCost prints what an export and the cycles of a sync cost the source, in CPU time of its process. ROWS=n sets the size.
func TestSyncCost(t *testing.T) {
	p := newMeasured(t, labtest.Schema(id, version, labtest.Vector("v", schemapb.DataType_FloatVector, costDim)))
	rows := p.fill(t, wide)
	opts := p.Options()
	opts.RangeRows, opts.Job = 0, "cost"
	pass := func() []syncer.Report {
		reports, err := p.Sync(t, opts)
		if err != nil {
			t.Fatal(err)
		}
		return reports
	}
	pass()
	p.wantQuietFor(t, pass)

	exported := p.exported(t)
	const quietPasses = 10
	quiet := p.cost(t, "10 cycles, nothing written", nil, func() {
		for range quietPasses {
			pass()
		}
	}) / quietPasses
	next, one, version := rows, rows/100, int64(10)
	afterwards := func(write func()) func() {
		return func() {
			p.wantQuietFor(t, pass)
			p.waitSealed(t)
			p.wantQuietFor(t, pass)
			write()
		}
	}
	inserted := p.cost(t, "a pass, 1 % inserted above", afterwards(func() {
		labtest.Insert(t, p.Source, p.Name, "", wide(1, upTo(next, next+one)...))
		next += one
	}), func() { pass() })
	deleted := int64(0)
	gone := p.cost(t, "a pass, 1 % deleted side by side", afterwards(func() {
		labtest.Delete(t, p.Source, p.Name, in(upTo(deleted, deleted+one)))
		deleted += one
	}), func() { pass() })
	upsert := func(keys []int64) {
		for some := range slices.Chunk(keys, 500) {
			labtest.Upsert(t, p.Source, p.Name, wide(version, some...))
		}
		version++
	}
	change := afterwards(func() { upsert(upTo(rows/2, rows/2+one)) })
	changed := p.cost(t, "a pass, 1 % changed side by side", change, func() { pass() })
	spread := p.cost(t, "a pass, 1 % changed everywhere", afterwards(func() {
		upsert(labtest.Each(int(one), func(i int) int64 { return 50 + int64(i)*100 }))
	}), func() { pass() })
	opts.CursorField = "version"
	byField := p.cost(t, "the same by a cursor field", change, func() { pass() })
	opts.CursorField = ""
	p.cost(t, "the same writes, flushed, and no pass for 10 s", change, func() {
		p.segments(t)
		time.Sleep(10 * time.Second)
	})
	t.Logf("%d rows × %d dimensions: export %v, nothing written %v (1/%.0f), 1 %% inserted %v, deleted %v, changed %v, changed everywhere %v, by a cursor field %v", rows, costDim,
		exported, quiet, float64(exported)/float64(max(quiet, time.Millisecond)), inserted, gone, changed, spread, byField)
	if rows >= 500_000 && quiet > exported/50 {
		t.Error("a cycle with nothing written is to cost a fiftieth of an export")
	}
}

func (p pair) wantQuietFor(t *testing.T, pass func() []syncer.Report) {
	t.Helper()
	for range 8 {
		if r := pass()[0]; r.InStep && r.Read == 0 {
			return
		}
	}
	t.Fatal("nothing is written, and yet each pass reads rows")
}

// cost is the CPU time that the source took for something: the median of some tries, each less what it takes when
// left alone, for about as long.
func (p measured) cost(t *testing.T, what string, before, do func()) time.Duration {
	t.Helper()
	const tries = 3
	alone := 2 * time.Second
	var all []time.Duration
	for range tries {
		if before != nil {
			before()
		}
		idle := p.taken(t)
		time.Sleep(alone)
		began, since := p.taken(t), time.Now()
		share := float64(began-idle) / float64(alone)
		do()
		took := time.Since(since)
		all = append(all, p.taken(t)-began-time.Duration(share*float64(took)))
		alone = max(alone, took)
	}
	slices.Sort(all)
	t.Logf("%s: %v", what, all)
	return all[tries/2]
}
