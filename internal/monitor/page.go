package monitor

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"migrate/internal/syncer"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

var page = template.Must(template.New("page").Parse(pageText))

// policy lets the page have its own style, and nothing else: no script, no font, no picture, no frame around it.
var policy = fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", digest(pageStyle))

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// refreshEvery is how often the page is asked for again, in seconds.
const refreshEvery = 10

// servePage answers with the page; /?still is one that stays as it is.
func (m *Monitor) servePage(opts Options) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := m.view(time.Now())
		v.Pprof, v.Still = opts.Pprof, r.URL.Query().Has("still")
		var text bytes.Buffer
		if err := page.Execute(&text, v); err != nil {
			slog.ErrorContext(r.Context(), "making the status page", "error", err)
			http.Error(w, "the page could not be made", http.StatusInternalServerError)
			return
		}
		for name, value := range map[string]string{
			"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy, "Cache-Control": "no-store",
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			w.Header().Set(name, value)
		}
		_, _ = w.Write(text.Bytes()) // to a browser that has gone
	}
}

// view is the page in words.
type view struct {
	Subject
	Direction   string // of the last cycle
	From, To    string // the servers' addresses, as rows go
	State, Mood string // in words, and good, fair, bad or calm
	Error       string // that ended the last cycle
	Figures     []figure
	Steps       []bar
	Jobs        string
	Collections []collection
	Compared    *bar // how many ranges were compared at least once
	Lag         *chart
	Cycles      []row
	Troubles    []trouble
	Foot        []string

	Style        template.CSS
	RefreshEvery int
	Still, Pprof bool
	now          time.Time
}

// figure is one number that stands large.
type figure struct{ Name, Value, Note string }

// bar is how far something is.
type bar struct {
	Name, Text string
	Share      float64
	Ended      bool
}

// row is one cycle.
type row struct {
	Cycle                                            int64
	At, Lag, Took                                    string
	Ranges                                           int
	Read, Inserted, Changed, Deleted, Passed, Result string
	Failed                                           bool
}

// shownCycles are the newest ones.
const shownCycles = 10

func (m *Monitor) view(now time.Time) view {
	lag := m.lag()
	m.mu.Lock()
	defer m.mu.Unlock()
	v := view{
		Subject: m.subject, Style: template.CSS(pageStyle), RefreshEvery: refreshEvery, now: now,
		Figures: m.figures(lag, now), Steps: bars(m.steps), Jobs: jobsInWords(m.jobs), Lag: drawLag(m.history.values, now),
		Cycles: rows(m.history.values, now), Troubles: newestFirst(m.troubles.values), Foot: m.foot(now),
	}
	v.Collections = slices.Clone(m.collections)
	v.State, v.Mood = m.state(lag)
	v.Direction, v.From, v.To = m.last.Direction, m.subject.Source, m.subject.Target
	if p := m.last.Position; p != nil && p.Serving.Is(syncer.Target) {
		v.From, v.To = v.To, v.From
	}
	if m.last.Err != nil {
		v.Error = m.last.Err.Error()
	}
	if p := m.last.Position; p != nil && len(p.Ranges) > 0 {
		v.Compared = compared(p.Ranges)
	}
	return v
}

// state says in two or three words how the move stands.
func (m *Monitor) state(lag float64) (words, mood string) {
	switch {
	case m.last.Cycle == 0 && waiting(m.last, m.steps) != "":
		return under(m.steps).name + " under way", "calm"
	case len(m.collections) > 0:
		return fmt.Sprintf("moving %d collections", len(m.collections)), "calm"
	case m.last.Cycle == 0 && len(m.steps) == 0:
		return "starting", "calm"
	case m.last.Cycle == 0:
		return "in its first cycle", "calm"
	case m.last.Err != nil:
		return "last cycle failed", "bad"
	case m.tryingAgain():
		return "trying again", "fair"
	case m.last.InStep:
		return "in step" + m.last.Position.But(), "good"
	case lag < 0:
		return "comparing for the first time", "calm"
	}
	return "following", "fair"
}

