package sinks

import (
	"os"

	"golang.org/x/sys/unix"
)

// beginWriteBack has n bytes of a file, from an offset on, written to the disk, and does not wait until they are. Whether
// that worked is what the sync at the end tells.
func beginWriteBack(file *os.File, from, n int64) {
	_ = unix.SyncFileRange(int(file.Fd()), from, n, unix.SYNC_FILE_RANGE_WRITE)
}
