//go:build lab

package e2e

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"migrate/checkpoint"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/labtest/double"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/milvus"
	"migrate/internal/verify"
	"migrate/sinks"
)

func connectLater(t *testing.T, cfg milvus.Config) *milvus.Server {
	t.Helper()
	server, err := milvus.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

// partitioned is a collection of 2,000 rows in each partition, and its export, each partition in so many parts.
func partitioned(t *testing.T, parts int, partitions ...string) (*export.Manifest, sinks.Sink) {
	t.Helper()
	sink, from := labtest.Local(t), labtest.Source(t)
	c := labtest.Collection(narrow(), partitions...)
	labtest.Create(t, from, c)
	for k, partition := range partitions {
		labtest.Insert(t, from, c.Name, partition, narrowRows(labtest.Each(2000, func(i int) int64 { return int64(10_000*k + i) })))
	}
	m, err := exporter.Export(t.Context(), from, c.Name, sink, exporter.Options{Job: c.Name, PartBytes: int64(2000 * 85 / parts)})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Parts) != parts*len(partitions) {
		t.Fatalf("%d parts, want %d in each of %d partitions", len(m.Parts), parts, len(partitions))
	}
	return m, sink
}

// TestRESTImport moves a collection through the job API of later versions, several parts a job.
func TestRESTImport(t *testing.T) {
	t.Parallel()
	m, sink := partitioned(t, 3, "_default", "even", "odd")
	for title, c := range map[string]struct {
		double  double.Config
		connect milvus.Config
		opts    importer.Options
	}{
		"2.4.0, forced":          {double.Config{Version: "v2.4.0", Success: 200}, milvus.Config{}, importer.Options{Force: true}},
		"2.4.15":                 {double.Config{Version: "v2.4.15", Pending: time.Second}, milvus.Config{}, importer.Options{Jobs: 1}},
		"2.5, with a login":      {double.Config{Version: "2.5.4", Login: "root:Milvus", Late: 5 * time.Second}, milvus.Config{Username: "root", Password: "Milvus"}, importer.Options{}},
		"2.6, REST elsewhere":    {double.Config{Version: "v2.6.2", Elsewhere: true}, milvus.Config{}, importer.Options{Jobs: 2}},
		"2.6.24, with a token":   {double.Config{Version: "v2.6.24", Idempotent: true, Login: "key"}, milvus.Config{Token: "key"}, importer.Options{}},
		"3.1, a job a partition": {double.Config{Version: "v3.1.0", Idempotent: true, Commit: true}, milvus.Config{}, importer.Options{Jobs: 1}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			standIn := labtest.Later(t, c.double)
			c.connect.Address, c.opts.As = standIn.Address, labtest.Name()
			if c.double.Elsewhere {
				c.connect.RESTURL = standIn.RESTURL
			}
			labtest.DropLater(t, labtest.Target(t), c.opts.As)
			if _, err := importer.Import(t.Context(), connectLater(t, c.connect), sink, m, labtest.Staging(t), c.opts); err != nil {
				t.Fatal(err)
			}
			wantOnce(t, standIn, sink, m, c.opts.As)
			if jobs := standIn.Jobs(); len(jobs) >= len(m.Parts) {
				t.Errorf("%d jobs for %d parts", len(jobs), len(m.Parts))
			}
		})
	}
}

// wantOnce proves that the target has every row once.
func wantOnce(t *testing.T, standIn *double.Server, sink sinks.Sink, m *export.Manifest, name string) {
	t.Helper()
	wantEqual(t, compare(t, export.Source{Sink: sink, Manifest: m}, side(t, labtest.Target(t), name), verify.Options{}), m.Total.Rows)
	for _, job := range standIn.Jobs() {
		for _, file := range job {
			if !strings.HasSuffix(file, ".parquet") {
				t.Errorf("a job was given %q", file)
			}
		}
	}
}

// TestRESTRefused imports nothing into servers that can't take it, and leaves nothing behind.
func TestRESTRefused(t *testing.T) {
	t.Parallel()
	sink := labtest.Local(t)
	_, m := exported(t, sink, 10)
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
			standIn, name := labtest.Later(t, c.double), labtest.Name()
			standIn.Queue(double.List, c.faults...)
			server := connectLater(t, milvus.Config{Address: standIn.Address})
			_, err := importer.Import(t.Context(), server, sink, m, labtest.Staging(t), importer.Options{As: name})
			if !errors.Is(err, c.want) {
				t.Errorf("import: %v, want %v", err, c.want)
			}
			wantAbsent(t, name)
		})
	}
}

