package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Up starts every part that is neither optional nor a replica too many and does not run, each as soon as its software is
// installed and what it needs is healthy, and returns when all of them are healthy. What it started goes on running when it
// fails, and is taken over by the next Up.
func (l *Lab) Up(ctx context.Context) error { return l.up(ctx, func(part) bool { return true }) }

// up is Up for those parts that are chosen.
func (l *Lab) up(ctx context.Context, chosen func(part) bool) error {
	wanted, err := l.replicas()
	if err != nil {
		return err
	}
	var parts []part
	for _, p := range l.parts {
		if wanted.includes(p) && chosen(p) {
			parts = append(parts, p)
		}
	}
	if err := l.preflight(parts); err != nil {
		return err
	}
	return inOrder(ctx, parts, func(p part) []string { return p.needs }, l.ensure)
}

// preflight looks for whatever would stop a part from starting, before minutes are spent on downloads.
func (l *Lab) preflight(parts []part) error {
	var errs []error
	var packs []pack
	for _, p := range parts {
		as, err := l.recorded(p)
		if err == nil && !as.alive() {
			packs = append(packs, p.software)
			err = checkPorts(p)
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, l.haveTools(packs))...)
}

// Start starts the named part, where it does not run, and returns when it is healthy. The parts that it needs must be
// healthy already.
func (l *Lab) Start(ctx context.Context, name string) error {
	p, err := l.part(name)
	if err != nil {
		return err
	}
	for _, need := range p.needs {
		needed, err := l.part(need)
		if err != nil {
			return err
		}
		if s := l.statusOf(ctx, needed); s.State != StateRunning {
			return fmt.Errorf("starting %s: it needs %s, which is %s: start that first", name, need, s.State)
		}
	}
	return l.ensure(ctx, p)
}

// ensure starts the part unless it runs, and waits for its health.
func (l *Lab) ensure(ctx context.Context, p part) error {
	if as, err := l.recorded(p); err != nil || !as.alive() {
		if err := l.install(ctx, p.software); err != nil {
			return err
		}
	}
	began := time.Now()
	as, verb, err := l.startUnlessAlive(ctx, p)
	if err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	if err := l.awaitHealth(ctx, p, as); err != nil {
		return err
	}
	l.reportf("%-17s %s, healthy after %.1fs (pid %d)", p.name, verb, time.Since(began).Seconds(), as.PID)
	return nil
}

// startUnlessAlive returns the part's process, and says whether it was started or runs already.
func (l *Lab) startUnlessAlive(ctx context.Context, p part) (as process, verb string, err error) {
	unlock, err := lockFile(ctx, l.lockPath(p))
	if err != nil {
		return process{}, "", err
	}
	defer unlock()
	as, err = l.recorded(p)
	if err != nil || as.alive() {
		return as, "runs already", err
	}
	as, err = l.launch(p)
	return as, "started", err
}

// launch starts the part's process and notes it.
func (l *Lab) launch(p part) (process, error) {
	if err := checkPorts(p); err != nil {
		return process{}, err
	}
	for _, dir := range []string{l.path("work", p.name), l.path("log")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return process{}, err
		}
	}
	c, err := p.command()
	if err != nil {
		return process{}, err
	}
	if err := keepOlder(l.logPath(p)); err != nil {
		return process{}, err
	}
	as, err := launch(c, l.path("work", p.name), l.logPath(p))
	if err != nil {
		return process{}, err
	}
	return as, l.record(p, as)
}

// awaitHealth waits until the part is healthy and settled, or its process ends.
func (l *Lab) awaitHealth(ctx context.Context, p part, as process) error {
	waiting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	last := errors.New("it was not asked")
	err := poll(waiting, func() bool {
		last = p.ready(waiting)
		return last == nil || !as.alive()
	})
	switch {
	case last == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		last = fmt.Errorf("%s is not healthy %s after its start: %w", p.name, startTimeout, last)
	default:
		last = fmt.Errorf("%s ended before it was healthy (pid %d)", p.name, as.PID)
	}
	return withTail(last, l.logPath(p))
}
