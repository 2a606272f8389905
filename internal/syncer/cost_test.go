//go:build lab && faults

package syncer_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/deploy/lab"
	"migrate/exporter"
	"migrate/internal/labtest"
	"migrate/internal/labtest/pairs"
	"migrate/internal/milvus"
	"migrate/internal/syncer"
)

const costDim = 128

// wide are rows of a vector as wide as those of real collections.
func wide(version int64, keys ...int64) labtest.Rows {
	rows := at(version, keys...)
	rows.Columns[2] = labtest.Vectors("v", costDim, len(keys), uint64(version*1_000_003+keys[0]))
	return rows
}

// TestSyncCost prints what an export and the cycles of a sync cost the source, in CPU time of the standalone's process.
// What else goes on there counts too: SOURCE=host:port and SOURCE_PID=n name a standalone that nobody else uses. ROWS=n sets
// the size.
func TestSyncCost(t *testing.T) {
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

	exported := cost(t, "a full export", nil, func() {
		_, err := exporter.Export(t.Context(), p.Source, p.Name, labtest.Local(t), exporter.Options{Job: "j", Overwrite: true})
		if err != nil {
			t.Fatal(err)
		}
	})
	const quietPasses = 10
	quiet := cost(t, "10 cycles, nothing written", nil, func() {
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
	inserted := cost(t, "a pass, 1 % inserted above", afterwards(func() {
		labtest.Insert(t, p.Source, p.Name, "", wide(1, upTo(next, next+one)...))
		next += one
	}), func() { pass() })
	deleted := int64(0)
	gone := cost(t, "a pass, 1 % deleted side by side", afterwards(func() {
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
	changed := cost(t, "a pass, 1 % changed side by side", change, func() { pass() })
	spread := cost(t, "a pass, 1 % changed everywhere", afterwards(func() {
		upsert(labtest.Each(int(one), func(i int) int64 { return 50 + int64(i)*100 }))
	}), func() { pass() })
	opts.CursorField = "version"
	byField := cost(t, "the same by a cursor field", change, func() { pass() })
	opts.CursorField = ""
	cost(t, "the same writes, flushed, and no pass for 10 s", change, func() {
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

// costSource is the standalone that is measured.
func costSource(t *testing.T) *milvus.Server {
	t.Helper()
	address := os.Getenv("SOURCE")
	if address == "" {
		return labtest.Source(t)
	}
	server, err := milvus.Connect(t.Context(), milvus.Config{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

// cost is the CPU time that the standalone took for something: the median of some tries, each less what it takes when
// left alone, for about as long.
func cost(t *testing.T, what string, before, do func()) time.Duration {
	t.Helper()
	const tries = 3
	alone := 2 * time.Second
	var all []time.Duration
	for range tries {
		if before != nil {
			before()
		}
		idle := standaloneTime(t)
		time.Sleep(alone)
		began, since := standaloneTime(t), time.Now()
		share := float64(began-idle) / float64(alone)
		do()
		took := time.Since(since)
		all = append(all, standaloneTime(t)-began-time.Duration(share*float64(took)))
		alone = max(alone, took)
	}
	slices.Sort(all)
	t.Logf("%s: %v", what, all)
	return all[tries/2]
}

// standaloneTime is the CPU time that the standalone's process has taken. See proc(5): fields 14 and 15 of
// /proc/PID/stat, in hundredths of a second.
func standaloneTime(t *testing.T) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%s/stat", standalonePID(t)))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		t.Fatal(err)
	}
	system, err := strconv.Atoi(fields[12])
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

func standalonePID(t *testing.T) string {
	t.Helper()
	if pid := os.Getenv("SOURCE_PID"); pid != "" {
		return pid
	}
	l, err := lab.Running(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(l.Dir(), "run", "standalone.json"))
	if err != nil {
		t.Fatal(err)
	}
	var process struct{ PID int }
	if err := json.Unmarshal(text, &process); err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(process.PID)
}