func (m *Monitor) figures(lag float64, now time.Time) []figure {
	p := m.last.Position
	if p == nil {
		return nil
	}
	return []figure{
		lagFigure(lag),
		inStepFigure(p.InStep, now),
		{"Rows applied", thousands(p.Upserted + p.Deleted), thousands(p.Upserted) + " upserted, " + thousands(p.Deleted) + " deleted"},
		{"Ranges that differ", thousands(int64(m.last.Hot)), "of " + thousands(int64(len(p.Ranges))) + ", when last compared"},
		{"Differences passed", thousands(p.Passed), "gone at the second look"},
		{"Duplicate keys", thousands(m.last.Duplicates), "on the side that serves"},
	}
}

func lagFigure(lag float64) figure {
	if lag < 0 {
		return figure{"Lag", "unknown", "until all was compared"}
	}
	return figure{"Lag", span(time.Duration(lag * float64(time.Second))), "at most, now"}
}

func inStepFigure(at, now time.Time) figure {
	if at.IsZero() {
		return figure{"Proved equal", "never yet", ""}
	}
	return figure{"Proved equal", span(now.Sub(at)), "ago, at " + clock(at.In(now.Location()), now)}
}

// compared tells how many ranges were compared at least once.
func compared(ranges []syncer.SyncRange) *bar {
	n := 0
	for _, r := range ranges {
		if r.Cycle > 0 {
			n++
		}
	}
	return &bar{
		Name: "Ranges compared", Text: fmt.Sprintf("%s of %s", thousands(int64(n)), thousands(int64(len(ranges)))),
		Share: float64(n) / float64(len(ranges)), Ended: n == len(ranges),
	}
}

// bars are the steps before the sync, which has no end to come nearer to.
func bars(steps []step) (shown []bar) {
	for _, s := range steps {
		if s.name == Syncing {
			continue
		}
		b := bar{Name: s.name, Text: s.inWords(), Share: s.share(), Ended: !s.ended.IsZero()}
		if b.Ended {
			b.Text, b.Share = s.result(), 1
		}
		shown = append(shown, b)
	}
	return shown
}

func jobsInWords(jobs map[int64]string) string {
	if len(jobs) == 0 {
		return ""
	}
	by := map[string]int{}
	for _, state := range jobs {
		by[state]++
	}
	var words []string
	for _, state := range slices.Sorted(maps.Keys(by)) {
		words = append(words, fmt.Sprintf("%d %s", by[state], state))
	}
	return strings.Join(words, ", ")
}

// rows are the newest cycles, the newest first.
func rows(samples []sample, now time.Time) (shown []row) {
	for _, s := range newestFirst(samples[max(len(samples)-shownCycles, 0):]) {
		r := s.report
		shown = append(shown, row{
			Cycle: r.Cycle, At: clock(s.at, now), Lag: lagInWords(r.Lag), Took: brief(r.Took), Ranges: r.Ranges, Read: thousands(r.Read),
			Inserted: thousands(r.Inserted), Changed: thousands(r.Changed), Deleted: thousands(r.Deleted), Passed: thousands(r.Passed),
			Result: resultInWords(r), Failed: r.Err != nil,
		})
	}
	return shown
}

func lagInWords(lag time.Duration) string {
	if lag < 0 {
		return "unknown"
	}
	return brief(lag)
}

func resultInWords(r syncer.Report) string {
	switch {
	case r.Err != nil:
		return "failed"
	case r.InStep:
		return "in step" + r.Position.But() + told(r)
	}
	return "ok" + told(r)
}

// told says where nothing was compared, since the source told what was written.
func told(r syncer.Report) string {
	if r.By == "" {
		return ""
	}
	return ", told by the " + r.By
}

func newestFirst[T any](values []T) []T {
	turned := slices.Clone(values)
	slices.Reverse(turned)
	return turned
}

func (m *Monitor) foot(now time.Time) []string {
	words := []string{fmt.Sprintf("this process has run for %s", span(now.Sub(m.began)))}
	if m.ok+m.failed > 0 {
		words = append(words, fmt.Sprintf("%s of it ended well, %s did not", plural(int64(m.ok), "cycle"), thousands(int64(m.failed))),
			fmt.Sprintf("the last ended %s ago", span(now.Sub(m.ended))))
	}
	return append(words, "seen at "+now.Format("2 Jan 2006 15:04:05 MST"))
}

// Clock is a time in the page's words.
func (v view) Clock(t time.Time) string { return clock(t, v.now) }
