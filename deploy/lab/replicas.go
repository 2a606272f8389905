package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"

	"migrate/internal/ops/cluster"
)

// replicas are how many there should be of each role that can be scaled.
type replicas map[string]int

// usual is what a lab has that was never scaled.
func usual() replicas { return replicas{"datanode": 2, "querynode": 2, "indexnode": 1, "proxy": 2} }

// includes tells whether the part is among those that should run.
func (r replicas) includes(p part) bool {
	return !p.optional && (p.number == 0 || p.number <= r[p.role])
}

func (l *Lab) replicasPath() string { return l.path("config", "replicas.json") }

// replicas reads how many there should be, which Scale has noted.
func (l *Lab) replicas() (replicas, error) {
	r := usual()
	text, err := os.ReadFile(l.replicasPath())
	if errors.Is(err, os.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the lab's numbers of replicas: %w", err)
	}
	return r, nil
}

// Scale starts replicas of a role of the cluster, or stops the last ones, until there are as many, and has Up keep to that
// number. cluster.ErrComponent where there can't be so many.
func (l *Lab) Scale(ctx context.Context, role string, number int) error {
	if _, known := usual()[role]; !known || number < 1 || number > MostReplicas {
		return fmt.Errorf("%w: the lab has ports for 1 to %d of datanode, querynode, indexnode and proxy", cluster.ErrComponent, MostReplicas)
	}
	unlock, err := lockFile(ctx, l.path("run", "replicas.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	r, err := l.replicas()
	if err != nil {
		return err
	}
	r[role] = number
	g, inParallel := errgroup.WithContext(ctx)
	for _, p := range l.parts {
		switch {
		case p.role != role:
		case r.includes(p):
			g.Go(func() error { return l.Start(inParallel, p.name) })
		default:
			g.Go(func() error { return l.stop(inParallel, p) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return l.noteReplicas(r)
}

func (l *Lab) noteReplicas(r replicas) error {
	text, err := json.Marshal(r)
	if err == nil {
		err = writeFile(l.replicasPath(), string(text))
	}
	if err != nil {
		return fmt.Errorf("noting how many replicas there should be: %w", err)
	}
	return nil
}
