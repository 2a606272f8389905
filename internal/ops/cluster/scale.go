package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"migrate/internal/clock"
	"migrate/internal/ops/compose"
)

// Errors that a caller decides on.
var (
	// ErrNotRunning: the cluster has to run for this.
	ErrNotRunning = errors.New("the cluster does not run")
	// ErrNotRegistered: the coordinator did not count as many in time.
	ErrNotRegistered = errors.New("its coordinator counts another number")
)

// registerTimeout bounds the wait for a coordinator, which forgets one that was stopped when its session ends.
const registerTimeout = 2 * time.Minute

// Scale changes how many there are of a component, for the next start too, and waits until its coordinator knows as many.
func Scale(ctx context.Context, p Platform, name string, replicas int, out io.Writer) error {
	if err := CheckReplicas(name, replicas); err != nil {
		return err
	}
	c, err := lookUp(name)
	if err != nil {
		return err
	}
	if err := scalable(ctx, p, c, replicas); err != nil {
		return err
	}
	if err := p.Scale(ctx, out, name, replicas); err != nil {
		return fmt.Errorf("scaling %s to %d: %w", name, replicas, err)
	}
	return awaitRegistered(ctx, p, c, replicas)
}

// scalable refuses what could not be done, before anything is.
func scalable(ctx context.Context, p Platform, c component, replicas int) error {
	services, containers, err := list(ctx, p)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(services, func(s compose.Service) bool { return s.Name == c.service })
	if i < 0 || !services[i].Scalable {
		return fmt.Errorf("scaling %s: %w: the project has none that can be scaled", c.service, ErrComponent)
	}
	if err := fits(services[i], replicas); err != nil {
		return err
	}
	if !slices.ContainsFunc(containers, func(x compose.Container) bool { return x.Service == c.coordinator && x.Healthy() }) {
		return fmt.Errorf("scaling %s: %w: no %s is healthy", c.service, ErrNotRunning, c.coordinator)
	}
	return nil
}

func awaitRegistered(ctx context.Context, p Platform, c component, replicas int) error {
	for until := time.Now().Add(registerTimeout); ; {
		known, err := registered(ctx, p, c)
		if err != nil || known == replicas {
			return err
		}
		if time.Now().After(until) {
			return fmt.Errorf("waiting for %d of %s: %w: %s counts %d", replicas, c.service, ErrNotRegistered, c.coordinator, known)
		}
		if err := clock.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

// registered is how many of a component its coordinator knows. Of several coordinators only the active one counts.
func registered(ctx context.Context, p Platform, c component) (int, error) {
	containers, err := p.Containers(ctx)
	if err != nil {
		return 0, err
	}
	m, err := ask(ctx, p, containers, c.coordinator)
	return int(m.sum(c.coordinator, c.count)), err
}
