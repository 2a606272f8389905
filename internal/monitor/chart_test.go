package monitor

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"migrate/internal/syncer"
)

// samples are cycles, half a minute apart, of these lags in seconds; below zero it is not known.
func samples(lags ...int) (all []sample) {
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for i, lag := range lags {
		all = append(all, sample{at.Add(time.Duration(i) * 30 * time.Second), syncer.Report{Lag: time.Duration(lag) * time.Second}})
	}
	return all
}

// TestDrawLag draws the lag between its times, and leaves out what is not known.
func TestDrawLag(t *testing.T) {
	for name, c := range map[string]struct {
		lags            []int
		line, area, top string
	}{
		"nothing":         {nil, "", "", ""},
		"one cycle":       {[]int{5}, "", "", ""},
		"a line":          {[]int{5, 10, 0}, "M0.0 100.0L300.0 0.0L600.0 200.0", "M0.0 100.0L300.0 0.0L600.0 200.0L600.0 200L0.0 200Z", "10 s"},
		"unknown at all":  {[]int{-1, -1}, "", "", "10 s"},
		"unknown between": {[]int{10, -1, 10}, "M0.0 0.0M600.0 0.0", "M0.0 0.0L0.0 200L0.0 200ZM600.0 0.0L600.0 200L600.0 200Z", "10 s"},
		"unknown first":   {[]int{-1, 60, 30}, "M300.0 0.0L600.0 100.0", "M300.0 0.0L600.0 100.0L600.0 200L300.0 200Z", "1 min"},
	} {
		got := drawLag(samples(c.lags...), time.Now())
		if c.top == "" {
			if got != nil {
				t.Errorf("%s: %+v", name, got)
			}
			continue
		}
		if got.Line != c.line || got.Area != c.area || got.Top != c.top {
			t.Errorf("%s: %+v, want %+v", name, got, c)
		}
	}
}

// TestThin draws a day in a bounded number of points, of which none hides what was bad.
func TestThin(t *testing.T) {
	day := samples(make([]int, keptCycles)...)
	day[1001].report.Lag = time.Hour
	day[1500].report.Err = errors.New("failed")
	c := drawLag(day, time.Now())
	if n := strings.Count(c.Line, "L") + 1; n > chartPoints {
		t.Errorf("%d points", n)
	}
	if c.Top != "1 h" || len(c.Failed) != 1 {
		t.Errorf("the worst is not drawn: %s, %v", c.Top, c.Failed)
	}
}

// TestFailed shades the time in which cycles failed.
func TestFailed(t *testing.T) {
	all := samples(0, 30, 60, 0, 0)
	for _, i := range []int{0, 1, 2, 4} {
		all[i].report.Err = errors.New("failed")
	}
	want := []band{{-2, 302}, {450, 150}}
	if got := drawLag(all, time.Now()).Failed; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestRing(t *testing.T) {
	r := ring[int]{most: 3}
	for i := range 5 {
		r.add(i)
	}
	if len(r.values) != 3 || r.values[0] != 2 || r.values[2] != 4 {
		t.Errorf("%v", r.values)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 1400 * time.Millisecond: "1 s", 59600 * time.Millisecond: "1 min", 190 * time.Second: "3 min 10 s", time.Hour: "1 h",
		2*time.Hour + 5*time.Minute + time.Second: "2 h 5 min", 76 * time.Hour: "3 d 4 h",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
