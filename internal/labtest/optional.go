package labtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-sdk-go/v2/client"

	"migrate/deploy/lab"
	"migrate/internal/milvus"
)

// Alone has two secured standalones run until the test ends, and lets no other test use either meanwhile: that of Secure, whose rows are
// in a folder, and that of Remote, whose rows are in a bucket.
func Alone(t testing.TB) (secure, remote Login) {
	t.Helper()
	l := hold(t, syscall.LOCK_EX, "standalone-secure", "standalone-remote")
	of := milvus.Config{Username: lab.SecureUser, Password: lab.SecurePassword}
	overTLS, plain := of, of
	overTLS.Address, overTLS.TLS, overTLS.CAFile = lab.SecureStandalone, true, l.CAFile()
	plain.Address = lab.RemoteStandalone
	return Login{overTLS, SecureProtocol(t, l.CAFile())}, Login{plain, protocol(t, client.Config{
		Address: plain.Address, Username: plain.Username, Password: plain.Password,
	})}
}

// Login is a server's superuser, and its raw protocol.
type Login struct {
	milvus.Config
	Protocol milvuspb.MilvusServiceClient
}

// start has optional parts of the lab run until the test ends.
func start(t testing.TB, parts ...string) *lab.Lab {
	t.Helper()
	return hold(t, syscall.LOCK_SH, parts...)
}

// hold has parts run until the test ends, for all tests or for this one alone.
func hold(t testing.TB, lock int, parts ...string) *lab.Lab {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	l, err := lab.Running(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		done, err := use(ctx, l, part, lock)
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
func use(ctx context.Context, l *lab.Lab, part string, lock int) (done func() error, err error) {
	users, err := os.OpenFile(filepath.Join(l.Dir(), "run", part+".users"), os.O_CREATE|os.O_RDWR|os.O_APPEND|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(users.Fd()), lock); err != nil { // waits while the last one stops it
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
