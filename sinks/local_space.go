package sinks

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Spacer is a sink that can tell how much still fits into it.
type Spacer interface {
	// Free is the space that is left, in bytes.
	Free(ctx context.Context) (int64, error)
}

// Free implements Spacer: it is the space on the folder's filesystem that this user may take.
func (l *Local) Free(context.Context) (int64, error) {
	folder := l.root
	for { // the folder, or the nearest above it that is there already
		if _, err := os.Stat(folder); err == nil || folder == filepath.Dir(folder) {
			break
		}
		folder = filepath.Dir(folder)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(folder, &fs); err != nil {
		return 0, fmt.Errorf("asking for the space left on %s: %w", folder, err)
	}
	return int64(fs.Bavail) * int64(fs.Bsize), nil
}
