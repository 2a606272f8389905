package monitor_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"migrate/internal/monitor"
	"migrate/internal/syncer"
)

// shown is the page of a monitor, as a browser gets it.
func shown(t *testing.T, m *monitor.Monitor, path string) string {
	t.Helper()
	answer := ask(m.Handler(monitor.Options{}), path, nil)
	if answer.Code != http.StatusOK {
		t.Fatalf("%d: %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

// words are the texts of a page, without its tags.
func words(page string) string {
	page = regexp.MustCompile(`(?s)<style>.*</style>`).ReplaceAllString(page, "")
	return strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, " ")), " ")
}

// TestPage says how a move stands, in every state of it.
func TestPage(t *testing.T) {
	ranges := []syncer.SyncRange{{Cycle: 3}, {}}
	for name, c := range map[string]struct {
		do   func(*monitor.Monitor)
		want []string
	}{
		"at first":       {func(*monitor.Monitor) {}, []string{"starting", "None since"}},
		"in its first":   {func(m *monitor.Monitor) { m.Step(monitor.Syncing, 0) }, []string{"in its first cycle"}},
		"being planned":  {func(m *monitor.Monitor) { m.Step("plan", 0) }, []string{"plan under way"}},
		"after its plan": {func(m *monitor.Monitor) { m.Step("plan", 0); m.Step("export", 5) }, []string{"plan in 0.0 s", "0 of 5 rows"}},
		"exporting":      {func(m *monitor.Monitor) { m.Step("export", 2000); m.Exported(500, 1) }, []string{"export under way", "500 of 2,000 rows"}},
		"importing": {func(m *monitor.Monitor) {
			m.Step("export", 2000)
			m.Exported(2000, 1)
			time.Sleep(90 * time.Second)
			m.Step("bulk insert", 2000)
			m.Job(1, "importing", "")
		}, []string{"bulk insert under way", "2,000 rows in 1 min 30 s", "1 importing"}},
		"comparing": {func(m *monitor.Monitor) {
			m.Cycle(syncer.Report{Cycle: 3, Lag: -1, Position: &syncer.Position{Ranges: ranges}})
		}, []string{"comparing for the first time", "Lag unknown", "never yet", "1 of 2", "Drawn once two cycles"}},
		"in step": {func(m *monitor.Monitor) {
			now := time.Now()
			m.Cycle(syncer.Report{Cycle: 3, InStep: true, Position: &syncer.Position{AsOf: now, InStep: now, Upserted: 1200, Deleted: 3, Passed: 4, Duplicates: 5}, Duplicates: 5})
			time.Sleep(65 * time.Second)
		}, []string{"in step but for 5 duplicate keys", "Lag 1 min 5 s", "Proved equal 1 min 5 s ago, at 00:00:00", "1,203 1,200 upserted, 3 deleted", "Differences passed 4", "Duplicate keys 5"}},
		"following": {func(m *monitor.Monitor) {
			for i := range 3 {
				at := time.Now()
				time.Sleep(30 * time.Second)
				m.Cycle(syncer.Report{Cycle: int64(i + 1), Lag: 30 * time.Second, Position: &syncer.Position{AsOf: at}})
			}
		}, []string{"following", "Lag 30 s", "Lag over time", "3 cycles of it ended well, 0 did not", "00:01:30"}},
		"failed": {func(m *monitor.Monitor) {
			for range 3 {
				m.Cycle(syncer.Report{Cycle: 9, Lag: -1, Err: errBroken})
				time.Sleep(30 * time.Second)
			}
		}, []string{"last cycle failed", errBroken.Error(), "3 times since 00:00:00", "3 did not"}},
		"trying again": {func(m *monitor.Monitor) {
			m.Cycle(syncer.Report{Cycle: 3, InStep: true, Position: &syncer.Position{}})
			time.Sleep(time.Second)
			m.Retries("source")("Query", errBroken)
		}, []string{"trying again", "Query on the source, made again"}},
		"well again": {func(m *monitor.Monitor) {
			m.Retries("source")("Query", errBroken)
			time.Sleep(time.Second)
			m.Cycle(syncer.Report{Cycle: 3, InStep: true, Position: &syncer.Position{}})
		}, []string{"in step", "Query on the source, made again"}},
		"out": {func(m *monitor.Monitor) {
			m.Cycle(syncer.Report{Cycle: 1, Direction: "source to target", Position: &syncer.Position{}})
		}, []string{"migrate · source to target", "here:1 → there:2"}},
		"and back": {func(m *monitor.Monitor) {
			m.Cycle(syncer.Report{Cycle: 1, Direction: "target to source", Position: &syncer.Position{Serving: syncer.Target}})
		}, []string{"migrate · target to source", "there:2 → here:1"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := monitor.New(monitor.Subject{Collection: "documents", Source: "here:1", Target: "there:2"})
				c.do(m)
				text := words(shown(t, m, "/"))
				for _, want := range c.want {
					if !strings.Contains(text, want) {
						t.Errorf("no %q in %s", want, text)
					}
				}
			})
		})
	}
}

