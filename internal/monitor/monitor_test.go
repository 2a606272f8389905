package monitor_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"migrate/checkpoint"
	"migrate/internal/monitor"
	"migrate/internal/syncer"
)

var errBroken = errors.New("broken on purpose")

func reported() *monitor.Monitor {
	m := monitor.New()
	m.Cycle(syncer.Report{Cycle: 1, Err: errBroken})
	m.Cycle(syncer.Report{
		Cycle: 2, Took: time.Second, Ranges: 3, Hot: 1, Read: 40, Doubled: 2, Outcome: syncer.Outcome{Inserted: 5, Changed: 6, Deleted: 7, Passed: 8},
		Position: &checkpoint.Position{AsOf: time.Now(), InStep: time.Unix(1000, 0)},
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
# HELP migrate_cycles_total Cycles of the sync, by how they ended: ok or error.
# TYPE migrate_cycles_total counter
migrate_cycles_total{result="error"} 1
migrate_cycles_total{result="ok"} 1
# HELP migrate_last_in_step_timestamp_seconds When the two sides were last proved equal; 0 where they never were.
# TYPE migrate_last_in_step_timestamp_seconds gauge
migrate_last_in_step_timestamp_seconds 1000
# HELP migrate_ranges_differing Ranges that differed when they were last compared.
# TYPE migrate_ranges_differing gauge
migrate_ranges_differing 1
`
	err := testutil.GatherAndCompare(reported().Registry, strings.NewReader(want), "migrate_rows_applied_total", "migrate_cycles_total",
		"migrate_last_in_step_timestamp_seconds", "migrate_ranges_differing")
	if err != nil {
		t.Error(err)
	}
}

// TestServe answers who may ask, and says why a sync is not well.
func TestServe(t *testing.T) {
	failed := monitor.New()
	failed.Cycle(syncer.Report{Cycle: 1, Err: errBroken})
	for name, c := range map[string]struct {
		monitor      *monitor.Monitor
		token, given string
		path         string
		code         int
		text         string
	}{
		"alive":         {monitor.New(), "", "", "/healthz", http.StatusOK, "ok"},
		"not ready yet": {monitor.New(), "", "", "/readyz", http.StatusServiceUnavailable, "no cycle"},
		"failed":        {failed, "", "", "/readyz", http.StatusServiceUnavailable, errBroken.Error()},
		"ready":         {reported(), "", "", "/readyz", http.StatusOK, "ok"},
		"metrics":       {reported(), "", "", "/metrics", http.StatusOK, "migrate_lag_seconds"},
		"no token":      {reported(), "secret", "", "/metrics", http.StatusUnauthorized, "token"},
		"wrong token":   {reported(), "secret", "secrets", "/healthz", http.StatusUnauthorized, "token"},
		"token":         {reported(), "secret", "secret", "/healthz", http.StatusOK, "ok"},
		"nothing":       {reported(), "", "", "/", http.StatusNotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, text := get(t, c.monitor, c.token, c.given, c.path)
			if code != c.code || !strings.Contains(text, c.text) {
				t.Errorf("%d: %s", code, text)
			}
		})
	}
}

// get serves one request.
func get(t *testing.T, m *monitor.Monitor, token, given, path string) (int, string) {
	t.Helper()
	listener, err := monitor.Listen(t.Context(), "127.0.0.1:0", token)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- m.ServeOn(ctx, listener, token) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if given != "" {
		req.Header.Set("Authorization", "Bearer "+given)
	}
	resp, err := http.DefaultClient.Do(req)
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
