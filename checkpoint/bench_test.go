package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"migrate/sinks/memory"
)

// BenchmarkParts works through a job of a thousand and of a hundred thousand chunks, four at a time, each of which is recorded twice and in
// the end read back. It tells what a part costs, in time of the processors, which does not grow with their number, and what it takes
// up in memory.
func BenchmarkParts(b *testing.B) {
	for range b.N {
		few, many := perPart(b, 100, 1_000), perPart(b, 1, 100_000)
		b.ReportMetric(few, "µs/part-of-1000")
		b.ReportMetric(many, "µs/part-of-100000")
		b.ReportMetric(many/few, "ratio")
		b.ReportMetric(heapPerChunk(b), "B/chunk")
	}
}

// perPart is what each part of so many jobs takes.
func perPart(b *testing.B, jobs, parts int) float64 {
	before := processors(b)
	for range jobs {
		oneJob(b, parts)
	}
	return float64((processors(b) - before).Microseconds()) / float64(jobs*parts)
}

// processors is the time that this process has had of them.
func processors(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func oneJob(b *testing.B, parts int) {
	sink := &memory.Sink{}
	ctx, h, err := Acquire(b.Context(), sink, name, fresh())
	if err != nil {
		b.Fatal(err)
	}
	plan(b, h, parts)
	claims := h.Claims()
	g, ctx := errgroup.WithContext(ctx)
	for range 4 {
		g.Go(func() error { return workThrough(ctx, claims) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	if done := h.Job().Done; done.Parts != parts {
		b.Fatalf("%+v", done)
	}
	if err := h.Release(b.Context(), Failed, nil); err != nil {
		b.Fatal(err)
	}
	if _, err := ReadChunks(b.Context(), sink, name); err != nil {
		b.Fatal(err)
	}
}

func workThrough(ctx context.Context, claims Claims) error {
	for {
		c, err := claims.Next(ctx)
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		for _, state := range []State{"submitted", Done} {
			if err := c.Save(ctx, state, c.Size, wholeResult(c.ID)); err != nil {
				return err
			}
		}
	}
}

// wholeResult is as large as that of a part of an export.
func wholeResult(id int) any {
	return map[string]any{
		"object": fmt.Sprintf("_default/part-%05d.parquet", id), "content": map[string]any{"rows": 1_000_000, "hash": "80bab204d07b277c"},
		"bytes": 256 << 20, "sha256": "6257e529c688cece4d9f1474d0252b3db2ff0e6a75895609287004875305f29b", "lowest": id, "highest": id + 1,
	}
}

// heapPerChunk is what an owner keeps of a chunk that is done.
func heapPerChunk(b *testing.B) float64 {
	const parts = 10_000
	_, h, err := Acquire(b.Context(), &memory.Sink{}, name, fresh())
	if err != nil {
		b.Fatal(err)
	}
	plan(b, h, parts)
	if err := workThrough(b.Context(), h.Claims()); err != nil {
		b.Fatal(err)
	}
	defer h.Release(b.Context(), Failed, nil)
	with := heap()
	h.mu.Lock()
	h.chunks = nil
	h.mu.Unlock()
	return float64(with-heap()) / parts
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
