package lab

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// inOrder does something to every part, each as soon as it is done to those that must come before it. What before
// names beside the parts given is not waited for.
func inOrder(ctx context.Context, parts []part, before func(part) []string, do func(context.Context, part) error) error {
	done := map[string]chan struct{}{}
	for _, p := range parts {
		done[p.name] = make(chan struct{})
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range parts {
		group.Go(func() error {
			if err := awaitAll(ctx, done, before(p)); err != nil {
				return err
			}
			if err := do(ctx, p); err != nil {
				return err
			}
			close(done[p.name])
			return nil
		})
	}
	return group.Wait()
}

// awaitAll waits until the channels of the names are closed.
func awaitAll(ctx context.Context, done map[string]chan struct{}, names []string) error {
	for _, name := range names {
		given, ok := done[name]
		if !ok {
			continue
		}
		select {
		case <-given:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}
