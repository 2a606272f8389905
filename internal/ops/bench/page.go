package bench

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/go-analyze/charts"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// HTML writes a page with the table and charts. It loads nothing from anywhere.
func (r *Report) HTML(w io.Writer) error {
	drawn, err := r.charts()
	if err != nil {
		return err
	}
	if err := page.Execute(w, map[string]any{"Report": r, "Measures": r.measures(), "Charts": drawn}); err != nil {
		return fmt.Errorf("writing the report's page: %w", err)
	}
	return nil
}

// charts draws what was measured.
func (r *Report) charts() ([]template.HTML, error) {
	wanted := []chart{r.ratesChart()}
	if r.Settings.SearchReport != nil {
		wanted = append(wanted, r.latencyChart())
	}
	var drawn []template.HTML
	for _, c := range wanted {
		svg, err := c.draw()
		if err != nil {
			return nil, fmt.Errorf("drawing %s: %w", c.title, err)
		}
		drawn = append(drawn, template.HTML(svg)) // made by the library, out of numbers and our own words
	}
	return drawn, nil
}

// chart is one or two lines over the same axis.
type chart struct {
	title, axis string
	lines       [][]float64
	names       []string // of the lines
	labels      []string // of the axis
	labelled    int      // how many of them are shown
}

const width, height = 900, 360

func (c chart) draw() ([]byte, error) {
	opt := charts.NewLineChartOptionWithData(c.lines)
	opt.Title.Text, opt.XAxis.Title = c.title, c.axis
	opt.Legend.SeriesNames = c.names
	opt.XAxis.Labels, opt.XAxis.LabelCount = c.labels, c.labelled
	opt.YAxis = []charts.YAxisOption{{Min: charts.Ptr(0.0)}}
	opt.Symbol.Shape = charts.SymbolNone
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: width, Height: height})
	if err := p.LineChart(opt); err != nil {
		return nil, err
	}
	return p.Bytes()
}

// points is how many an axis of time has.
const points = 50

// ratesChart shows the vectors a second over time. A side that was done earlier has no more of them.
func (r *Report) ratesChart() chart {
	c := chart{title: "Vectors inserted per second", axis: "seconds since the beginning", labelled: 11}
	var longest time.Duration
	for _, s := range r.Sides {
		longest = max(longest, s.Inserted.Rates[len(s.Inserted.Rates)-1].Until)
	}
	for i := range points {
		c.labels = append(c.labels, fmt.Sprintf("%.3g", (longest*time.Duration(i)/(points-1)).Seconds()))
	}
	for _, s := range r.Sides {
		var line []float64
		for i := range points {
			line = append(line, rateAt(s.Inserted.Rates, longest*time.Duration(i)/(points-1)))
		}
		c.lines, c.names = append(c.lines, line), append(c.names, s.Name)
	}
	return c
}

func rateAt(rates []Rate, t time.Duration) float64 {
	for _, r := range rates {
		if t <= r.Until {
			return r.PerSecond
		}
	}
	return charts.GetNullValue()
}

// latencyChart shows within which time a share of the searches came back.
func (r *Report) latencyChart() chart {
	c := chart{title: "Search latency in ms", axis: "percentile"}
	for _, q := range r.Sides[0].Searched.Latency.Curve {
		c.labels = append(c.labels, fmt.Sprintf("P%v", q.Percent))
	}
	c.labelled = len(c.labels)
	for _, s := range r.Sides {
		var line []float64
		for _, q := range s.Searched.Latency.Curve {
			line = append(line, q.Within.Seconds()*1000)
		}
		c.lines, c.names = append(c.lines, line), append(c.names, s.Name)
	}
	return c
}
