package drill

import (
	"sync"
	"time"

	"migrate/internal/ops/bench"
)

// A Phase is what the calls of one kind were like for a while.
type Phase struct {
	Calls   int64         `json:"calls"`
	Failed  int64         `json:"failed"`
	Failure string        `json:"failure,omitempty"` // the first
	Latency bench.Latency `json:"latency"`           // of those that were answered
	Gap     time.Duration `json:"longest_gap_ns"`    // the longest time without an answer
}

// felt is what clients feel of one kind of call; each of its phases begins where the last one ended.
type felt struct {
	mu          sync.Mutex
	phase       Phase
	calls       bench.Calls
	lastGood    time.Time
	lastFailure time.Time // when the last failed call ended
	lastHeldUp  time.Time // when the last answer came that was waited for too long
	heldUp      time.Duration
}

// leastHeldUp is how long a load that is well goes without an answer at most, unless its calls take longer than that.
const leastHeldUp = time.Second

func newFelt() *felt { return &felt{calls: bench.NewCalls(), heldUp: leastHeldUp} }

// expect takes the longest time without an answer while all was well.
func (f *felt) expect(gap time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heldUp = max(leastHeldUp, 2*gap)
}

// add counts one call.
func (f *felt) add(began, ended time.Time, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.phase.Calls++
	if err != nil {
		f.phase.Failed++
		f.lastFailure = ended
		if f.phase.Failure == "" {
			f.phase.Failure = err.Error()
		}
		return
	}
	f.calls.Add(ended.Sub(began))
	f.gap(ended)
	f.lastGood = ended
}

func (f *felt) gap(now time.Time) {
	if f.lastGood.IsZero() {
		return
	}
	length := now.Sub(f.lastGood)
	f.phase.Gap = max(f.phase.Gap, length)
	if length > f.heldUp {
		f.lastHeldUp = now
	}
}

// next ends a phase. A gap that still lasts counts to both.
func (f *felt) next(now time.Time) Phase {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gap(now)
	done := f.phase
	done.Latency = f.calls.Latency()
	f.phase, f.calls = Phase{}, bench.NewCalls()
	return done
}

// wellFor is for how long no call has failed, and calls have been answered at all.
func (f *felt) wellFor(now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.lastGood) > 2*f.heldUp {
		return 0
	}
	return now.Sub(f.lastFailure)
}

// recovered is how long after an instant the last call failed, or the last answer came for which all had been held up; 0
// where neither was.
func (f *felt) recovered(since time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	last := f.lastFailure
	if f.lastHeldUp.After(last) {
		last = f.lastHeldUp
	}
	return max(last.Sub(since), 0)
}
