package bench

import (
	"time"
)

// A Report is one test of one server, or the same of two.
type Report struct {
	Made     time.Time `json:"made"`
	Settings Settings  `json:"settings"`
	Sides    []Side    `json:"sides"`
	// Agreement is the share of what the first searches found on one side that they found on the other too; there where two
	// sides were searched. An index that approximates finds other neighbours on each.
	Agreement *float64 `json:"agreement,omitempty"`
}

// Settings are what was asked for.
type Settings struct {
	Rows      int64 `json:"rows"`
	Dim       int   `json:"dim"`
	Batch     int   `json:"batch"`
	Inserters int   `json:"inserters"`
	*SearchReport
}

// SearchReport is the settings of a search test.
type SearchReport struct {
	Index   string `json:"index"`
	Width   int    `json:"ef_or_nprobe,omitempty"`
	Top     int    `json:"top"`
	Threads int    `json:"threads"`
	Queries int    `json:"queries_per_thread"`
	WarmUp  int    `json:"warm_up_per_thread"`
}

// Side is one server.
type Side struct {
	Name string `json:"name"`
	*Outcome
}

// Of describes a plan.
func NewReport(p Plan, made time.Time) *Report {
	r := &Report{Made: made, Settings: Settings{
		Rows: p.Rows, Dim: p.Vectors.Dim, Batch: p.Batch, Inserters: p.Inserters,
	}}
	if s := p.Searches; s != nil {
		r.Settings.SearchReport = &SearchReport{
			Index: s.Index.Type, Width: s.Index.Width(), Top: s.Top, Threads: s.Threads, Queries: s.Queries, WarmUp: s.WarmUp,
		}
	}
	return r
}

// Add puts a server beside those that are there.
func (r *Report) Add(name string, o *Outcome) {
	r.Sides = append(r.Sides, Side{name, o})
	if len(r.Sides) == 2 && o.Searched != nil {
		a := agreement(r.Sides[0].Searched.Answers, o.Searched.Answers)
		r.Agreement = &a
	}
}

// agreement is the share of keys in a's answers that b's answers to the same questions have too.
func agreement(a, b [][]int64) float64 {
	var all, both int
	for i := range min(len(a), len(b)) {
		in := map[int64]bool{}
		for _, key := range b[i] {
			in[key] = true
		}
		for _, key := range a[i] {
			all++
			if in[key] {
				both++
			}
		}
	}
	return float64(both) / max(float64(all), 1)
}
