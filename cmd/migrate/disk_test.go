package main

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"migrate/internal/labtest/faulttable"
)

// onSmallDisk has a disk of 3 MiB on the folder $1, runs the command on it, makes room, and runs the command again. It
// needs no root where the system lets users have a mount namespace of their own.
const onSmallDisk = `mount -t tmpfs -o size=3m small "$1" || exit 99
folder=$1; shift
"$@"; echo "exit code $?, $(find "$folder" -name '*.parquet' | wc -l) parts" >&2
mount -o remount,size=64m "$folder" && exec "$@"`

// TestFullDisk ends with a clear error on a disk that is full, and goes on when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "export: a full disk under the sink", 1, "a clear error; the same command ends it when there is room")
	folder := t.TempDir()
	export := args(binary, newInMemory(t, 5).export, sink, folder, "--workers", "1")
	cmd := exec.CommandContext(t.Context(), "sh", args("-c", onSmallDisk, "sh", folder, export)...)
	cmd.Dir = t.TempDir()
	cmd.SysProcAttr = ownMounts()
	r := begin(t, cmd)()
	r.want(t, exitOK, "no space left", "make room", "next: give the same command again", "exit code 1, 2 parts", "exported 5,000 rows")
}

// ownMounts is a mount namespace, in a user namespace where this user is not root.
func ownMounts() *syscall.SysProcAttr {
	own := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 {
		own.Cloneflags |= syscall.CLONE_NEWUSER
		own.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		own.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	return own
}
