package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"migrate/internal/compose"
)

// ErrUnfit is a machine or a configuration on which the cluster was not started.
var ErrUnfit = errors.New("the cluster was not started")

// Look holds the project against the machine of its engine.
func Look(ctx context.Context, p *compose.Project) ([]Finding, error) {
	engine, err := p.Engine(ctx)
	if err != nil {
		return nil, err
	}
	services, err := p.Services(ctx)
	if err != nil {
		return nil, err
	}
	own, err := p.Containers(ctx)
	if err != nil {
		return nil, err
	}
	return append(Check(machineOf(engine), services, own), otherProjects(p.Dir, own)...), nil
}

// otherProjects finds containers of another folder's project with the same name: starting this one would replace them.
func otherProjects(dir string, own []compose.Container) []Finding {
	here, err := filepath.Abs(dir)
	for _, c := range own {
		if err == nil && c.Dir() != "" && c.Dir() != here {
			return []Finding{{What: "project", Found: "one of the same name belongs to " + c.Dir() + "; set COMPOSE_PROJECT_NAME in .env", Bad: true}}
		}
	}
	return nil
}

// Fit is ErrUnfit where something stands in the way; with force a machine that is too small does not.
func Fit(findings []Finding, force bool) error {
	if slices.ContainsFunc(findings, func(f Finding) bool { return f.Bad && !(f.Small && force) }) {
		return ErrUnfit
	}
	return nil
}

// Start brings everything up, and waits until it is healthy.
func Start(ctx context.Context, p *compose.Project, out io.Writer) error {
	if err := p.Up(ctx, out); err != nil {
		return fmt.Errorf("starting the cluster: %w", err)
	}
	return nil
}

// Stop ends every container. The data stays, unless wipe is said.
func Stop(ctx context.Context, p *compose.Project, out io.Writer, wipe bool) error {
	if err := p.Down(ctx, out, wipe); err != nil {
		return fmt.Errorf("stopping the cluster: %w", err)
	}
	return nil
}
