//go:build lab && faults

package syncer_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/exporter"
	"migrate/internal/labtest"
	"migrate/internal/labtest/pairs"
	"migrate/internal/source/storage"
	"migrate/internal/syncer"
	"migrate/sinks"
)

// TestToldCost prints what the cycles of a sync cost the source, in CPU time of the standalone's process, that is told by its storage what was
// written, beside an export. ROWS=n sets the size, as of TestSyncCost; SOURCE, SOURCE_PID and SOURCE_STORAGE, its folder, name a standalone that
// nobody else uses.
func TestToldCost(t *testing.T) {
	rows, err := strconv.ParseInt(os.Getenv("ROWS"), 10, 64)
	if err != nil {
		rows = 100_000
	}
	p := pair{pairs.Pair{Source: costSource(t), Target: labtest.Target(t), Sink: labtest.Local(t)}}
	c := labtest.Collection(labtest.Schema(id, version, labtest.Vector("v", schemapb.DataType_FloatVector, costDim)))
	p.Name = c.Name
	labtest.Create(t, p.Source, c)
	labtest.Create(t, p.Target, c)
	for from := int64(0); from < rows; from += 5000 {
		batch := wide(0, upTo(from, from+5000)...)
		labtest.Insert(t, p.Source, p.Name, "", batch)
		labtest.Insert(t, p.Target, p.Name, "", batch)
	}
	opts := p.Options()
	opts.RangeRows, opts.Job = 0, "told"
	opts.Changes = storage.ChangesOpener(p.Source, costStorage(t), p.Sink, "told/changes/", storage.Options{})
	pass := func() []syncer.Report {
		reports, err := p.Sync(t, opts)
		if err != nil {
			t.Fatal(err)
		}
		return reports
	}
	quiet := func() {
		p.wantQuietFor(t, pass)
		waitAtRest(t)
	}
	quiet()
	exported := cost(t, "a full export by queries", nil, func() {
		_, err := exporter.Export(t.Context(), p.Source, p.Name, labtest.Local(t), exporter.Options{Job: "j", Overwrite: true})
		if err != nil {
			t.Fatal(err)
		}
	})
	const passes = 20
	whole := cost(t, "20 whole cycles, nothing written", quiet, func() {
		for range passes {
			pass()
		}
	}) / passes
	const describedIn = 20 // cycles of 30 s: one of so many is a whole one
	idle := p.idleCost(t, opts) + whole/describedIn
	one, version := rows/100, int64(10)
	write := func() {
		for some := range slices.Chunk(labtest.Each(int(one), func(i int) int64 { return 50 + int64(i)*100 }), 500) {
			labtest.Upsert(t, p.Source, p.Name, wide(version, some...))
		}
		version++
	}
	// In turns, and the least of each: whatever the server does for its segments meanwhile only adds to it.
	var writes, passed []time.Duration
	for range 8 {
		quiet()
		writes = append(writes, costWithRest(t, func() {
			write()
			labtest.Flush(t, p.Source, p.Name)
		}))
		quiet()
		passed = append(passed, costWithRest(t, func() {
			write()
			if done := total(pass()); done.Changed != one {
				t.Errorf("%+v were applied of %d", done, one)
			}
		}))
	}
	t.Logf("1 %% written everywhere and flushed: %v; and a pass: %v", writes, passed)
	flushed := slices.Min(writes)
	spread := slices.Min(passed) - flushed
	t.Logf("%d rows × %d dimensions: export %v, nothing written %v (1/%.0f; a whole cycle %v), 1 %% changed everywhere %v (1/%.0f) beyond %v for their writing", rows, costDim,
		exported, idle, float64(exported)/float64(max(idle, 1)), whole, spread, float64(exported)/float64(max(spread, 1)), flushed)
	// A thousandth is aimed at for the former. Its calls cost what they cost, whatever they count: 1/620 to 1/1,405 was seen, since an export
	// of these narrow rows costs more or less too.
	if rows >= 1_000_000 && (idle > exported/500 || spread > exported/20) {
		t.Error("a cycle with nothing written is to cost a five-hundredth of an export at most, and one with 1 % changed a twentieth")
	}
}

// waitAtRest waits until the standalone has nothing to do: after many rows were written it indexes and compacts for minutes.
func waitAtRest(t *testing.T) {
	t.Helper()
	const window, most = 3 * time.Second, 3 * time.Second / 8 // of a processor
	for range 100 {
		began := standaloneTime(t)
		time.Sleep(window)
		if standaloneTime(t)-began < most {
			return
		}
	}
	t.Fatal("the standalone is busy, though nobody asks it for anything")
}

// costWithRest is the CPU time that the standalone takes in the 12 s in which something is done: what it does at rest is in it, and what it does for
// segments that were flushed.
func costWithRest(t *testing.T, do func()) time.Duration {
	t.Helper()
	began, since := standaloneTime(t), time.Now()
	do()
	time.Sleep(12*time.Second - time.Since(since))
	return standaloneTime(t) - began
}

func median(of []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(of))[len(of)/2]
}

// idleCost is the CPU time that the standalone takes for a daemon's cycle in which nothing was written: the median of rounds of ten, each less what it
// takes when left alone for about as long, before and after.
func (p pair) idleCost(t *testing.T, opts syncer.Options) time.Duration {
	t.Helper()
	const rounds, cycles = 20, 10
	alone := func() float64 {
		began, since := standaloneTime(t), time.Now()
		time.Sleep(3 * time.Second)
		return float64(standaloneTime(t)-began) / float64(time.Since(since))
	}
	var all []time.Duration
	var before float64
	var began time.Duration
	var since time.Time
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	n := 0
	opts.Once, opts.Interval = false, time.Millisecond
	opts.Cycled = func(r syncer.Report) {
		if !r.InStep || r.Read > 0 {
			t.Errorf("nothing is written: %+v", r)
		}
		if n++; n%cycles > 0 {
			return
		}
		cpu, took, after := standaloneTime(t)-began, time.Since(since), alone()
		if n > cycles { // the first of the others was a whole one
			all = append(all, (cpu-time.Duration((before+after)/2*float64(took)))/cycles)
		}
		if len(all) == rounds {
			stop()
		}
		before, began, since = after, standaloneTime(t), time.Now()
	}
	if err := syncer.Run(ctx, p.Source, p.Target, p.Sink, opts); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	t.Logf("a cycle of a daemon, nothing written: %v", all)
	return median(all)
}

// costStorage is the storage of the standalone that is measured.
func costStorage(t *testing.T) sinks.Sink {
	t.Helper()
	folder := os.Getenv("SOURCE_STORAGE")
	if folder == "" {
		return labtest.SourceStorage(t)
	}
	s, err := sinks.NewLocal(folder)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
