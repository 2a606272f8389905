package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockFile holds the file at path against other goroutines and processes until unlock; the system lets go of it when
// the process dies.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("making the folder of lock %s: %w", path, err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening lock %s: %w", path, err)
	}
	locked := func() bool { return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil }
	if err := poll(ctx, locked); err != nil {
		file.Close()
		return nil, fmt.Errorf("waiting for lock %s: %w", path, err)
	}
	return func() { file.Close() }, nil
}
