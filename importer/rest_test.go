package importer_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/parquet/file"

	"migrate/checkpoint"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/document"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/labtest/double"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/sinks"
	store "migrate/sinks/memory"
)

// later is a double of a later version in front of a target.
func (to target) later(t *testing.T, cfg double.Config) *double.Server {
	t.Helper()
	cfg.Upstream, cfg.Poll = to.Address, time.Millisecond
	cfg.Rows = func(ctx context.Context, name string) (int64, bool, error) {
		obj, err := to.staging.Open(ctx, name)
		if errors.Is(err, sinks.ErrNotExist) {
			return 0, false, nil
		}
		if err != nil {
			return 0, false, err
		}
		parquet, err := file.NewParquetReader(obj) // whose Close closes the object
		if err != nil {
			return 0, false, err
		}
		defer parquet.Close()
		return parquet.NumRows(), true, nil
	}
	return double.Start(t, cfg)
}

// waiting are options of the server's own dialect that give a job so long without progress.
func (to target) waiting(stallAfter time.Duration) importer.Options {
	opts := to.patient()
	opts.Dialect, opts.StallAfter, opts.Poll = nil, stallAfter, 10*time.Millisecond
	return opts
}

func connectLater(t *testing.T, cfg milvus.Config) *milvus.Server {
	t.Helper()
	server, err := milvus.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

// partitioned is the export of a collection of 200 rows in each partition, each of which comes in two parts.
func partitioned(t *testing.T, partitions ...string) (*export.Manifest, sinks.Sink) {
	t.Helper()
	from, sink, c := memory.Start(t, "v2.3.5"), &store.Sink{}, labtest.Collection(schema(), partitions...)
	from.Add(t, c)
	server := from.Client(t)
	for k, partition := range partitions {
		labtest.Insert(t, server, c.Name, partition, numbered(10_000*k, 10_000*k+rows))
	}
	m, err := exporter.Export(t.Context(), server, c.Name, sink, exporter.Options{Job: "j", PartBytes: 1200})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Parts) != 2*len(partitions) {
		t.Fatalf("%d parts, want 2 in each of %d partitions", len(m.Parts), len(partitions))
	}
	return m, sink
}

// TestRESTRefused imports nothing into servers that can't take it, and leaves nothing behind.
func TestRESTRefused(t *testing.T) {
	t.Parallel()
	m, sink := exported(t, schema())
	for title, c := range map[string]struct {
		double double.Config
		faults []double.Fault
		want   error
	}{
		"loses statistics":        {double.Config{Version: "v2.4.3"}, nil, importer.ErrTarget},
		"no REST at that address": {double.Config{Version: "v2.4.15", Elsewhere: true}, nil, milvus.ErrNoREST},
		"another server's page":   {double.Config{Version: "v2.4.15"}, []double.Fault{double.Answer(200, "text/html", "<html>welcome</html>")}, milvus.ErrNoREST},
		"sent elsewhere":          {double.Config{Version: "v2.4.15"}, []double.Fault{double.Answer(302, "text/html", "<html>log in</html>")}, milvus.ErrNoREST},
		"login refused":           {double.Config{Version: "v2.6.2", Login: "root:Milvus"}, nil, milvus.ErrLogin},
		"refused by a proxy":      {double.Config{Version: "v2.6.2"}, []double.Fault{double.Answer(403, "text/html", "<html>no</html>")}, milvus.ErrLogin},
		"unknown version":         {double.Config{Version: "custom"}, nil, importer.ErrTarget},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			to := newTarget(t)
			standIn := to.later(t, c.double)
			standIn.Queue(double.List, c.faults...)
			server := connectLater(t, milvus.Config{Address: standIn.Address})
			opts := to.waiting(labtest.Patience)
			opts.Via = importer.Bulk
			_, err := importer.Import(t.Context(), server, sink, m, bucket{to.staging}, opts)
			if !errors.Is(err, c.want) {
				t.Errorf("import: %v, want %v", err, c.want)
			}
			if left := to.Collections(); len(left) > 0 {
				t.Errorf("made: %v", left)
			}
		})
	}
}

