package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"migrate/internal/milvus"
	"migrate/internal/monitor"
	"migrate/internal/syncer"
)

var errBroken = fmt.Errorf("broken on purpose: %w", milvus.ErrUnreachable)

// reported is a monitor of a whole move: exported, imported, and two cycles, of which the first failed.
func reported() *monitor.Monitor {
	m := monitor.New(monitor.Subject{Collection: "documents", As: "copies", Source: "standalone:19530", Target: "cluster:19530"})
	m.Step("export", 100)
	m.Exported(60, 6000)
	m.Exported(40, 4000)
	m.Step("bulk insert", 100)
	m.Job(7, "pending", "")
	m.Job(7, "importing", "")
	m.Job(8, "failed", "no such file")
	m.Job(8, "failed", "no such file")
	m.Job(7, "completed", "")
	m.Imported(100)
	m.Retries("source")("Query", errBroken)
	m.Retries("source")("Query", errBroken)
	m.Retries("target")("Describe", errBroken)
	m.Step(monitor.Syncing, 0)
	m.Cycle(syncer.Report{Cycle: 1, Err: errBroken})
	m.Cycle(syncer.Report{
		Cycle: 2, By: "storage", Took: time.Second, Ranges: 3, Hot: 1, Read: 40, Duplicates: 2, Outcome: syncer.Outcome{Inserted: 5, Changed: 6, Deleted: 7, Passed: 8},
		Position: &syncer.Position{AsOf: time.Now(), InStep: time.Unix(1000, 0)},
	})
	return m
}

