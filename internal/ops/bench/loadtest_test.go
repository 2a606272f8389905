package bench

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// TestVectorsAreTheSame makes the same vectors however the rows are cut into batches, and others for searches.
func TestVectorsAreTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := Vectors{Dim: rapid.IntRange(1, 20).Draw(t, "dim"), Seed: rapid.Uint64().Draw(t, "seed")}
		rows, cut := rapid.IntRange(2, 50).Draw(t, "rows"), 0
		cut = rapid.IntRange(1, rows-1).Draw(t, "cut")
		data := func(first int64, n int) []float32 {
			return v.batch(first, n)[1].GetVectors().GetFloatVector().GetData()
		}
		whole, parts := data(0, rows), append(data(0, cut), data(int64(cut), rows-cut)...)
		for i := range whole {
			if whole[i] != parts[i] {
				t.Fatalf("number %d is %v in one batch and %v in two", i, whole[i], parts[i])
			}
		}
		if string(v.query(0)) == string(v.query(1)) {
			t.Fatal("two queries are the same")
		}
	})
}

// TestLatency knows the percentiles of times from 1 ms to 1 s to three digits, also when they were counted apart.
func TestLatency(t *testing.T) {
	odd, even := NewCalls(), NewCalls()
	for i := 1; i <= 1000; i += 2 {
		odd.Add(time.Duration(i) * time.Millisecond)
		even.Add(time.Duration(i+1) * time.Millisecond)
	}
	odd.Merge(even)
	l := odd.Latency()
	if l.Count != 1000 {
		t.Errorf("%d calls, want 1000", l.Count)
	}
	for what, c := range map[string]struct{ got, want time.Duration }{
		"mean": {l.Mean, 500500 * time.Microsecond},
		"P50":  {l.P50, 500 * time.Millisecond},
		"P95":  {l.P95, 950 * time.Millisecond},
		"P99":  {l.P99, 990 * time.Millisecond},
		"most": {l.Most, time.Second},
	} {
		if off := math.Abs(float64(c.got-c.want)) / float64(c.want); off > 0.001 {
			t.Errorf("%s is %v, want %v", what, c.got, c.want)
		}
	}
	odd.Add(time.Hour) // counts as the longest there is
	if most := odd.Latency().Most; most < longest || most > longest+longest/1000 {
		t.Errorf("an hour counts as %v", most)
	}
}

// TestRates loses no row: the stretches together hold what the calls brought.
func TestRates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spans := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) span {
			began := time.Duration(rapid.IntRange(0, 1e9).Draw(t, "began"))
			return span{began, began + time.Duration(rapid.IntRange(1000, 1e9).Draw(t, "took")), rapid.IntRange(1, 10_000).Draw(t, "rows")}
		}), 1, 30).Draw(t, "spans")
		var want, got float64
		for _, s := range spans {
			want += float64(s.rows)
		}
		var from time.Duration
		for _, r := range rates(spans) {
			got += r.PerSecond * (r.Until - from).Seconds()
			from = r.Until
		}
		if math.Abs(got-want) > 1e-6*want {
			t.Fatalf("the stretches hold %v rows, the calls %v", got, want)
		}
	})
	if r := rates(nil); r != nil {
		t.Errorf("rates of no call: %v", r)
	}
}

// TestPerSecond gives the rates in JSON too, over all inserters and threads.
func TestPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inserts := newTally(2)
		inserts.spans = []span{{0, time.Second, 700}, {0, 2 * time.Second, 300}}
		time.Sleep(2 * time.Second)
		a, b := &thread{calls: NewCalls()}, &thread{calls: NewCalls()}
		for range 15 {
			a.calls.Add(time.Millisecond)
			b.calls.Add(time.Millisecond)
		}
		b.count(time.Second, nil, ErrShort) // a search that failed is none that was answered
		searched, err := sum([]*thread{a, b}, 2*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		for what, want := range map[any]string{inserts.sum(): `"per_second":500,"flush_ns"`, searched: `"per_second":15,"latency"`} {
			text, err := json.Marshal(what)
			if err != nil || !strings.Contains(string(text), want) {
				t.Errorf("%s lacks %s, %v", text, want, err)
			}
		}
	})
}

// TestCheck refuses what no server could do, before any of them is asked.
func TestCheck(t *testing.T) {
	for title, c := range map[string]struct {
		change func(*Plan)
		want   string
	}{
		"fine":             {func(*Plan) {}, ""},
		"inserts only":     {func(p *Plan) { p.Searches = nil }, ""},
		"no rows":          {func(p *Plan) { p.Rows = 0 }, "from 1 on"},
		"no inserter":      {func(p *Plan) { p.Inserters = 0 }, "from 1 on"},
		"no dimension":     {func(p *Plan) { p.Insertion.Vectors.Dim = 0 }, "dimensions"},
		"a huge batch":     {func(p *Plan) { p.Batch = 100_000 }, "60 MiB"},
		"few rows at once": {func(p *Plan) { p.Batch, p.Rows = 100_000, 1000 }, ""},
		"unknown index":    {func(p *Plan) { p.Searches.Index.Type = "ANNOY" }, "ANNOY"},
		"no thread":        {func(p *Plan) { p.Searches.Threads = 0 }, "threads"},
		"top above rows":   {func(p *Plan) { p.Searches.Top = 2_000_000 }, "top"},
		"ef below top":     {func(p *Plan) { p.Searches.Index.EF = 5 }, "ef"},
		"no nprobe":        {func(p *Plan) { p.Searches.Index = Index{Type: "IVF_FLAT"} }, "nprobe"},
	} {
		t.Run(title, func(t *testing.T) {
			p := Plan{
				Insertion: Insertion{Vectors: Vectors{Dim: 384}, Rows: 1_000_000, Batch: 10_000, Inserters: 1},
				Searches:  &Searches{Index: Index{Type: "HNSW", EF: 64}, Top: 10, Threads: 10, Queries: 100},
			}
			c.change(&p)
			err := p.Check()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && !errors.Is(err, ErrPlan) {
				t.Errorf("%v is no ErrPlan", err)
			}
		})
	}
}
