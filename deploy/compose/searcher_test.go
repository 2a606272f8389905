//go:build compose

package compose

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"migrate/internal/clock"
)

// A searcher searches without a pause until it is ended.
type searcher struct {
	stop     context.CancelFunc
	running  sync.WaitGroup
	searches int
	repeated int
	failures []error
	answered time.Time     // when the last search was
	longest  time.Duration // from one answer to the next
}

// perConnection is after how many searches a client connects anew, so that new proxies get their share.
const perConnection = 20

// search starts a load on the load balancer.
func (s *stack) search() *searcher {
	ctx, stop := context.WithCancel(s.ctx)
	l := &searcher{stop: stop}
	l.running.Go(func() {
		for ctx.Err() == nil {
			l.connection(ctx, s.lb())
		}
	})
	s.t.Cleanup(func() { stop(); l.running.Wait() })
	return l
}

// connection searches a number of times on one connection.
func (l *searcher) connection(ctx context.Context, address string) {
	var c client.Client
	err := l.patiently(ctx, func() (err error) {
		c, err = client.NewClient(ctx, client.Config{Address: address})
		return err
	})
	if err != nil {
		l.count(ctx, fmt.Errorf("connecting: %w", err))
		return
	}
	defer c.Close()
	for range perConnection {
		l.count(ctx, l.patiently(ctx, func() error { return one(ctx, c) }))
		if clock.Sleep(ctx, 20*time.Millisecond) != nil {
			return
		}
	}
}

// patience is how long a client goes on asking: a channel that moves to another query node is away for a moment, and one
// whose node was killed until that node's session has run out, which takes 15 s here.
const patience = 30 * time.Second

func (l *searcher) patiently(ctx context.Context, try func() error) error {
	again := backoff.NewExponentialBackOff(backoff.WithInitialInterval(100*time.Millisecond), backoff.WithMaxInterval(2*time.Second),
		backoff.WithMaxElapsedTime(patience))
	return backoff.RetryNotify(try, backoff.WithContext(again, ctx), func(error, time.Duration) { l.repeated++ })
}

func (l *searcher) count(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil: // it was ended
	case err != nil:
		l.failures = append(l.failures, err)
	default:
		now := time.Now()
		if l.searches++; l.searches > 1 {
			l.longest = max(l.longest, now.Sub(l.answered))
		}
		l.answered = now
	}
}

func one(ctx context.Context, c client.Client) error {
	vector := make([]float32, 384)
	for i := range vector {
		vector[i] = rand.Float32()
	}
	params, err := entity.NewIndexHNSWSearchParam(64)
	if err != nil {
		return err
	}
	found, err := c.Search(ctx, collection, nil, "", nil, []entity.Vector{entity.FloatVector(vector)}, "embedding", entity.L2, 10, params)
	if err != nil {
		return err
	}
	if len(found) != 1 || found[0].ResultCount != 10 {
		return fmt.Errorf("found %v", found)
	}
	return nil
}

// end stops the load; no search may have failed for good.
func (l *searcher) end(t *testing.T) {
	l.halt()
	if l.searches == 0 || len(l.failures) > 0 {
		t.Errorf("%d searches, %d failed: %v", l.searches, len(l.failures), errors.Join(l.failures...))
	}
}

// halt stops the load, however its searches ended.
func (l *searcher) halt() {
	l.stop()
	l.running.Wait()
	if l.searches > 0 {
		l.longest = max(l.longest, time.Since(l.answered)) // it may have been waiting still
	}
	fmt.Printf("          %d searches meanwhile, %d asked again, %d failed\n", l.searches, l.repeated, len(l.failures))
}
