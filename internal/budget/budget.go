// Package budget bounds work of which several jobs do some, so that a server's limits hold for all of them together.
package budget

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// Budget is how much of one kind of work may be under way at once. A nil one has no bound.
type Budget struct{ free *semaphore.Weighted }

// New is a budget of so many at once.
func New(most int) *Budget { return &Budget{semaphore.NewWeighted(int64(most))} }

// Do does one of them, when there is room for it. It fails with the cause of the context where that ends before. What it does must
// not ask the same budget for more.
func (b *Budget) Do(ctx context.Context, one func() error) error {
	if b == nil {
		return one()
	}
	if err := b.free.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer b.free.Release(1)
	return one()
}
