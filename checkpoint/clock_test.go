package checkpoint

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"migrate/internal/clock"
	"migrate/internal/faulttable"
)

// skewed is a context whose wall clock is off by what is stored in by, now and later.
func skewed(t *testing.T, by *atomic.Int64) context.Context {
	return clock.With(t.Context(), func() time.Time { return time.Now().Round(0).Add(time.Duration(by.Load())) })
}

// TestClockJumps of the owner itself take nothing from it as long as nobody else has taken the job.
func TestClockJumps(t *testing.T) {
	faulttable.Tried(t, "the owner's clock jumps by an hour", 2, "the job goes on")
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		sink, off := newSink(t), &atomic.Int64{}
		ctx, h, err := Acquire(skewed(t, off), sink, name, fresh())
		if err != nil {
			t.Fatal(err)
		}
		off.Store(int64(jump))
		if err := h.StillOwner(ctx); err != nil {
			t.Errorf("after a jump by %v: %v", jump, err)
		}
		if err := h.Update(ctx, onePart); err != nil || ctx.Err() != nil {
			t.Errorf("a write after a jump by %v: %v, %v", jump, err, ctx.Err())
		}
		if err := h.Release(ctx, Done, nil); err != nil {
			t.Error(err)
		}
	}
}

// TestClockAhead lets a process take over a job that is alive, since its clock says that the lease has run out. The owner
// is fenced, as by any other.
func TestClockAhead(t *testing.T) {
	faulttable.Tried(t, "another machine's clock is an hour ahead", 1, "it takes the job over, and the owner before is fenced")
	sink, off := newSink(t), &atomic.Int64{}
	ctx, h := acquire(t, sink, fresh())
	off.Store(int64(time.Hour))
	_, next, err := Acquire(skewed(t, off), sink, name, fresh())
	if err != nil {
		t.Fatal(err)
	}
	defer next.Release(t.Context(), Done, nil)
	if err := h.Update(ctx, onePart); !errors.Is(err, ErrLost) {
		t.Errorf("a write of the owner before: %v", err)
	}
	h.Release(ctx, Failed, ErrLost)
	if j, err := Read(t.Context(), sink, name); err != nil || len(j.Parts) != 0 {
		t.Errorf("the document: %+v, %v", j, err)
	}
}

// TestClockBehind has a process wait longer for a lease than it holds, and says why.
func TestClockBehind(t *testing.T) {
	faulttable.Tried(t, "another machine's clock is an hour behind", 1, "refused, and told why")
	sink, off := newSink(t), &atomic.Int64{}
	_, h := acquire(t, sink, fresh())
	defer h.Release(t.Context(), Done, nil)
	off.Store(int64(-time.Hour))
	_, _, err := Acquire(skewed(t, off), sink, name, fresh())
	if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "clock is 1h0m0s") && !strings.Contains(err.Error(), "clock is 59m59s") {
		t.Errorf("a second owner: %v", err)
	}
}
