package monitor_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"migrate/internal/monitor"
)

// TestCrowdLines says every five seconds how far the whole is, and who is at work; and at once how each ended.
func TestCrowdLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		c := monitor.StartCrowd(&out, false, "2 collections", 1000, 2)
		c.Step("docs", "export", 800)
		c.Step("users", "plan", 0)
		c.Did("docs", 400)
		c.Moved(400, 4<<10)
		<-time.After(6 * time.Second)
		c.Ended("users", "failed")
		c.Step("docs", "verify", 800)
		c.Moved(1600, 4<<10)
		c.Stop()
		c.Stop()
		want := "2 collections 200/1,000 rows 4.0 KiB, 40 rows/s, 20s left\n" +
			"  docs export 400/800 rows\n" +
			"  users plan \n" +
			"users: failed\n" +
			"2 collections 1,000/1,000 rows 8.0 KiB, 166 rows/s, in 6s\n"
		if got := out.String(); got != want {
			t.Errorf("lines:\n%swant:\n%s", got, want)
		}
	})
}

// TestCrowdBars shows the whole and each at work on a terminal, and of those that have ended a line.
func TestCrowdBars(t *testing.T) {
	var out bytes.Buffer
	c := monitor.StartCrowd(&out, true, "2 collections", 1000, 1)
	c.Step("docs", "export", 800)
	c.Did("docs", 800)
	c.Moved(800, 0)
	c.Ended("docs", "done")
	c.Step("users", "export", 200)
	c.Stop()
	for _, want := range []string{"docs: done", "2 collections", "800/1,000 rows"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("shown was %q, want %q", out.String(), want)
		}
	}
}
