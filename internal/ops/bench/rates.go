package bench

import (
	"time"
)

// A Rate is the rows a second over a stretch of time that ends so long after the beginning.
type Rate struct {
	Until     time.Duration `json:"until_ns"`
	PerSecond float64       `json:"per_second"`
}

// stretches is how many a run is cut into.
const stretches = 50

// span is the time of one call, from the beginning on, and the rows that it brought.
type span struct {
	began, ended time.Duration
	rows         int
}

// rates cut a run into stretches. The rows of a call are shared out evenly over its time, so that a stretch shorter than a
// call is neither empty nor doubly full.
func rates(spans []span) []Rate {
	var end time.Duration
	for _, s := range spans {
		end = max(end, s.ended)
	}
	if end == 0 {
		return nil
	}
	found := make([]Rate, stretches)
	for i := range found {
		from, to := end*time.Duration(i)/stretches, end*time.Duration(i+1)/stretches
		found[i] = Rate{Until: to, PerSecond: rowsIn(spans, from, to) / (to - from).Seconds()}
	}
	return found
}

func rowsIn(spans []span, from, to time.Duration) float64 {
	var rows float64
	for _, s := range spans {
		if within := min(s.ended, to) - max(s.began, from); within > 0 {
			rows += float64(s.rows) * float64(within) / float64(s.ended-s.began)
		}
	}
	return rows
}
