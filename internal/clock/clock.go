// Package clock is the time of day, which a test can move, and waiting that ends with its context.
package clock

import (
	"context"
	"time"
)

type nowKey struct{}

// With returns a context with a wall clock of its own, for tests that move it.
func With(ctx context.Context, now func() time.Time) context.Context {
	return context.WithValue(ctx, nowKey{}, now)
}

// Now is the time by the context's wall clock, which is the machine's unless With gave it another.
func Now(ctx context.Context) time.Time {
	if now, ok := ctx.Value(nowKey{}).(func() time.Time); ok {
		return now()
	}
	return time.Now()
}

// Sleep waits for d, or returns the context's error as soon as it ends.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
