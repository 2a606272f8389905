package checkpoint

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"migrate/internal/clock"
	"migrate/internal/labtest/faulttable"
	"migrate/sinks"
	"migrate/sinks/memory"
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
		if err := h.Update(ctx, note); err != nil || ctx.Err() != nil {
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

// TestClocksApart refuses a job that is alive to a process whose clock is an hour ahead or behind, as soon as the owner renews its
// lease; and takes over one whose owner is gone after the length of a lease.
func TestClocksApart(t *testing.T) {
	faulttable.Tried(t, "another machine's clock is an hour ahead or behind", 2, "it is refused a job that is alive, and takes over one that is not")
	for _, apart := range []time.Duration{time.Hour, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			sink, off := newSink(t), &atomic.Int64{}
			ctx, h := acquire(t, sink, fresh())
			onAnotherHost(t, h)
			off.Store(int64(apart))
			began := time.Now()
			if _, _, err := Acquire(skewed(t, off), sink, name, fresh()); !errors.Is(err, ErrHeld) || time.Since(began) > renewEvery+watchEvery {
				t.Errorf("%v apart, a job that is alive: %v after %v", apart, err, time.Since(began))
			}
			if err := h.Update(ctx, note); err != nil {
				t.Errorf("%v apart, its owner: %v", apart, err)
			}
			h.stop() // as if it had ended
			began = time.Now()
			_, next, err := Acquire(skewed(t, off), sink, name, fresh())
			if err != nil || time.Since(began) < leaseTime || time.Since(began) > leaseTime+2*watchEvery {
				t.Fatalf("%v apart, a job whose owner is gone: %v after %v", apart, err, time.Since(began))
			}
			if err := h.Update(t.Context(), note); !errors.Is(err, ErrLost) {
				t.Errorf("%v apart, a write of the owner before: %v", apart, err)
			}
			next.Release(t.Context(), Done, nil)
		})
	}
}

// TestLastSeen takes the store's word for how long a job was left, where the clock of who resumes it is behind.
func TestLastSeen(t *testing.T) {
	sink, off := newSink(t), &atomic.Int64{}
	ctx, h := acquire(t, sink, fresh())
	if err := h.Update(ctx, note); err != nil {
		t.Fatal(err)
	}
	if err := h.Release(ctx, Interrupted, nil); err != nil {
		t.Fatal(err)
	}
	left := time.Now().Add(-5 * time.Hour)
	local, _ := sinks.As[*sinks.Local](sink)
	if err := os.Chtimes(strings.TrimPrefix(local.URL(Object(name)), "file://"), left, left); err != nil {
		t.Fatal(err)
	}
	off.Store(int64(-5 * time.Hour))
	_, next, err := Acquire(skewed(t, off), sink, name, fresh())
	if err != nil {
		t.Fatal(err)
	}
	defer next.Release(t.Context(), Done, nil)
	if idle := time.Now().Add(-5 * time.Hour).Sub(next.LastSeen); idle < 4*time.Hour+59*time.Minute || idle > 5*time.Hour+time.Minute {
		t.Errorf("left for %v by its clock", idle)
	}
}

// TestRemoveWatches removes no job whose owner lives, whatever the clock says.
func TestRemoveWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink, off := newSink(t), &atomic.Int64{}
		_, h := acquire(t, sink, fresh())
		onAnotherHost(t, h)
		off.Store(int64(time.Hour))
		if err := Remove(skewed(t, off), sink, "docs"); !errors.Is(err, ErrHeld) {
			t.Errorf("removing a job that is alive: %v", err)
		}
		if err := h.Release(t.Context(), Interrupted, nil); err != nil {
			t.Fatal(err)
		}
		if err := Remove(skewed(t, off), sink, "docs"); err != nil {
			t.Errorf("removing a job that nobody has: %v", err)
		}
	})
}

// onAnotherHost has a job be owned by a process of another machine, of which nothing can be seen from here.
func onAnotherHost(t *testing.T, h *Holder) {
	t.Helper()
	if err := h.Update(t.Context(), func(j *Job) { j.Lease.Owner.Host = "another" }); err != nil {
		t.Fatal(err)
	}
}

// note is a change of the document.
func note(j *Job) { j.Error = "noted" }

// hung is a store that takes writes and never answers.
type hung struct {
	*memory.Sink
	now atomic.Bool
}

func (s *hung) Swap(ctx context.Context, name string, old sinks.Version, data []byte) (sinks.Version, error) {
	if s.now.Load() {
		<-ctx.Done()
		return "", context.Cause(ctx)
	}
	return s.Sink.Swap(ctx, name, old, data)
}

// TestStoreHangs: a store that does not answer ends the job as soon as its lease has run out.
func TestStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &hung{Sink: &memory.Sink{}}
		ctx, h := acquire(t, sink, fresh())
		sink.now.Store(true)
		began := time.Now()
		select {
		case <-ctx.Done():
		case <-time.After(time.Hour):
		}
		if took := time.Since(began); !errors.Is(context.Cause(ctx), ErrExpired) || took > leaseTime+countEvery {
			t.Errorf("after %v: %v", took, context.Cause(ctx))
		}
		sink.now.Store(false)
		release(t, h, Failed)
	})
}
