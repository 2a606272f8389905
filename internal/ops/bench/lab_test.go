//go:build lab

package bench_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"migrate/deploy/lab"
	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/ops/bench"
)

// small is a test of seconds. FLAT finds the true neighbours, so that both servers have to find the same.
func small() bench.Plan {
	vectors := bench.Vectors{Dim: 16}
	return bench.Plan{
		Insertion: bench.Insertion{Vectors: vectors, Rows: 5000, Batch: 700, Inserters: 2},
		Searches:  &bench.Searches{Vectors: vectors, Index: bench.Index{Type: "FLAT"}, Top: 10, Threads: 3, Queries: 20, WarmUp: 2},
	}
}

func run(t *testing.T, p bench.Plan, address string) *bench.Outcome {
	t.Helper()
	done, err := p.Run(t.Context(), milvus.Config{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// TestRun puts both servers to the same test, and leaves nothing on them.
func TestRun(t *testing.T) {
	standalone, cluster := run(t, small(), lab.Standalone), run(t, small(), lab.Proxy1)
	for server, done := range map[*milvus.Server]*bench.Outcome{labtest.Source(t): standalone, labtest.Target(t): cluster} {
		if in := done.Inserted; in.Rows != 5000 || in.Batches.Count != 8 || in.Bytes != 5000*16*4 || in.PerSecond <= 0 {
			t.Errorf("%s: inserted %+v", done.Address, in)
		}
		if s := done.Searched; s.Latency.Count != 60 || s.Failed != 0 || s.PerSecond <= 0 || s.Latency.P50 > s.Latency.P99 {
			t.Errorf("%s: searched %+v", done.Address, s)
		}
		if there, err := server.Exists(t.Context(), done.Collection); there || err != nil {
			t.Errorf("%s is left on %s: %v", done.Collection, server.Address, err)
		}
	}
	for i, keys := range standalone.Searched.Answers {
		if !sameKeys(keys, cluster.Searched.Answers[i]) {
			t.Errorf("search %d found %v on one, %v on the other", i, keys, cluster.Searched.Answers[i])
		}
	}
}

func sameKeys(a, b []int64) bool {
	in := map[int64]bool{}
	for _, key := range a {
		in[key] = true
	}
	for _, key := range b {
		if !in[key] {
			return false
		}
	}
	return len(a) == len(b) && len(a) > 0
}

// TestKeep leaves the collection, with every row once.
func TestKeep(t *testing.T) {
	p := small()
	p.Searches, p.Keep = nil, true
	done, server := run(t, p, lab.Standalone), labtest.Source(t)
	labtest.DropLater(t, server, done.Collection)
	if rows, err := server.RowCount(t.Context(), done.Collection); rows != 5000 || err != nil {
		t.Errorf("%d rows are there, %v", rows, err)
	}
}

// TestNothingAnswers is an error that names what a search met.
func TestNothingAnswers(t *testing.T) {
	_, err := bench.Search(t.Context(), milvus.Config{Address: lab.Standalone}, "nobody", *small().Searches)
	if !errors.Is(err, milvus.ErrNotFound) || !strings.Contains(err.Error(), "no search was answered") {
		t.Errorf("got %v", err)
	}
}

// TestInterrupted ends soon, and leaves no collection, kept or not.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := small()
	p.Rows, p.Keep = 1_000_000, true
	p.Progress = func(_, _ int64) { cancel() }
	done, err := p.Run(ctx, milvus.Config{Address: lab.Standalone})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if there, err := labtest.Source(t).Exists(t.Context(), done.Collection); there || err != nil {
		t.Errorf("%s is left, %v", done.Collection, err)
	}
}