// TestRESTGoesOn breaks an import at each of its calls and in its jobs. It ends by itself, or the same call finishes it,
// with not one row more.
func TestRESTGoesOn(t *testing.T) {
	t.Parallel()
	m, sink := partitioned(t, "_default", "other")
	older, newer := double.Config{Version: "v2.4.15"}, double.Config{Version: "v2.6.24", Idempotent: true}
	slow := double.Config{Version: "v2.5.4", Pending: 500 * time.Millisecond}
	newest := double.Config{Version: "v3.1.0", Idempotent: true, Commit: true}
	html := "<html>bad gateway</html>"
	for title, c := range map[string]struct {
		double double.Config
		step   double.Step
		faults []double.Fault
		crash  crash
		want   string // in the error; empty where the import ends by itself
		free   bool   // the job that was stuck, before the same call
		jobs   int    // in all, of several files each
	}{
		"create's answer lost":        {double: older, step: double.Create, faults: []double.Fault{double.LoseAnswer()}, jobs: 2},
		"create's answer lost, newer": {double: newer, step: double.Create, faults: []double.Fault{double.LoseAnswer(), double.LoseAnswer()}, jobs: 2},
		"create broken off": {double: older, step: double.Create, jobs: 2, faults: []double.Fault{
			double.Break(), double.Answer(502, "text/html", html), double.Answer(429, "text/plain", "slow down"), double.Refuse(8, "rate limit"),
		}},
		"create answered by a page":    {double: older, step: double.Create, faults: []double.Fault{double.Answer(200, "text/html", html)}, want: "not an answer of Milvus", jobs: 2},
		"list fails":                   {double: older, step: double.List, faults: []double.Fault{double.Answer(500, "text/html", html), double.Break(), double.Answer(429, "", ""), double.LoseAnswer()}, jobs: 2},
		"progress fails":               {double: newer, step: double.Progress, faults: []double.Fault{double.Answer(503, "text/html", html), double.Break(), double.Refuse(1, "not ready"), double.LoseAnswer()}, jobs: 2},
		"progress is a page":           {double: older, step: double.Progress, faults: []double.Fault{double.Answer(200, "text/html", html)}, want: "not an answer of Milvus", jobs: 2},
		"job fails":                    {double: older, step: double.Run, faults: []double.Fault{double.Fail("node down: 7")}, jobs: 3},
		"job fails again and again":    {double: newer, step: double.Run, faults: slices.Repeat([]double.Fault{double.Fail("node down: 7")}, 3), want: "node down: 7", jobs: 5},
		"job stuck":                    {double: newer, step: double.Run, faults: []double.Fault{double.Stuck()}, want: "Importing at 40%", free: true, jobs: 2},
		"intent not recorded":          {double: older, crash: crash{before: importer.Intended}, want: "broken", jobs: 2},
		"id not recorded, job pending": {double: slow, crash: crash{before: importer.Submitted}, want: "broken", jobs: 2},
		"id not recorded, job fails": {double: slow, step: double.Run, faults: []double.Fault{double.Fail("node down: 7")},
			crash: crash{before: importer.Submitted}, want: "broken", jobs: 3},
		"commit's answer lost": {double: newest, step: double.Commit, faults: []double.Fault{double.LoseAnswer(), double.Answer(502, "text/html", html)}, jobs: 2},
		"commit refused":       {double: newest, step: double.Commit, faults: []double.Fault{double.Refuse(2100, "not now")}, want: "not now", jobs: 2},
		"rows lost, aborted":   {double: newest, step: double.Run, faults: []double.Fault{double.Lose(1)}, jobs: 3},
		"end not recorded":     {double: older, crash: crash{before: checkpoint.Done}, want: "broken", jobs: 2},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			faulttable.Tried(t, "import into a double of 2.4 or later: "+title, 1, "ended by itself or by the same command: every row once")
			to := newTarget(t)
			standIn := to.later(t, c.double)
			standIn.Queue(c.step, c.faults...)
			staging := crashing(t, to.staging, c.crash)
			server := connectLater(t, milvus.Config{Address: standIn.Address})
			do := func(stallAfter time.Duration) error {
				_, err := importer.Import(t.Context(), server, sink, m, staging, to.waiting(stallAfter))
				return err
			}
			patience := labtest.Patience
			if c.free {
				patience = 3 * time.Second
			}
			err := do(patience)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("import over a fault: %v, want %q", err, c.want)
			}
			if c.free {
				standIn.Free()
			}
			if err != nil {
				if err := do(labtest.Patience); err != nil {
					t.Fatal(err)
				}
			}
			to.wantOnce(t, m, sink)
			if jobs := standIn.Jobs(); len(jobs) != c.jobs {
				t.Errorf("%d jobs, want %d: %v", len(jobs), c.jobs, jobs)
			}
		})
	}
}

// TestRESTForgotten goes on with an import whose jobs the server has forgotten, whether or not their ids were recorded: the
// target's own rows tell.
func TestRESTForgotten(t *testing.T) {
	t.Parallel()
	m, sink := partitioned(t, "_default", "other")
	for title, killed := range map[string]checkpoint.State{"id not recorded": importer.Submitted, "end not recorded": checkpoint.Done} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			to := newTarget(t)
			standIn := to.later(t, double.Config{Version: "v2.4.15"})
			server := connectLater(t, milvus.Config{Address: standIn.Address})
			staging := crashing(t, to.staging, crash{before: killed})
			opts := to.waiting(labtest.Patience)
			if _, err := importer.Import(t.Context(), server, sink, m, staging, opts); !errors.Is(err, errBroken) {
				t.Fatalf("import over a fault: %v", err)
			}
			standIn.Forget()
			hoursAgo(t, to.staging, m)
			if _, err := importer.Import(t.Context(), server, sink, m, staging, opts); err != nil {
				t.Fatal(err)
			}
			to.wantOnce(t, m, sink)
			if jobs := standIn.Jobs(); len(jobs) != 2 {
				t.Errorf("%d jobs, want 2: %v", len(jobs), jobs)
			}
		})
	}
}

