//go:build lab && faults

package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/source/storage"
	"migrate/internal/syncer"
	"migrate/sinks"
)

// ragDocuments are rows as the bench has them, 64 dimensions among them, of keys in order; their texts are longer or shorter.
func ragDocuments(version int64, keys ...int64) labtest.Rows {
	rows, n := at(version, keys...), len(keys)
	rows.Columns[2] = labtest.Vectors("v", 64, n, uint64(version*1_000_003+keys[0]))
	rows.Columns = append(rows.Columns,
		labtest.Column(text, labtest.Each(n, func(i int) string { return strings.Repeat("a question of retrieval ", 6+int(keys[i]%20)) })),
		labtest.Column(metadata, labtest.Each(n, func(i int) []byte {
			return fmt.Appendf(nil, `{"chunk": %d, "score": 0.%d, "tags": ["t%d", "rag"]}`, keys[i]%8, keys[i], keys[i]%64)
		})),
		labtest.Column(origin, labtest.Each(n, func(i int) string { return fmt.Sprintf("wiki/page-%05d.md", keys[i]/8) })),
		labtest.Arrays(pages, labtest.Each(n, func(i int) []int32 { return make([]int32, keys[i]%9) })),
		labtest.Dynamic(labtest.Each(n, func(i int) []byte { return fmt.Appendf(nil, `{"chunk": %d, "lang": "en"}`, keys[i]%8) })),
	)
	return rows
}

var (
	text, origin = labtest.Field("text", schemapb.DataType_VarChar), labtest.Field("source", schemapb.DataType_VarChar)
	metadata     = labtest.Field("metadata", schemapb.DataType_JSON)
	pages        = labtest.Array("pages", schemapb.DataType_Int32)
)

// TestToldCost prints what the cycles of a sync cost the source, in CPU time of its process, that is told by its storage what was written, beside
// an export of the same rows. ROWS=n sets the size. The server compacts when it is told to: what it does by itself some seconds after some
// writes, and not after others, would be most of what is measured.
func TestToldCost(t *testing.T) {
	schema := labtest.Schema(id, version, labtest.Vector("v", schemapb.DataType_FloatVector, 64), text, metadata, origin, pages)
	schema.EnableDynamicField = true
	p := newMeasured(t, schema)
	labtest.CompactWhenTold(t, labtest.Protocol(t, p.Source), p.Name)
	rows := p.fill(t, ragDocuments)
	bucket, err := sinks.NewLocal(p.lab.Storage(p.part))
	if err != nil {
		t.Fatal(err)
	}
	opts := p.Options()
	opts.RangeRows, opts.Job = 0, "told"
	opts.Changes = storage.ChangesOpener(p.Source, bucket, p.Sink, "told/changes/", storage.Options{})
	pass := func() []syncer.Report {
		reports, err := p.Sync(t, opts)
		if err != nil {
			t.Fatal(err)
		}
		return reports
	}
	quiet := func() {
		p.wantQuietFor(t, pass)
		p.waitAtRest(t)
	}
	quiet()
	exported := p.exported(t)
	idle := func() time.Duration {
		still, anew := opts, opts
		still.DescribeEvery, anew.DescribeEvery = time.Hour, time.Nanosecond
		const describedIn = 20 // cycles of 30 s: one of so many is a whole one
		return p.cycleCost(t, still) + p.cycleCost(t, anew)/describedIn
	}
	many, asFilled := len(p.segments(t)), idle()
	p.compact(t)
	quiet()
	few, compacted := len(p.segments(t)), idle()
	one, version := rows/100, int64(10)
	write := func() {
		for some := range slices.Chunk(labtest.Each(int(one), func(i int) int64 { return 50 + int64(i)*100 }), 500) {
			labtest.Upsert(t, p.Source, p.Name, ragDocuments(version, some...))
		}
		version++
	}
	var writes, beyond []time.Duration // in turns, so that what changes at the source meanwhile is in both
	for range 5 {
		quiet()
		writes = append(writes, p.costWithRest(t, func() {
			write()
			labtest.Flush(t, p.Source, p.Name)
		}))
		quiet()
		passed := p.costWithRest(t, func() {
			write()
			if done := total(pass()); done.Changed != one {
				t.Errorf("%+v were applied of %d", done, one)
			}
		})
		beyond = append(beyond, passed-writes[len(writes)-1])
	}
	t.Logf("1 %% written everywhere and flushed: %v; a pass beyond that: %v", writes, beyond)
	share := func(d time.Duration) float64 { return float64(exported) / float64(max(d, 1)) }
	spread := median(beyond)
	t.Logf("%d documents: export %v; a cycle with nothing written: %v (1/%.0f) in %d segments, %v (1/%.0f) in %d; 1 %% changed everywhere: %v (1/%.0f) beyond %v for their writing",
		rows, exported, asFilled, share(asFilled), many, compacted, share(compacted), few, spread, share(spread), median(writes))
	if rows >= 1_000_000 && (share(compacted) < 1000 || share(spread) < 20) {
		t.Error("of what an export costs, a cycle with nothing written is to cost a thousandth at most, and one with 1 % changed a twentieth")
	}
}

// compact has the source compact until it has no fewer segments by it.
func (p measured) compact(t *testing.T) {
	t.Helper()
	protocol, coll := labtest.Protocol(t, p.Source), labtest.Describe(t, p.Source, p.Name)
	for before := len(p.segments(t)) + 1; before > len(p.segments(t)); {
		before = len(p.segments(t))
		labtest.Compact(t, protocol, coll.ID)
	}
}

// waitAtRest waits until the source has nothing to do: after many rows were written it indexes and compacts for minutes.
func (p measured) waitAtRest(t *testing.T) {
	t.Helper()
	const window, most = 3 * time.Second, 3 * time.Second / 8 // of a processor
	for range 100 {
		began := p.taken(t)
		time.Sleep(window)
		if p.taken(t)-began < most {
			return
		}
	}
	t.Fatal("the source is busy, though nobody asks it for anything")
}

// costWithRest is the CPU time that the source takes in the 12 s in which something is done: what it does at rest is in it, and what it does for
// segments that were flushed.
func (p measured) costWithRest(t *testing.T, do func()) time.Duration {
	t.Helper()
	began, since := p.taken(t), time.Now()
	do()
	time.Sleep(12*time.Second - time.Since(since))
	return p.taken(t) - began
}

func median(of []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(of))[len(of)/2]
}

// cycleCost is the CPU time that the source takes for a daemon's cycle in which nothing was written: the median of rounds of ten, each less what it
// takes when left alone for about as long, before and after.
func (p measured) cycleCost(t *testing.T, opts syncer.Options) time.Duration {
	t.Helper()
	const rounds, cycles = 7, 10
	alone := func() float64 {
		began, since := p.taken(t), time.Now()
		time.Sleep(3 * time.Second)
		return float64(p.taken(t)-began) / float64(time.Since(since))
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
		cpu, took, after := p.taken(t)-began, time.Since(since), alone()
		if n > cycles { // the first of the others was a whole one
			all = append(all, (cpu-time.Duration((before+after)/2*float64(took)))/cycles)
		}
		if len(all) == rounds {
			stop()
		}
		before, began, since = after, p.taken(t), time.Now()
	}
	if err := syncer.Run(ctx, p.Source, p.Target, p.Sink, opts); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	t.Logf("a cycle of a daemon, nothing written, described every %v: %v", opts.DescribeEvery, all)
	return median(all)
}