// TestLint holds the names, units and helps of the metrics against Prometheus' conventions.
func TestLint(t *testing.T) {
	problems, err := testutil.GatherAndLint(reported().Registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestMetrics shows what cycles report.
func TestMetrics(t *testing.T) {
	want := `
# HELP migrate_rows_applied_total Rows changed on the target, by operation: insert, update or delete.
# TYPE migrate_rows_applied_total counter
migrate_rows_applied_total{operation="delete"} 7
migrate_rows_applied_total{operation="insert"} 5
migrate_rows_applied_total{operation="update"} 6
# HELP migrate_cycles_told_total Cycles in which the source's storage told which keys were written, so that nothing was compared for them.
# TYPE migrate_cycles_told_total counter
migrate_cycles_told_total 1
# HELP migrate_cycles_total Cycles of the sync, by how they ended: ok or error.
# TYPE migrate_cycles_total counter
migrate_cycles_total{result="error"} 1
migrate_cycles_total{result="ok"} 1
# HELP migrate_last_in_step_timestamp_seconds When the two sides were last proved equal; 0 where they never were.
# TYPE migrate_last_in_step_timestamp_seconds gauge
migrate_last_in_step_timestamp_seconds 1000
# HELP migrate_rows_exported_total Rows that this process has written to the sink.
# TYPE migrate_rows_exported_total counter
migrate_rows_exported_total 100
# HELP migrate_exported_bytes_total Bytes of these rows in memory, before they become Parquet.
# TYPE migrate_exported_bytes_total counter
migrate_exported_bytes_total 10000
# HELP migrate_rows_imported_total Rows brought by bulk-insert jobs that this process saw complete.
# TYPE migrate_rows_imported_total counter
migrate_rows_imported_total 100
# HELP migrate_bulk_insert_jobs Bulk-insert jobs that this process has followed, by the state that each was last seen in.
# TYPE migrate_bulk_insert_jobs gauge
migrate_bulk_insert_jobs{state="completed"} 1
migrate_bulk_insert_jobs{state="failed"} 1
migrate_bulk_insert_jobs{state="importing"} 0
migrate_bulk_insert_jobs{state="pending"} 0
# HELP migrate_retries_total Calls to Milvus that were made again, by server (source or target) and by the protocol's method.
# TYPE migrate_retries_total counter
migrate_retries_total{method="Describe",server="target"} 1
migrate_retries_total{method="Query",server="source"} 2
# HELP migrate_errors_total Errors that ended a cycle or a bulk-insert job, by kind. Calls that were made again are not among them.
# TYPE migrate_errors_total counter
migrate_errors_total{kind="bulk_insert"} 1
migrate_errors_total{kind="job_held"} 0
migrate_errors_total{kind="job_lost"} 0
migrate_errors_total{kind="lease_expired"} 0
migrate_errors_total{kind="login"} 0
migrate_errors_total{kind="no_cursor"} 0
migrate_errors_total{kind="not_found"} 0
migrate_errors_total{kind="not_loaded"} 0
migrate_errors_total{kind="other"} 0
migrate_errors_total{kind="privilege"} 0
migrate_errors_total{kind="source_changed"} 0
migrate_errors_total{kind="store_access"} 0
migrate_errors_total{kind="store_full"} 0
migrate_errors_total{kind="switched_before"} 0
migrate_errors_total{kind="target_not_filled"} 0
migrate_errors_total{kind="target_unfit"} 0
migrate_errors_total{kind="too_many_deletes"} 0
migrate_errors_total{kind="unreachable"} 1
migrate_errors_total{kind="written_after_switch"} 0
# HELP migrate_ranges_differing Ranges that differed when they were last compared.
# TYPE migrate_ranges_differing gauge
migrate_ranges_differing 1
`
	err := testutil.GatherAndCompare(reported().Registry, strings.NewReader(want), "migrate_rows_applied_total", "migrate_cycles_told_total", "migrate_cycles_total",
		"migrate_last_in_step_timestamp_seconds", "migrate_ranges_differing", "migrate_rows_exported_total", "migrate_exported_bytes_total",
		"migrate_rows_imported_total", "migrate_bulk_insert_jobs", "migrate_retries_total", "migrate_errors_total")
	if err != nil {
		t.Error(err)
	}
}

// TestServe answers what is asked, and says why a move is not well.
func TestServe(t *testing.T) {
	failed, exporting := monitor.New(monitor.Subject{}), monitor.New(monitor.Subject{})
	failed.Cycle(syncer.Report{Cycle: 1, Err: errBroken})
	exporting.Step("export", 2000)
	exporting.Exported(1500, 1)
	for name, c := range map[string]struct {
		monitor *monitor.Monitor
		path    string
		code    int
		text    string
	}{
		"alive":         {monitor.New(monitor.Subject{}), "/healthz", http.StatusOK, "ok"},
		"not ready yet": {monitor.New(monitor.Subject{}), "/readyz", http.StatusServiceUnavailable, "no cycle"},
		"exporting":     {exporting, "/readyz", http.StatusServiceUnavailable, "export: 1,500 of 2,000 rows"},
		"failed":        {failed, "/readyz", http.StatusServiceUnavailable, errBroken.Error()},
		"ready":         {reported(), "/readyz", http.StatusOK, "ok"},
		"metrics":       {reported(), "/metrics", http.StatusOK, "migrate_lag_seconds"},
		"page":          {reported(), "/", http.StatusOK, "documents"},
		"nothing":       {reported(), "/nothing", http.StatusNotFound, ""},
		"no profiles":   {reported(), "/debug/pprof/", http.StatusNotFound, ""},
		"no heap":       {reported(), "/debug/pprof/heap", http.StatusNotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, text := get(t, c.monitor, c.path)
			if code != c.code || !strings.Contains(text, c.text) {
				t.Errorf("%d: %s", code, text)
			}
		})
	}
}

// get asks a monitor that listens.
func get(t *testing.T, m *monitor.Monitor, path string) (int, string) {
	t.Helper()
	listener, err := monitor.Listen(t.Context(), "127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- m.Serve(ctx, listener, monitor.Options{}) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	resp, err := http.Get("http://" + listener.Addr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestAtOnce is told and asked by many at once, for the race detector.
func TestAtOnce(t *testing.T) {
	m := monitor.New(monitor.Subject{})
	h := m.Handler(monitor.Options{})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			m.Step("export", 100)
			m.Exported(10, 10)
			m.Job(int64(i), "importing", "")
			m.Job(int64(i), "failed", "by chance")
			m.Retries("source")("Query", errBroken)
			m.Cycle(syncer.Report{Cycle: 1, Err: errBroken, Position: &syncer.Position{AsOf: time.Now()}})
			for _, path := range []string{"/", "/metrics", "/readyz"} {
				if answer := ask(h, path, nil); answer.Body.Len() == 0 {
					t.Errorf("no answer at %s", path)
				}
			}
		})
	}
	all.Wait()
}

// TestListen wants a token where others can reach the address.
func TestListen(t *testing.T) {
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0", "example.org:80"} {
		if _, err := monitor.Listen(t.Context(), address, ""); !errors.Is(err, monitor.ErrToken) {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"127.0.0.1:0", "localhost:0", "[::1]:0"} {
		listener, err := monitor.Listen(t.Context(), address, "")
		if errors.Is(err, monitor.ErrToken) {
			t.Errorf("%s: %v", address, err)
		}
		if err == nil {
			listener.Close()
		}
	}
}
