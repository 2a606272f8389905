//go:build lab && faults

package syncer_test

import (
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
)

// TestToldCost prints what the cycles of a sync cost the source, in CPU time of the standalone's process, that is told by its storage what was
// written, beside an export. ROWS=n sets the size, as of TestSyncCost.
func TestToldCost(t *testing.T) {
	rows, err := strconv.ParseInt(os.Getenv("ROWS"), 10, 64)
	if err != nil {
		rows = 100_000
	}
	p := pair{pairs.Pair{Source: labtest.Source(t), Target: labtest.Target(t), Sink: labtest.Local(t)}}
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
	opts.Changes = storage.ChangesOpener(p.Source, labtest.SourceStorage(t), p.Sink, "told/changes/", storage.Options{})
	pass := func() []syncer.Report {
		reports, err := p.Sync(t, opts)
		if err != nil {
			t.Fatal(err)
		}
		return reports
	}
	quiet := func() { p.wantQuietFor(t, pass) }
	quiet()
	exported := cost(t, "a full export by queries", nil, func() {
		_, err := exporter.Export(t.Context(), p.Source, p.Name, labtest.Local(t), exporter.Options{Job: "j", Overwrite: true})
		if err != nil {
			t.Fatal(err)
		}
	})
	const passes = 20
	idle := cost(t, "20 cycles, nothing written", quiet, func() {
		for range passes {
			pass()
		}
	}) / passes
	one, version := rows/100, int64(10)
	write := func() {
		quiet()
		for some := range slices.Chunk(labtest.Each(int(one), func(i int) int64 { return 50 + int64(i)*100 }), 500) {
			labtest.Upsert(t, p.Source, p.Name, wide(version, some...))
		}
		version++
	}
	flushed := cost(t, "the same writes, flushed, and no pass", write, func() {
		labtest.Flush(t, p.Source, p.Name)
		time.Sleep(5 * time.Second) // about as long as a pass takes, in which the server indexes and loads them
	})
	spread := cost(t, "a pass, 1 % changed everywhere", write, func() {
		began := time.Now()
		if done := total(pass()); done.Changed != one {
			t.Errorf("%+v were applied of %d", done, one)
		}
		time.Sleep(5*time.Second - time.Since(began))
	}) - flushed
	t.Logf("%d rows × %d dimensions: export %v, nothing written %v (1/%.0f), 1 %% changed everywhere %v (1/%.0f) beyond %v for their writing", rows, costDim,
		exported, idle, float64(exported)/float64(max(idle, 1)), spread, float64(exported)/float64(max(spread, 1)), flushed)
	if rows >= 1_000_000 && (idle > exported/1000 || spread > exported/20) {
		t.Error("a cycle with nothing written is to cost a thousandth of an export, and one with 1 % changed a twentieth")
	}
}
