// Package compose drives a Docker Compose project, by running Docker's own programs and reading their JSON.
package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"migrate/internal/clock"
)

// Errors that a caller decides on.
var (
	// ErrNoProject: the folder holds no Compose file.
	ErrNoProject = errors.New("no Compose project")
	// ErrNoEnv: the project's credentials were not made yet.
	ErrNoEnv = errors.New("no .env")
	// ErrNoDocker: a program that is needed is not on this machine, or too old.
	ErrNoDocker = errors.New("no Docker with Compose 2.24 or newer")
	// ErrNoDaemon: Docker's programs are there, and its daemon does not answer.
	ErrNoDaemon = errors.New("the Docker daemon does not answer")
	// ErrOtherFolder: another folder's project has the same name, so that what is done to this one is done to that.
	ErrOtherFolder = errors.New("the containers of this name belong to another folder")
	// ErrUnhealthy: while Compose waited, a container ended or was not healthy. Docker may start it again.
	ErrUnhealthy = errors.New("not all containers are healthy")
)

// Project is a folder with Compose files and their .env.
type Project struct {
	Dir     string
	compose []string // how Compose is run: `docker compose`, or docker-compose
}

// Open finds a project and the programs that drive it.
func Open(ctx context.Context, dir string) (*Project, error) {
	if !there(dir, "compose.yaml") {
		return nil, fmt.Errorf("opening %s: %w: there is no compose.yaml", dir, ErrNoProject)
	}
	if !there(dir, ".env") {
		return nil, fmt.Errorf("opening %s: %w, which holds the credentials", dir, ErrNoEnv)
	}
	p := &Project{Dir: dir}
	return p, p.findPrograms(ctx)
}