// TestPageEscapes shows what a server says as text, whatever it says.
func TestPageEscapes(t *testing.T) {
	const evil = `"><script>alert(1)</script>&'`
	m := monitor.New(monitor.Subject{Collection: evil, As: evil + "2", Source: evil, Target: evil})
	m.Step(evil, 1)
	m.Job(1, evil, evil)
	m.Retries(evil)(evil, fmt.Errorf("%s", evil))
	m.Cycle(syncer.Report{Cycle: 1, Direction: evil, Err: fmt.Errorf("%s", evil)})
	page := shown(t, m, "/")
	if strings.Contains(page, "<script") {
		t.Errorf("not escaped: %s", page)
	}
	if !strings.Contains(page, "&lt;script&gt;") {
		t.Error("not shown at all")
	}
}

// TestPageIsAlone loads nothing and runs nothing: the policy allows the one style that is there, by its hash.
func TestPageIsAlone(t *testing.T) {
	answer := ask(reported().Handler(monitor.Options{}), "/", nil)
	page := answer.Body.String()
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(page)
	if len(style) != 2 {
		t.Fatal("no style")
	}
	sum := sha256.Sum256([]byte(style[1]))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; "
	if policy := answer.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, want) || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q, want %q", policy, want)
	}
	for _, foreign := range []string{"<script", "style=", "src=", "url(", "@import", "http://", "https://"} {
		if strings.Contains(page, foreign) {
			t.Errorf("the page has %q", foreign)
		}
	}
	if regexp.MustCompile(`<[^>]*\son\w+=`).MatchString(page) {
		t.Error("the page has a handler of events")
	}
}

// TestPageHoldsStill refreshes by itself unless it is told not to.
func TestPageHoldsStill(t *testing.T) {
	const refresh = `http-equiv="refresh"`
	if !strings.Contains(shown(t, reported(), "/"), refresh) || strings.Contains(shown(t, reported(), "/?still"), refresh) {
		t.Error("the page is refreshed where it should not be, or not where it should")
	}
}

// TestTroublesAreBounded keeps the newest errors, and one that comes again and again as one.
func TestTroublesAreBounded(t *testing.T) {
	m := monitor.New(monitor.Subject{})
	for i := range 100 {
		m.Retries("source")("Query", errBroken)
		m.Retries("source")("Query", fmt.Errorf("error number %d", i))
	}
	text := words(shown(t, m, "/"))
	if !strings.Contains(text, "100 times since") || !strings.Contains(text, "error number 99") || strings.Contains(text, "error number 80 ") {
		t.Errorf("not the newest: %s", text)
	}
	if n := strings.Count(text, "error number"); n != 19 {
		t.Errorf("%d other errors are shown, want 19", n)
	}
}
