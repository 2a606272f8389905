package binlog_test

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"migrate/internal/model"
	"migrate/internal/source/storage/binlog/binlogtest"
)

// mostAllocated is what reading a log of a few thousand bytes may take in all, whatever it says of itself: two pages and margins.
const mostAllocated = 512 << 20

// FuzzColumn reads damaged insert logs of every type: an error, or rows, and no more memory than a log may take.
func FuzzColumn(f *testing.F) {
	schema := every()
	_, _, logs := sample(f, schema, rand.New(rand.NewPCG(1, 2)), 40)
	for i, log := range logs {
		f.Add(log, i)
	}
	f.Fuzz(func(t *testing.T, log []byte, field int) {
		if field < 0 || field >= len(schema.Fields) {
			return
		}
		bounded(t, func() { _, _ = readAll(log, schema.Fields[field]) })
	})
}

// FuzzDeletes does so with delta logs.
func FuzzDeletes(f *testing.F) {
	numbers := []binlogtest.Delete{{Key: model.IntKey(1), TS: 5}, {Key: model.IntKey(-70000), TS: 6}}
	texts := []binlogtest.Delete{{Key: model.TextKey("a"), TS: 5}, {Key: model.TextKey("b"), TS: 6}}
	f.Add(binlogtest.Deletes(owner, numbers...), false)
	f.Add(binlogtest.EarlyDeletes(owner, numbers...), false)
	f.Add(binlogtest.ColumnDeletes(owner, numbers...), false)
	f.Add(binlogtest.Deletes(owner, texts...), true)
	f.Add(binlogtest.ColumnDeletes(owner, texts...), true)
	f.Fuzz(func(t *testing.T, log []byte, text bool) {
		bounded(t, func() { _, _ = deletesOf(log, text) })
	})
}

func bounded(t *testing.T, read func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	read()
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > mostAllocated {
		t.Errorf("it took %d bytes", took)
	}
}