func there(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

func (p *Project) findPrograms(ctx context.Context) error {
	if _, err := exec.LookPath("docker"); err != nil {
		return fmt.Errorf("%w: %w", ErrNoDocker, err)
	}
	for _, program := range [][]string{{"docker", "compose"}, {"docker-compose"}} {
		p.compose = program
		version, err := p.Compose(ctx, "version", "--short")
		if err == nil && recent(string(version)) {
			return nil
		}
	}
	return fmt.Errorf("%w: neither `docker compose` nor docker-compose is such", ErrNoDocker)
}

// recent tells whether a version of Compose knows !reset and !override: 2.24 does.
func recent(version string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(strings.TrimPrefix(strings.TrimSpace(version), "v"), "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 2 || major == 2 && minor >= 24
}

// Compose runs Compose on the project, and returns what it prints.
func (p *Project) Compose(ctx context.Context, args ...string) ([]byte, error) {
	return run(ctx, p.Dir, nil, slices.Concat(p.compose, args))
}

// Docker runs Docker itself.
func (p *Project) Docker(ctx context.Context, args ...string) ([]byte, error) {
	return run(ctx, p.Dir, nil, append([]string{"docker"}, args...))
}

// Up brings all services up, and waits until they are healthy. It tells out what Compose says. Its error is ErrUnhealthy as
// soon as one of them ends.
func (p *Project) Up(ctx context.Context, out io.Writer) error { return p.up(ctx, out) }

// Scale brings up as many of a service as there shall be, or ends those that are too many, and has .env remember the number,
// so that the next Up does not undo it.
func (p *Project) Scale(ctx context.Context, out io.Writer, service string, replicas int) error {
	number := strconv.Itoa(replicas)
	if err := p.up(ctx, out, "--no-recreate", "--scale", service+"="+number, service); err != nil {
		return err
	}
	return p.SetVariable(strings.ToUpper(service)+"_REPLICAS", number)
}

func (p *Project) up(ctx context.Context, out io.Writer, args ...string) error {
	_, err := run(ctx, p.Dir, out, slices.Concat(p.compose, []string{"--progress", "plain", "up", "--detach", "--wait"}, args))
	return err
}

// Metrics are what a role of Milvus says of itself, in the text format of Prometheus.
func (p *Project) Metrics(ctx context.Context, c Container) ([]byte, error) {
	return p.Docker(ctx, "exec", c.ID, "curl", "-sf", "http://localhost:9091/metrics")
}

// Down removes the containers; the data stays.
func (p *Project) Down(ctx context.Context, out io.Writer) error { return p.down(ctx, out) }

// Wipe removes the containers and the data.
func (p *Project) Wipe(ctx context.Context, out io.Writer) error {
	return p.down(ctx, out, "--volumes")
}

func (p *Project) down(ctx context.Context, out io.Writer, more ...string) error {
	down := []string{"--progress", "plain", "--profile", "*", "down", "--remove-orphans"} // what was started by its name, too
	_, err := run(ctx, p.Dir, out, slices.Concat(p.compose, down, more))
	return err
}

// run runs a program in a folder. What it says on standard error goes to out, if there is one, and else into the error.
func run(ctx context.Context, dir string, out io.Writer, args []string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := Command(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	if out != nil {
		cmd.Stderr = io.MultiWriter(out, &stderr)
	}
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err == nil:
		return stdout.Bytes(), nil
	case unreachable(stderr.String()):
		return nil, fmt.Errorf("%w: %s", ErrNoDaemon, strings.TrimSpace(stderr.String()))
	case unhealthy(stderr.String()):
		return nil, fmt.Errorf("running %s: %w: %s", strings.Join(args, " "), ErrUnhealthy, lastLines(stderr.String()))
	}
	return nil, fmt.Errorf("running %s: %w: %s", strings.Join(args, " "), err, lastLines(stderr.String()))
}

// Command is a program that is interrupted when the context ends, with all that it runs: an older docker does not pass that
// on to Compose, which would go on by itself.
func Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// unreachable recognizes what Docker says where its daemon does not answer, or may not be used; it has no code for that.
func unreachable(text string) bool {
	for _, said := range []string{"Cannot connect to the Docker daemon", "permission denied while trying to connect to the Docker", "failed to connect to the docker API"} {
		if strings.Contains(text, said) {
			return true
		}
	}
	return false
}

// unhealthy recognizes what Compose says where a container that it waits for does not become healthy.
func unhealthy(text string) bool {
	last := lastLines(text)
	return strings.HasSuffix(last, " is unhealthy") || exited.MatchString(last)
}

var exited = regexp.MustCompile(`container \S+ exited \(\d+\)$`)

// lastLines is the end of what a program said, which holds why it failed.
func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(len(lines)-5, 0):], "; ")
}

// Ending is how a container is taken away, in Docker's words.
type Ending string

// The endings.
const (
	Stop Ending = "stop" // asked to end
	Kill Ending = "kill" // as by a crash
)

// Take ends a container.
func (p *Project) Take(ctx context.Context, c Container, how Ending) error {
	return p.onContainer(ctx, string(how), c)
}

// GiveBack starts a container, and returns when it is healthy. A stop that was cut off is brought to its end first: Docker goes
// on with it, and would find that there is nothing to start yet.
func (p *Project) GiveBack(ctx context.Context, c Container) error {
	for _, verb := range []string{"stop", "start"} {
		if err := p.onContainer(ctx, verb, c); err != nil {
			return err
		}
	}
	return p.awaitHealthy(ctx, c.ID)
}

func (p *Project) onContainer(ctx context.Context, verb string, c Container) error {
	if _, err := p.Docker(ctx, verb, c.ID); err != nil {
		return fmt.Errorf("%s of %s: %w", verb, c.Name, err)
	}
	return nil
}

// awaitHealthy waits until a container is healthy.
func (p *Project) awaitHealthy(ctx context.Context, id string) error {
	for {
		health, err := p.Docker(ctx, "inspect", "--format", "{{.State.Health.Status}}", id)
		if err != nil || strings.TrimSpace(string(health)) == "healthy" {
			return err
		}
		if err := clock.Sleep(ctx, 500*time.Millisecond); err != nil {
			return fmt.Errorf("waiting for container %s to be healthy: %w", id, err)
		}
	}
}
