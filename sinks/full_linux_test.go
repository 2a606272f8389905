package sinks_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"migrate/sinks"
)

// fullLocal is a sink on a filesystem of 1 MiB or, where this user may not mount one, a sink whose objects of that
// size go to the device that is always full.
func fullLocal(t *testing.T) *sinks.Local {
	t.Helper()
	root := t.TempDir()
	err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=1m")
	if errors.Is(err, syscall.EPERM) {
		sink := openLocal(t, root)
		sinks.CreateWith(sink, createFull)
		return sink
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(root, 0); err != nil {
			t.Error(err)
		}
	})
	return openLocal(t, root)
}

// createFull has partial files of the folder "deep" lead to the full device.
func createFull(path string) (*os.File, error) {
	if !strings.HasSuffix(filepath.Dir(path), "deep") {
		return os.Create(path)
	}
	if err := os.Symlink("/dev/full", path); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_WRONLY, 0)
}
