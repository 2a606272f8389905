package monitor

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// chart is the lag over time as the page draws it: paths in a box of chartWidth by chartHeight, with zero at the bottom.
type chart struct {
	Width, Height int
	Half          int    // of the height
	Line, Area    string // SVG paths
	Failed        []band // where cycles failed
	Top, Middle   string // what the upper edge and the middle stand for
	From, Until   string
	InWords       string
}

// band is a part of the chart, from top to bottom.
type band struct{ From, Width float64 }

const (
	chartWidth  = 600
	chartHeight = 200
	chartPoints = 300 // at most: cycles between two of them are drawn as the worst of them
)

// tops are what the upper edge may stand for, so that it and its half are round.
var tops = []time.Duration{
	10 * time.Second, 20 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 10 * time.Minute, 20 * time.Minute, time.Hour,
	2 * time.Hour, 4 * time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour, 96 * time.Hour, 10 * 24 * time.Hour, 30 * 24 * time.Hour,
}

// drawLag draws what the cycles said of the lag; nil where that is less than a line.
func drawLag(samples []sample, now time.Time) *chart {
	points := thin(samples)
	if len(points) < 2 {
		return nil
	}
	from, until := points[0].at, points[len(points)-1].at
	worst := worstLag(points)
	top := topFor(worst)
	c := &chart{
		Width: chartWidth, Height: chartHeight, Half: chartHeight / 2, Top: span(top), Middle: span(top / 2), From: clock(from, now), Until: clock(until, now),
		InWords: fmt.Sprintf("Lag from %s to %s, %s at most", clock(from, now), clock(until, now), span(worst)),
	}
	x := func(at time.Time) float64 { return share(at.Sub(from), until.Sub(from)) * chartWidth }
	y := func(lag time.Duration) float64 { return (1 - share(lag, top)) * chartHeight }
	for _, stretch := range known(points) {
		c.Line += path(stretch, x, y)
		c.Area += area(stretch, x, y)
	}
	for i, p := range points {
		if p.report.Err != nil {
			c.Failed = shade(c.Failed, x(points[max(i-1, 0)].at), x(p.at))
		}
	}
	return c
}

// leastBand is a width that can be seen.
const leastBand = 2

// shade adds the time between the end of a cycle and that of the next to bands that are in order.
func shade(bands []band, from, until float64) []band {
	if n := len(bands); n > 0 && bands[n-1].From+bands[n-1].Width >= from-0.1 {
		bands[n-1].Width = round(until - bands[n-1].From)
		return bands
	}
	width := max(until-from, leastBand)
	return append(bands, band{round(until - width), round(width)})
}

func round(x float64) float64 { return math.Round(x*10) / 10 }

func share(part, whole time.Duration) float64 { return min(float64(part)/float64(max(whole, 1)), 1) }

func worstLag(samples []sample) (worst time.Duration) {
	for _, s := range samples {
		worst = max(worst, s.report.Lag)
	}
	return worst
}

func topFor(worst time.Duration) time.Duration {
	for _, top := range tops {
		if worst <= top {
			return top
		}
	}
	return worst
}

// thin leaves the worst of each few samples: a cycle that failed, then the longest lag.
func thin(samples []sample) []sample {
	each := (len(samples) + chartPoints - 1) / chartPoints
	var points []sample
	for i, s := range samples {
		if i%each == 0 {
			points = append(points, s)
		} else if last := &points[len(points)-1]; worse(s, *last) {
			*last = s
		}
	}
	return points
}

func worse(a, b sample) bool {
	if failed := a.report.Err != nil; failed != (b.report.Err != nil) {
		return failed
	}
	return a.report.Lag > b.report.Lag
}

// known cuts samples into stretches whose lag is known.
func known(samples []sample) (stretches [][]sample) {
	open := false
	for _, s := range samples {
		if s.report.Lag < 0 {
			open = false
			continue
		}
		if !open {
			stretches = append(stretches, nil)
			open = true
		}
		last := len(stretches) - 1
		stretches[last] = append(stretches[last], s)
	}
	return stretches
}

// path is a line through samples, in the words of SVG.
func path(samples []sample, x func(time.Time) float64, y func(time.Duration) float64) string {
	var b strings.Builder
	for i, s := range samples {
		command := "L"
		if i == 0 {
			command = "M"
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", command, x(s.at), y(s.report.Lag))
	}
	return b.String()
}

// area is what lies below the line.
func area(samples []sample, x func(time.Time) float64, y func(time.Duration) float64) string {
	return fmt.Sprintf("%sL%.1f %dL%.1f %dZ", path(samples, x, y), x(samples[len(samples)-1].at), chartHeight, x(samples[0].at), chartHeight)
}
