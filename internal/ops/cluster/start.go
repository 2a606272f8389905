package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"

	"migrate/internal/ops/compose"
)

// ErrUnfit is a machine or a configuration on which the cluster was not started.
var ErrUnfit = errors.New("the cluster was not started")

// Fit is ErrUnfit where something stands in the way.
func Fit(findings []Finding) error {
	if slices.ContainsFunc(findings, func(f Finding) bool { return f.Bad }) {
		return ErrUnfit
	}
	return nil
}

// FitThoughSmall is Fit on a machine that may be too small.
func FitThoughSmall(findings []Finding) error {
	return Fit(slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool { return f.Small }))
}

// startPatience is how long a role may go on ending before the start has failed.
const startPatience = 3 * time.Minute

// A starter brings everything up, and waits until it is healthy: any Platform is one.
type starter interface {
	Up(ctx context.Context, out io.Writer) error
}

// Start brings everything up, and waits until it is healthy. A role that ends is started again by Docker, as a query
// coordinator is that finds only root coordinators in standby; Compose gives up at the first one, and is asked again.
func Start(ctx context.Context, p starter, out io.Writer) error {
	up := func() error {
		err := p.Up(ctx, out)
		if err != nil && !errors.Is(err, compose.ErrUnhealthy) {
			return backoff.Permanent(err)
		}
		return err
	}
	tell := func(err error, pause time.Duration) {
		fmt.Fprintf(out, "%v; Docker starts what ended again: waiting for it once more in %s\n", compose.ErrUnhealthy, pause)
	}
	pauses := backoff.NewExponentialBackOff(backoff.WithInitialInterval(10*time.Second), backoff.WithMultiplier(1),
		backoff.WithRandomizationFactor(0), backoff.WithMaxElapsedTime(startPatience))
	if err := backoff.RetryNotify(up, backoff.WithContext(pauses, ctx), tell); err != nil {
		return fmt.Errorf("starting the cluster: %w", err)
	}
	return nil
}

// Stop ends every server; the data stays. compose.ErrOtherFolder where they are not this project's.
func Stop(ctx context.Context, p Platform, out io.Writer) error { return end(ctx, p, out, p.Down) }

// Wipe is Stop, and removes the data too.
func Wipe(ctx context.Context, p Platform, out io.Writer) error { return end(ctx, p, out, p.Wipe) }

func end(ctx context.Context, p Platform, out io.Writer, down func(context.Context, io.Writer) error) error {
	if _, err := p.Containers(ctx); err != nil {
		return fmt.Errorf("stopping the cluster: %w", err)
	}
	if err := down(ctx, out); err != nil {
		return fmt.Errorf("stopping the cluster: %w", err)
	}
	return nil
}