// hoursAgo has a job interrupted so long ago that a server of 2.4 may have forgotten what it did.
func hoursAgo(t *testing.T, staging sinks.Sink, m *export.Manifest) {
	t.Helper()
	rewrite(t, staging, checkpoint.Name(checkpoint.Import, m.Job, "t"), func(j *checkpoint.Job) {
		j.State, j.Updated, j.Lease.Expires = checkpoint.Interrupted, time.Now().Add(-4*time.Hour), time.Time{}
	})
}

// TestRESTVanished names a job that is gone without its rows, before it can have been forgotten, and imports nothing
// again until it can.
func TestRESTVanished(t *testing.T) {
	t.Parallel()
	m, sink := partitioned(t, "_default", "other")
	to := newTarget(t)
	standIn, staging := to.later(t, double.Config{Version: "v2.4.15"}), bucket{to.staging}
	server := connectLater(t, milvus.Config{Address: standIn.Address})
	standIn.Queue(double.Run, double.Stuck())
	for _, step := range []struct {
		before   func()
		patience time.Duration
		want     error
		jobs     int
	}{
		{func() {}, 3 * time.Second, importer.ErrStalled, 1},
		{standIn.Vanish, labtest.Patience, importer.ErrUncertain, 1},
		{func() { hoursAgo(t, to.staging, m) }, labtest.Patience, nil, 3},
	} {
		step.before()
		_, err := importer.Import(t.Context(), server, sink, m, staging, to.waiting(step.patience))
		if !errors.Is(err, step.want) || err != nil && !strings.Contains(err.Error(), "bulk-insert job 449000000000000000 (") {
			t.Fatalf("import: %v, want %v", err, step.want)
		}
		if jobs := standIn.Jobs(); len(jobs) != step.jobs {
			t.Fatalf("%d jobs, want %d: %v", len(jobs), step.jobs, jobs)
		}
	}
	to.wantOnce(t, m, sink)
}

// TestRESTUndecided submits nothing while a job is there that does not name its files, and does not wait for ever.
func TestRESTUndecided(t *testing.T) {
	t.Parallel()
	m, sink := partitioned(t, "_default", "other")
	to := newTarget(t)
	standIn := to.later(t, double.Config{Version: "v2.4.15", Pending: time.Hour})
	server := connectLater(t, milvus.Config{Address: standIn.Address})
	standIn.Queue(double.Create, double.LoseAnswer())
	for range 2 {
		_, err := importer.Import(t.Context(), server, sink, m, bucket{to.staging}, to.waiting(time.Second))
		if !errors.Is(err, importer.ErrStalled) || !strings.Contains(err.Error(), "does not say which files") {
			t.Fatalf("import while a job names no files: %v", err)
		}
	}
	if jobs := standIn.Jobs(); len(jobs) != 1 {
		t.Errorf("%d jobs, want 1: %v", len(jobs), jobs)
	}
}

// crash is a state of a chunk: once, it is not written, or is and nobody hears of it.
type crash struct{ before, after checkpoint.State }

// crashingStore is a staging store whose checkpoint meets a crash. Other writes, as that which renews the lease, do not.
type crashingStore struct {
	*store.Sink
	crash  crash
	struck atomic.Bool
}

// crashing fails the test where the crash is never reached.
func crashing(t *testing.T, staging *store.Sink, at crash) *crashingStore {
	t.Helper()
	c := &crashingStore{Sink: staging, crash: at}
	t.Cleanup(func() {
		if at != (crash{}) && !c.struck.Load() {
			t.Errorf("the checkpoint never came to %+v", at)
		}
	})
	return c
}

// Key implements importer.Staging.
func (*crashingStore) Key(name string) string { return name }

// Swap implements sinks.Swapper.
func (c *crashingStore) Swap(ctx context.Context, name string, old sinks.Version, data []byte) (sinks.Version, error) {
	var chunk struct{ State checkpoint.State }
	if strings.HasPrefix(name, "_migrate/chunks/") {
		if err := document.Unmarshal(data, &chunk); err != nil {
			return "", err
		}
	}
	if c.strikes(chunk.State, c.crash.before) {
		return "", errBroken
	}
	version, err := c.Sink.Swap(ctx, name, old, data)
	if err == nil && c.strikes(chunk.State, c.crash.after) {
		return "", errBroken
	}
	return version, err
}

func (c *crashingStore) strikes(is, state checkpoint.State) bool {
	return state != checkpoint.Todo && is == state && c.struck.CompareAndSwap(false, true)
}

// rewrite changes a document behind its owner's back.
func rewrite(t *testing.T, sink sinks.Sink, name string, change func(*checkpoint.Job)) {
	t.Helper()
	job, err := checkpoint.Read(t.Context(), sink, name)
	if err != nil {
		t.Fatal(err)
	}
	change(job)
	text, err := document.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	write(t, sink, checkpoint.Object(name), text)
}
