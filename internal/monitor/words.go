package monitor

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
)

func thousands(n int64) string { return humanize.Comma(n) }

// span is a time in the two units that matter: "42 s", "3 min 10 s", "2 h 5 min", "3 d 4 h".
func span(d time.Duration) string {
	d = d.Round(time.Second)
	for _, unit := range []struct {
		size, next time.Duration
		name, less string
	}{
		{24 * time.Hour, time.Hour, "d", "h"}, {time.Hour, time.Minute, "h", "min"}, {time.Minute, time.Second, "min", "s"},
	} {
		if d < unit.size {
			continue
		}
		text := fmt.Sprintf("%d %s", d/unit.size, unit.name)
		if rest := d % unit.size / unit.next; rest > 0 {
			text += fmt.Sprintf(" %d %s", rest, unit.less)
		}
		return text
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// brief is a short time to a tenth of a second, and a longer one as span.
func brief(d time.Duration) string {
	if d >= time.Minute {
		return span(d)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// clock is a time of day, with the day where it is another than now's.
func clock(t, now time.Time) string {
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("2 Jan 15:04")
}

// plural is "1 row" or "2,000 rows".
func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + what + "s"
}
