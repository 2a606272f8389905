package budget

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"
)

// TestBudget has no more under way than there is room for, and all of them done in the end.
func TestBudget(t *testing.T) {
	const most, all = 3, 200
	var g errgroup.Group
	var now, done atomic.Int64
	shared := New(most)
	for range all {
		g.Go(func() error {
			return shared.Do(t.Context(), func() error {
				if n := now.Add(1); n > most {
					t.Errorf("%d at once, of %d", n, most)
				}
				done.Add(1)
				now.Add(-1)
				return nil
			})
		})
	}
	if err := g.Wait(); err != nil || done.Load() != all {
		t.Errorf("%d done, %v", done.Load(), err)
	}
}

// TestBudgetEnds waits no longer than its context, and tells why that has ended.
func TestBudgetEnds(t *testing.T) {
	full, why := New(1), errors.New("ended on purpose")
	ctx, end := context.WithCancelCause(t.Context())
	err := full.Do(ctx, func() error {
		end(why)
		return full.Do(ctx, func() error { t.Error("there is no room"); return nil })
	})
	if !errors.Is(err, why) {
		t.Errorf("%v, want %v", err, why)
	}
	var none *Budget
	if err := none.Do(ctx, func() error { return nil }); err != nil {
		t.Errorf("without a bound: %v", err)
	}
}
