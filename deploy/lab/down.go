package lab

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// stopGrace is how long a part may take to end when asked to, before it is killed.
const stopGrace = 12 * time.Second

// Down stops every part that the lab started, optional ones too, those that others need last.
func (l *Lab) Down(ctx context.Context) error {
	return l.down(ctx, func(part) bool { return true })
}

// Wipe stops every part, and removes the data, logs, configuration and certificates.
func (l *Lab) Wipe(ctx context.Context) error {
	if err := l.Down(ctx); err != nil {
		return err
	}
	for _, name := range []string{"data", "work", "config", "certs", "log", "run"} {
		if err := os.RemoveAll(l.path(name)); err != nil {
			return fmt.Errorf("wiping the lab: %w", err)
		}
	}
	l.reportf("wiped %s", l.dir)
	return nil
}

// down stops those parts that are chosen.
func (l *Lab) down(ctx context.Context, chosen func(part) bool) error {
	var parts []part
	for _, p := range l.parts {
		if chosen(p) {
			parts = append(parts, p)
		}
	}
	return inOrder(ctx, parts, l.dependents, l.stop)
}

// wipeCluster removes what the cluster's parts have written.
func (l *Lab) wipeCluster() error {
	paths := []string{l.replicasPath()}
	for _, p := range l.parts {
		if p.role != "" {
			paths = append(paths, l.path("data", p.name), l.path("work", p.name), l.logPath(p), l.logPath(p)+".1")
		}
	}
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("wiping the lab's cluster: %w", err)
		}
	}
	l.reportf("wiped the cluster in %s", l.dir)
	return nil
}

// dependents names the parts that need the part.
func (l *Lab) dependents(p part) []string {
	var names []string
	for _, other := range l.parts {
		if slices.Contains(other.needs, p.name) {
			names = append(names, other.name)
		}
	}
	return names
}

// Stop asks the named part to end, and kills it when it does not within seconds. One that does not run is left as it is.
func (l *Lab) Stop(ctx context.Context, name string) error {
	p, err := l.part(name)
	if err != nil {
		return err
	}
	return l.stop(ctx, p)
}

func (l *Lab) stop(ctx context.Context, p part) error {
	return l.end(ctx, p, "stopped", func(as process) error { return as.terminate(ctx, stopGrace) })
}

// Kill ends the named part by SIGKILL, as a crash would, and returns when it is gone.
func (l *Lab) Kill(ctx context.Context, name string) error {
	p, err := l.part(name)
	if err != nil {
		return err
	}
	return l.end(ctx, p, "killed", func(as process) error { return as.kill(ctx) })
}

// end ends the part's process, where it runs, and removes its record.
func (l *Lab) end(ctx context.Context, p part, verb string, by func(process) error) error {
	unlock, err := lockFile(ctx, l.lockPath(p))
	if err != nil {
		return err
	}
	defer unlock()
	as, err := l.recorded(p)
	if err != nil {
		return err
	}
	if as.alive() {
		began := time.Now()
		if err := by(as); err != nil {
			return fmt.Errorf("ending %s: %w", p.name, err)
		}
		l.reportf("%-17s %s after %.1fs (pid %d)", p.name, verb, time.Since(began).Seconds(), as.PID)
	}
	return l.forget(p)
}

// Restart stops the named part and starts it again.
func (l *Lab) Restart(ctx context.Context, name string) error {
	if err := l.Stop(ctx, name); err != nil {
		return err
	}
	return l.Start(ctx, name)
}