// TestRESTGoesOn breaks an import at each of its calls and in its jobs. It ends by itself, or the same call finishes it,
// with not one row more.
func TestRESTGoesOn(t *testing.T) {
	t.Parallel()
	m, sink := partitioned(t, 2, "_default", "other")
	older, newer := double.Config{Version: "v2.4.15"}, double.Config{Version: "v2.6.24", Idempotent: true}
	slow := double.Config{Version: "v2.5.4", Pending: 2 * time.Second}
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
		"create held up":               {double: older, step: double.Create, faults: []double.Fault{double.Delay(4 * time.Second)}, jobs: 3},
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
			standIn, name := labtest.Later(t, c.double), labtest.Name()
			labtest.DropLater(t, labtest.Target(t), name)
			standIn.Queue(c.step, c.faults...)
			staging := crashing(t, labtest.Staging(t), c.crash)
			server := connectLater(t, milvus.Config{Address: standIn.Address})
			do := func(stallAfter time.Duration) error {
				_, err := importer.Import(t.Context(), server, sink, m, staging, importer.Options{As: name, Jobs: 1, StallAfter: stallAfter})
				return err
			}
			patience := time.Minute
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
				if err := do(time.Minute); err != nil {
					t.Fatal(err)
				}
			}
			wantOnce(t, standIn, sink, m, name)
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
	m, sink := partitioned(t, 2, "_default", "other")
	for title, killed := range map[string]checkpoint.State{"id not recorded": importer.Submitted, "end not recorded": checkpoint.Done} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			standIn, name := labtest.Later(t, double.Config{Version: "v2.4.15"}), labtest.Name()
			labtest.DropLater(t, labtest.Target(t), name)
			server := connectLater(t, milvus.Config{Address: standIn.Address})
			staging := crashing(t, labtest.Staging(t), crash{before: killed})
			opts := importer.Options{As: name, Jobs: 1}
			if _, err := importer.Import(t.Context(), server, sink, m, staging, opts); !errors.Is(err, errBroken) {
				t.Fatalf("import over a fault: %v", err)
			}
			standIn.Forget()
			hoursAgo(t, staging, m, name)
			if _, err := importer.Import(t.Context(), server, sink, m, staging, opts); err != nil {
				t.Fatal(err)
			}
			wantOnce(t, standIn, sink, m, name)
			if jobs := standIn.Jobs(); len(jobs) != 2 {
				t.Errorf("%d jobs, want 2: %v", len(jobs), jobs)
			}
		})
	}
}

// hoursAgo has a job interrupted so long ago that a server of 2.4 may have forgotten what it did.
func hoursAgo(t *testing.T, staging sinks.Sink, m *export.Manifest, collection string) {
	t.Helper()
	rewrite(t, staging, checkpoint.Name(checkpoint.Import, m.Job, collection), func(j *checkpoint.Job) {
		j.State, j.Updated, j.Lease.Expires = checkpoint.Interrupted, time.Now().Add(-4*time.Hour), time.Time{}
	})
}

// TestRESTVanished names a job that is gone without its rows, before it can have been forgotten, and imports nothing
// again until it can.
func TestRESTVanished(t *testing.T) {
	t.Parallel()
	m, sink := partitioned(t, 2, "_default", "other")
	standIn, name, staging := labtest.Later(t, double.Config{Version: "v2.4.15"}), labtest.Name(), labtest.Staging(t)
	labtest.DropLater(t, labtest.Target(t), name)
	server := connectLater(t, milvus.Config{Address: standIn.Address})
	standIn.Queue(double.Run, double.Stuck())
	for _, step := range []struct {
		before   func()
		patience time.Duration
		want     error
		jobs     int
	}{
		{func() {}, 3 * time.Second, importer.ErrStalled, 1},
		{standIn.Vanish, time.Minute, importer.ErrUncertain, 1},
		{func() { hoursAgo(t, staging, m, name) }, time.Minute, nil, 3},
	} {
		step.before()
		_, err := importer.Import(t.Context(), server, sink, m, staging, importer.Options{As: name, Jobs: 1, StallAfter: step.patience})
		if !errors.Is(err, step.want) || err != nil && !strings.Contains(err.Error(), "bulk-insert job 449000000000000000 (") {
			t.Fatalf("import: %v, want %v", err, step.want)
		}
		if jobs := standIn.Jobs(); len(jobs) != step.jobs {
			t.Fatalf("%d jobs, want %d: %v", len(jobs), step.jobs, jobs)
		}
	}
	wantOnce(t, standIn, sink, m, name)
}

// TestRESTUndecided submits nothing while a job is there that does not name its files, and does not wait for ever.
func TestRESTUndecided(t *testing.T) {
	t.Parallel()
	m, sink := partitioned(t, 2, "_default", "other")
	standIn, name, store := labtest.Later(t, double.Config{Version: "v2.4.15", Pending: time.Hour}), labtest.Name(), labtest.Staging(t)
	labtest.DropLater(t, labtest.Target(t), name)
	t.Cleanup(func() { empty(t, store) }) // nobody may go on with this one
	server := connectLater(t, milvus.Config{Address: standIn.Address})
	standIn.Queue(double.Create, double.LoseAnswer())
	for range 2 {
		_, err := importer.Import(t.Context(), server, sink, m, store, importer.Options{As: name, Jobs: 1, StallAfter: time.Second})
		if !errors.Is(err, importer.ErrStalled) || !strings.Contains(err.Error(), "does not say which files") {
			t.Fatalf("import while a job names no files: %v", err)
		}
	}
	if jobs := standIn.Jobs(); len(jobs) != 1 {
		t.Errorf("%d jobs, want 1: %v", len(jobs), jobs)
	}
}

func empty(t *testing.T, sink sinks.Sink) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	for info, err := range sink.List(ctx, "") {
		if err == nil {
			err = sink.Delete(ctx, info.Name)
		}
		if err != nil {
			t.Error(err)
		}
	}
}
