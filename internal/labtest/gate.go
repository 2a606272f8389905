package labtest

import (
	"context"
	"sync"
	"testing"
	"time"
)

// Gate holds those who come to it, so that a test strikes at an instant that it owns, and at none that it would have to hit.
type Gate struct {
	reached, opened chan struct{}
	reach, open     func()
}

// NewGate is a gate that is shut.
func NewGate() *Gate {
	g := &Gate{reached: make(chan struct{}), opened: make(chan struct{})}
	g.reach, g.open = sync.OnceFunc(func() { close(g.reached) }), sync.OnceFunc(func() { close(g.opened) })
	return g
}

// Pass returns when the gate is open, or its caller gone.
func (g *Gate) Pass(ctx context.Context) {
	g.reach()
	select {
	case <-g.opened:
	case <-ctx.Done():
	}
}

// Await waits until somebody is held.
func (g *Gate) Await(t testing.TB) {
	t.Helper()
	select {
	case <-g.reached:
	case <-time.After(Patience):
		t.Fatal("nobody came to the gate")
	}
}

// Open lets all through, from now on.
func (g *Gate) Open() { g.open() }

// Patience is how long tests wait for what is sure to happen, on a machine as slow as it may be.
const Patience = 5 * time.Minute
