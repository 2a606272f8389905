package bench

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
)

// measure is one line of the table: what was measured, and its value on each side.
type measure struct {
	What   string
	values []float64
	show   func(float64) string
}

// Cells are the values as people read them.
func (m measure) Cells() []string {
	cells := make([]string, len(m.values))
	for i, v := range m.values {
		cells[i] = m.show(v)
	}
	return cells
}

// Ratio is the second side's value in parts of the first's; empty where there are not two.
func (m measure) Ratio() string {
	if len(m.values) != 2 || m.values[0] == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", m.values[1]/m.values[0])
}

// measures are the lines of the table.
func (r *Report) measures() []measure {
	latency := func(what string, of func(Side) time.Duration) measure {
		return r.measure(what, millis, func(s Side) float64 { return of(s).Seconds() })
	}
	lines := []measure{
		r.measure("vectors/s", count, func(s Side) float64 { return s.Inserted.PerSecond }),
		r.measure("insert", seconds, func(s Side) float64 { return s.Inserted.Took.Seconds() }),
		r.measure("flush", seconds, func(s Side) float64 { return s.Inserted.Flush.Seconds() }),
		latency("batch, mean", func(s Side) time.Duration { return s.Inserted.Batches.Mean }),
		latency("batch, P50", func(s Side) time.Duration { return s.Inserted.Batches.P50 }),
		latency("batch, P95", func(s Side) time.Duration { return s.Inserted.Batches.P95 }),
		latency("batch, P99", func(s Side) time.Duration { return s.Inserted.Batches.P99 }),
		r.measure("batches refused", count, func(s Side) float64 { return float64(s.Inserted.Refused) }),
	}
	if r.Settings.SearchReport == nil {
		return lines
	}
	return append(lines,
		r.measure("index and load", seconds, func(s Side) float64 { return s.Indexed.Seconds() }),
		r.measure("searches/s", count, func(s Side) float64 { return s.Searched.PerSecond }),
		latency("search, mean", func(s Side) time.Duration { return s.Searched.Latency.Mean }),
		latency("search, P50", func(s Side) time.Duration { return s.Searched.Latency.P50 }),
		latency("search, P95", func(s Side) time.Duration { return s.Searched.Latency.P95 }),
		latency("search, P99", func(s Side) time.Duration { return s.Searched.Latency.P99 }),
		latency("search, slowest", func(s Side) time.Duration { return s.Searched.Latency.Most }),
		r.measure("searches failed", count, func(s Side) float64 { return float64(s.Searched.Failed) }),
	)
}

func (r *Report) measure(what string, show func(float64) string, of func(Side) float64) measure {
	m := measure{What: what, show: show}
	for _, s := range r.Sides {
		m.values = append(m.values, of(s))
	}
	return m
}

func count(v float64) string   { return humanize.Comma(int64(v + 0.5)) }
func seconds(v float64) string { return fmt.Sprintf("%.1f s", v) }
func millis(v float64) string  { return fmt.Sprintf("%.1f ms", v*1000) }

// Text writes the table.
func (r *Report) Text(w io.Writer) {
	for _, line := range r.Describe() {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\t"+strings.Join(r.Heads(), "\t")+"\t")
	for _, m := range r.measures() {
		cells := m.Cells()
		if len(r.Sides) == 2 {
			cells = append(cells, cmp.Or(m.Ratio(), "-"))
		}
		fmt.Fprintf(t, "%-*s\t%s\t\n", len("searches refused"), m.What, strings.Join(cells, "\t"))
	}
	t.Flush()
	for _, line := range r.Remarks() {
		fmt.Fprintln(w, line)
	}
}

// Heads are the heads of the columns.
func (r *Report) Heads() []string {
	var heads []string
	for _, s := range r.Sides {
		heads = append(heads, s.Name)
	}
	if len(heads) == 2 {
		heads = append(heads, heads[1]+"/"+heads[0])
	}
	return heads
}

// Describe says what was done, and to whom.
func (r *Report) Describe() []string {
	s := r.Settings
	lines := []string{fmt.Sprintf("insert: %s vectors of %d dimensions in batches of %s, %d at once",
		humanize.Comma(s.Rows), s.Dim, humanize.Comma(int64(s.Batch)), s.Inserters)}
	if s.SearchReport != nil {
		lines = append(lines, fmt.Sprintf("search: %d threads x %s queries, top %d, L2, %s, after %s each to warm up",
			s.Threads, humanize.Comma(int64(s.Queries)), s.Top, s.SearchReport.index(), humanize.Comma(int64(s.WarmUp))))
	}
	for _, side := range r.Sides {
		lines = append(lines, fmt.Sprintf("%s: %s, Milvus %s", side.Name, side.Address, side.Version))
	}
	return lines
}

func (s *SearchReport) index() string {
	switch s.Index {
	case "HNSW":
		return fmt.Sprintf("HNSW with ef %d", s.Width)
	case "IVF_FLAT":
		return fmt.Sprintf("IVF_FLAT with nprobe %d", s.Width)
	}
	return s.Index
}

// Remarks say what does not fit into the table.
func (r *Report) Remarks() []string {
	var lines []string
	for _, s := range r.Sides {
		lines = append(lines, fmt.Sprintf("vectors/s over time on %s: %s", s.Name, strings.Join(overTime(s.Inserted.Rates), "  ")))
	}
	if r.Agreement != nil {
		lines = append(lines, fmt.Sprintf("%.1f %% of the neighbours found on one side were found on the other", *r.Agreement*100))
	}
	for _, s := range r.Sides {
		if s.Searched != nil && s.Searched.Failure != "" {
			lines = append(lines, fmt.Sprintf("the first search that failed on %s: %s", s.Name, s.Searched.Failure))
		}
	}
	return lines
}

// tenths is how many parts of a run are shown in words.
const tenths = 10

// overTime are the rates in the tenths of a run.
func overTime(rates []Rate) []string {
	var shown []string
	for i := range tenths {
		part := rates[i*len(rates)/tenths : (i+1)*len(rates)/tenths]
		var sum float64
		for _, r := range part {
			sum += r.PerSecond
		}
		if len(part) > 0 {
			shown = append(shown, count(sum/float64(len(part))))
		}
	}
	return shown
}
