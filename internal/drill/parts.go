package drill

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"migrate/internal/compose"
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

// container is one of a Compose project.
type container struct {
	project *compose.Project
	compose.Container
	kill bool
}

// ErrNoContainer is a part that no container of the project is.
var ErrNoContainer = errors.New("no such container runs")

// Containers finds parts by their names in a project: a service, of which the first container is taken, or a service and a
// number such as querynode-2. They are killed as by a crash where kill is said, and else asked to end.
func Containers(ctx context.Context, p *compose.Project, names []string, kill bool) ([]Part, error) {
	running, err := p.Containers(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(running, func(a, b compose.Container) int { return strings.Compare(a.Name, b.Name) })
	var parts []Part
	for _, name := range names {
		i := slices.IndexFunc(running, func(c compose.Container) bool {
			return c.State == "running" && (c.Service == name || strings.HasSuffix(c.Name, "-"+name))
		})
		if i < 0 {
			return nil, fmt.Errorf("looking for %q in the project: %w", name, ErrNoContainer)
		}
		parts = append(parts, container{p, running[i], kill})
	}
	return parts, nil
}

func (c container) String() string { return c.Name }

func (c container) Stop(ctx context.Context) error {
	verb := "stop"
	if c.kill {
		verb = "kill"
	}
	return c.docker(ctx, verb)
}

// Start starts it, and returns when it is healthy. A stop that was cut off is brought to its end first: Docker goes on with it,
// and would find that there is nothing to start yet.
func (c container) Start(ctx context.Context) error {
	for _, verb := range []string{"stop", "start"} {
		if err := c.docker(ctx, verb); err != nil {
			return err
		}
	}
	return c.project.AwaitHealthy(ctx, c.ID)
}

func (c container) docker(ctx context.Context, verb string) error {
	if _, err := c.project.Docker(ctx, verb, c.ID); err != nil {
		return fmt.Errorf("%s of %s: %w", verb, c.Name, err)
	}
	return nil
}
