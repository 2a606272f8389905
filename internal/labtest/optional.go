package labtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"migrate/deploy/lab"
)

// start has optional parts of the lab run until the test ends.
func start(t testing.TB, parts ...string) *lab.Lab {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	l, err := lab.Running(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		done, err := use(ctx, l, part)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := done(); err != nil {
				t.Error(err)
			}
		})
	}
	return l
}

// use starts a part where it does not run. Programs of several packages use it at once: the last one that is done stops it, unless it ran
// before the first one came.
func use(ctx context.Context, l *lab.Lab, part string) (done func() error, err error) {
	users, err := os.OpenFile(filepath.Join(l.Dir(), "run", part+".users"), os.O_CREATE|os.O_RDWR|os.O_APPEND|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(users.Fd()), syscall.LOCK_SH); err != nil { // waits while the last one stops it
		return nil, fmt.Errorf("waiting for %s: %w", part, err)
	}
	ran := running(ctx, l, part)
	if err := l.Start(ctx, part); err != nil {
		return nil, err
	}
	if !ran {
		if _, err := users.WriteString("started by a test\n"); err != nil {
			return nil, err
		}
	}
	return func() error {
		defer users.Close()
		return stopUnused(ctx, l, part, users)
	}, nil
}

// stopUnused stops a part that a test has started and nobody uses any more.
func stopUnused(ctx context.Context, l *lab.Lab, part string, users *os.File) error {
	if syscall.Flock(int(users.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return nil
	}
	started, err := users.Stat()
	if err != nil || started.Size() == 0 {
		return err
	}
	if err := l.Stop(ctx, part); err != nil {
		return err
	}
	return users.Truncate(0)
}

func running(ctx context.Context, l *lab.Lab, part string) bool {
	for _, s := range l.Status(ctx) {
		if s.Name == part {
			return s.State == lab.StateRunning
		}
	}
	return false
}
