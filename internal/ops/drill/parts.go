package drill

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"migrate/internal/ops/compose"
)

// A Part is what is taken away and given back.
type Part interface {
	String() string
	Stop(ctx context.Context) error
	Start(ctx context.Context) error
}

// Commands is a part that commands of any kind stop and start: of systemd, of Kubernetes, of a laboratory.
type Commands struct {
	StopCommand, StartCommand string // for the shell
}

func (c Commands) String() string { return c.StopCommand }

// Stop and Start run the commands, and return when they end.
func (c Commands) Stop(ctx context.Context) error  { return shell(ctx, c.StopCommand) }
func (c Commands) Start(ctx context.Context) error { return shell(ctx, c.StartCommand) }

func shell(ctx context.Context, command string) error {
	cmd := compose.Command(ctx, "sh", "-c", command)
	cmd.WaitDelay = time.Second // a command may leave a server behind that holds on to its output
	out, err := cmd.CombinedOutput()
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return fmt.Errorf("running %q: %w: %s", command, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// A Platform has the servers that a drill takes away: cluster.Platform is one.
type Platform interface {
	Containers(ctx context.Context) ([]compose.Container, error)
	// Take ends one; GiveBack starts it, and returns when it is healthy.
	Take(ctx context.Context, c compose.Container, how compose.Ending) error
	GiveBack(ctx context.Context, c compose.Container) error
}

// container is one of a platform's.
type container struct {
	platform Platform
	compose.Container
	ending compose.Ending
}

// ErrNoContainer is a part that none of the platform's servers is.
var ErrNoContainer = errors.New("no such server runs")

// Containers finds parts by their names: a service, of which the first container is taken, or a service and a number such as
// querynode-2.
func Containers(ctx context.Context, p Platform, names []string, how compose.Ending) ([]Part, error) {
	running, err := p.Containers(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(running, func(a, b compose.Container) int { return strings.Compare(a.Name, b.Name) })
	var parts []Part
	for _, name := range names {
		i := slices.IndexFunc(running, func(c compose.Container) bool {
			return c.State == "running" && (c.Service == name || c.Name == name || strings.HasSuffix(c.Name, "-"+name))
		})
		if i < 0 {
			return nil, fmt.Errorf("looking for %q in the cluster: %w", name, ErrNoContainer)
		}
		parts = append(parts, container{p, running[i], how})
	}
	return parts, nil
}

func (c container) String() string { return c.Name }

func (c container) Stop(ctx context.Context) error {
	return c.platform.Take(ctx, c.Container, c.ending)
}
func (c container) Start(ctx context.Context) error { return c.platform.GiveBack(ctx, c.Container) }
