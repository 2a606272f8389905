// Package engine runs a Docker engine of its own, beside any that the machine may have: what it keeps lies in one folder,
// it listens on a socket there, and it ends with the one who started it.
package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// An Engine is a Docker engine that runs.
type Engine struct {
	socket string
	daemon *exec.Cmd
	ended  chan error // what the daemon ended with
}

// startTimeout bounds how long the engine may take from its start to its first answer.
const startTimeout = time.Minute

// Install makes sure that the machine has what an engine and its images take, by Debian's packages where it does not.
func Install(ctx context.Context) error {
	var missing []string
	for program, pack := range map[string]string{
		"dockerd": "docker.io", "docker": "docker.io", "iptables": "iptables", "debootstrap": "debootstrap", "tc": "iproute2",
	} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, pack)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("a Docker engine takes root, and %s", strings.Join(missing, ", "))
	}
	for _, args := range [][]string{{"update"}, append([]string{"install", "-y", "--no-install-recommends"}, missing...)} {
		if out, err := exec.CommandContext(ctx, "apt-get", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("running apt-get %s: %w: %s", args[0], err, lastLine(out))
		}
	}
	return nil
}

// Start starts an engine that keeps everything in dir, and returns when it answers. It takes root.
func Start(ctx context.Context, dir string) (*Engine, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the engine's folder: %w", err)
	}
	socket := filepath.Join(dir, "docker.sock")
	if other, err := net.Dial("unix", socket); err == nil {
		other.Close()
		return nil, fmt.Errorf("starting a Docker engine: one answers at %s already; end it by kill $(cat %s)", socket, filepath.Join(dir, "docker.pid"))
	}
	log, err := os.Create(filepath.Join(dir, "dockerd.log"))
	if err != nil {
		return nil, fmt.Errorf("opening the engine's log: %w", err)
	}
	defer log.Close()
	e := &Engine{socket: "unix://" + socket, ended: make(chan error, 1)}
	e.daemon = exec.Command("dockerd", "--host", e.socket, "--data-root", filepath.Join(dir, "data"),
		"--exec-root", filepath.Join(dir, "exec"), "--pidfile", filepath.Join(dir, "docker.pid"))
	e.daemon.Stdout, e.daemon.Stderr = log, log
	e.daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a Ctrl-C is for the one who started it, who then stops it
	if err := e.daemon.Start(); err != nil {
		return nil, fmt.Errorf("starting dockerd: %w", err)
	}
	go func() { e.ended <- e.daemon.Wait() }()
	if err := e.awaitAnswer(ctx); err != nil {
		e.daemon.Process.Kill() // it has no container yet
		said, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("starting dockerd, whose log is %s: %w: %s", log.Name(), err, lastLine(said))
	}
	return e, nil
}

func lastLine(text []byte) []byte {
	text = bytes.TrimSpace(text)
	return text[bytes.LastIndexByte(text, '\n')+1:]
}

func (e *Engine) awaitAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		_, err := e.Docker(ctx, nil, "version")
		if err == nil {
			return nil
		}
		select {
		case ended := <-e.ended:
			return fmt.Errorf("it ended: %v", ended)
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Stop ends the engine, and before it whatever still runs in it.
func (e *Engine) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := errors.Join(e.removeContainers(ctx), e.daemon.Process.Signal(syscall.SIGTERM)); err != nil {
		return fmt.Errorf("ending dockerd: %w", err)
	}
	select {
	case err := <-e.ended:
		if err != nil {
			return fmt.Errorf("ending dockerd: %w", err)
		}
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New("dockerd did not end within a minute, and was killed"), e.daemon.Process.Kill())
	}
}

// removeContainers kills them: dockerd itself would ask each to end, and wait as long as that may take.
func (e *Engine) removeContainers(ctx context.Context) error {
	running, err := e.Docker(ctx, nil, "ps", "--all", "--quiet")
	if err != nil || running == "" {
		return err
	}
	_, err = e.Docker(ctx, nil, append([]string{"rm", "--force"}, strings.Fields(running)...)...)
	return err
}

// Docker runs the docker program on this engine, and returns its output.
func (e *Engine) Docker(ctx context.Context, in io.Reader, args ...string) (string, error) {
	return e.Run(ctx, in, "", nil, "docker", args...)
}

// Run runs any program that speaks to Docker, in a folder and with variables, and returns its output.
func (e *Engine) Run(ctx context.Context, in io.Reader, dir string, env []string, program string, args ...string) (string, error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, in, &out, &errs
	cmd.Env = append(append(os.Environ(), "DOCKER_HOST="+e.socket, "DOCKER_BUILDKIT=0"), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("running %s %s: %w\n%s", filepath.Base(program), strings.Join(args, " "), err, errs.Bytes())
	}
	return out.String(), nil
}
