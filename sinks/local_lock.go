package sinks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lockPoll is how often one that waits for a lock asks for it.
const lockPoll = 5 * time.Millisecond

// objectLock is held by whoever swaps an object of a Local, or removes one: an exclusive flock on a file beside it, which is there as
// long as somebody holds the lock or waits for it. The system gives the lock up when its holder is killed; the file stays until the
// next has held it.
//
// Only the holder of its lock removes it, so a lock counts if the file is still the one at its path once it is locked.
type objectLock struct{ file *os.File }

// lockObject waits for the lock of the object at target, there or not, until ctx ends.
func lockObject(ctx context.Context, target string) (*objectLock, error) {
	folder, base := filepath.Split(target)
	return lockWith(ctx, func() (*os.File, error) {
		return createIn(ctx, folder, func() (*os.File, error) {
			return os.OpenFile(filepath.Join(folder, lockName(base)), os.O_RDWR|os.O_CREATE, 0o666)
		})
	})
}

// lockLeft is lockObject where the lock's file is there, and nil where it is not.
func lockLeft(ctx context.Context, target string) (*objectLock, error) {
	folder, base := filepath.Split(target)
	lock, err := lockWith(ctx, func() (*os.File, error) {
		return os.OpenFile(filepath.Join(folder, lockName(base)), os.O_RDWR, 0)
	})
	if isMissing(err) {
		return nil, nil
	}
	return lock, err
}

var errLocked = errors.New("another process holds the lock, and does not go on: is it stopped?")

func lockWith(ctx context.Context, open func() (*os.File, error)) (*objectLock, error) {
	for {
		file, err := open()
		if err != nil {
			return nil, err
		}
		if err := flock(ctx, file); err != nil {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", file.Name(), err), file.Close())
		}
		lock := &objectLock{file}
		if lock.isAtItsPath() {
			return lock, nil
		}
		lock.giveUp() // who held it before has removed the file
	}
}

// lockPatience bounds the wait for a lock: its holder keeps it for one small write, unless it is stopped in the midst of
// that, and then nobody can say for how long.
const lockPatience = 20 * time.Second

func flock(ctx context.Context, file *os.File) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lockPatience, errLocked)
	defer cancel()
	ticker := time.NewTicker(lockPoll)
	defer ticker.Stop()
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR):
		case errors.Is(err, errors.ErrUnsupported) || errors.Is(err, unix.ENOLCK):
			return fmt.Errorf("%w; this filesystem has no locks: use a folder of another, or an S3 store", err)
		default:
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

func (k *objectLock) isAtItsPath() bool {
	locked, err := k.file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(k.file.Name())
	return err == nil && os.SameFile(locked, there)
}

// release removes the lock's file and gives the lock up. A nil lock is none.
func (k *objectLock) release() {
	if k == nil {
		return
	}
	_ = os.Remove(k.file.Name()) // what stays is a hidden, empty file
	k.giveUp()
}

// giveUp unlocks before it closes: a process that is just being started may still share the open file.
func (k *objectLock) giveUp() {
	_ = unix.Flock(int(k.file.Fd()), unix.LOCK_UN) // closing does it otherwise
	_ = k.file.Close()                             // nothing was written
}
