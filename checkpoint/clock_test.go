package checkpoint

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"migrate/internal/clock"
	"migrate/internal/faulttable"
	"migrate/sinks"
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

// away is a store that answers nothing while it is.
type away struct {
	*sinks.Local
	now atomic.Bool
}

var errAway = errors.New("the store is away")

func (a *away) Swap(ctx context.Context, name string, old sinks.Version, data []byte) (sinks.Version, error) {
	if a.now.Load() {
		return "", errAway
	}
	return a.Local.Swap(ctx, name, old, data)
}

func (a *away) Load(ctx context.Context, name string) ([]byte, sinks.Version, error) {
	if a.now.Load() {
		return nil, "", errAway
	}
	return a.Local.Load(ctx, name)
}

// TestStoreAway for longer than a lease holds ends the job, and says that it was the store: nobody has taken the job. It is
// given back where the store has come back, and runs out by itself where it has not.
func TestStoreAway(t *testing.T) {
	for name, comesBack := range map[string]bool{"it comes back": true, "it stays away": false} {
		synctest.Test(t, func(t *testing.T) {
			local, err := sinks.NewLocal(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			sink := &away{Local: local}
			ctx, h := acquire(t, sink, fresh())
			sink.now.Store(true)
			<-ctx.Done()
			if lost := context.Cause(ctx); !errors.Is(lost, ErrExpired) || errors.Is(lost, ErrLost) {
				t.Errorf("%s: the context ended with %v", name, lost)
			}
			sink.now.Store(!comesBack)
			err = h.Suspend(t.Context(), errors.Join(h.Confirm(t.Context()), context.Canceled))
			var kept *ResumableError
			if !errors.As(err, &kept) || !errors.Is(err, ErrExpired) || errors.Is(err, ErrLost) || errors.Is(err, errAway) == comesBack {
				t.Errorf("%s: the end of the job: %v", name, err)
			}
			sink.now.Store(false)
			_, next := acquire(t, sink, fresh())
			next.Release(t.Context(), Done, nil)
		})
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
