package drill

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"migrate/internal/clock"
)

var errAway = errors.New("away")

// TestRecovered is the end of the last failure, or of the last time that all were held up, and not of a short pause.
func TestRecovered(t *testing.T) {
	at := func(seconds float64) time.Time {
		return time.Unix(1000, 0).Add(time.Duration(seconds * float64(time.Second)))
	}
	for title, c := range map[string]struct {
		usual            time.Duration // from one answer to the next
		failed, answered []float64
		want             time.Duration
	}{
		"nothing felt":     {0, nil, []float64{0, 0.5, 1, 1.5}, 0},
		"a failure":        {0, []float64{2}, []float64{0, 0.5, 1, 1.5}, 2 * time.Second},
		"held up":          {0, nil, []float64{0, 0.5, 8}, 8 * time.Second},
		"held up, then":    {0, []float64{9}, []float64{0, 0.5, 8}, 9 * time.Second},
		"before the stop":  {0, []float64{-3}, []float64{-6, -2, -1.5}, 0},
		"failed, held up ": {0, []float64{1}, []float64{0, 5}, 5 * time.Second},
		"slow as ever":     {1500 * time.Millisecond, nil, []float64{0, 1.5, 3, 5.5}, 0},
		"slower than that": {1500 * time.Millisecond, nil, []float64{0, 1.5, 4.75, 6}, 4750 * time.Millisecond},
	} {
		f := newFelt()
		f.expect(c.usual)
		for _, s := range c.answered {
			f.add(at(s), at(s), nil)
		}
		for _, s := range c.failed {
			f.add(at(s), at(s), errAway)
		}
		if got := f.recovered(at(0)); got != c.want {
			t.Errorf("%s: %v, want %v", title, got, c.want)
		}
	}
}

// TestAwaitWell watches the load for as long as it has to be well, however long it was so before.
func TestAwaitWell(t *testing.T) {
	for title, c := range map[string]struct {
		fails time.Duration // after so long; 0 for never
		want  time.Duration
	}{
		"well all the time": {0, 5 * time.Second},
		"a call fails":      {3 * time.Second, 8 * time.Second},
	} {
		t.Run(title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, began := &load{searched: newFelt(), inserted: newFelt()}, time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go func() {
					for clock.Sleep(ctx, 100*time.Millisecond) == nil {
						var err error
						if time.Since(began) == c.fails {
							err = errAway
						}
						l.searched.add(time.Now(), time.Now(), err)
						l.inserted.add(time.Now(), time.Now(), nil)
					}
				}()
				if err := (Plan{Settle: 5 * time.Second}).awaitWell(ctx, l); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began).Round(time.Second); took != c.want {
					t.Errorf("it took %v, want %v", took, c.want)
				}
			})
		})
	}
}
