// Command migrate moves Milvus collections from a standalone to a cluster.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"migrate/internal/model"
	"migrate/internal/syncer"
)

// Exit codes. Each means one thing, so that a script can decide.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitDiffers     = 3
	exitRefused     = 4
	exitInterrupted = 130
)

func main() {
	collectOften()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := newRoot().ExecuteContext(ctx)
	if ctx.Err() != nil && err != nil {
		err = interrupted{err}
	}
	stop()
	if err != nil {
		tell(err)
	}
	os.Exit(exitCode(err))
}

// collectOften has garbage be collected once there is half as much of it as of what is in use, where Go would wait until there is as much,
// unless somebody says otherwise: what is in flight is most of an export's memory, and so a quarter is saved for a twentieth of its work.
func collectOften() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}

// tell says what went wrong, in the log's own format where that is for machines.
func tell(err error) {
	if _, forMachines := slog.Default().Handler().(*slog.JSONHandler); forMachines {
		level := slog.LevelError
		if errors.As(err, new(interrupted)) { // nothing went wrong
			level = slog.LevelWarn
		}
		slog.Log(context.Background(), level, "migrate ended", "error", explain(err), "exit code", exitCode(err))
		return
	}
	fmt.Fprintln(os.Stderr, "migrate:", explain(err))
}

// refusals are what a sync or a cutover does not go on with until somebody has looked: the same command is refused again.
var refusals = []error{syncer.ErrSource, syncer.ErrTarget, syncer.ErrLate, syncer.ErrSwitched}

func exitCode(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, new(interrupted)):
		return exitInterrupted
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, model.ErrDiffers):
		return exitDiffers
	case slices.ContainsFunc(refusals, func(refused error) bool { return errors.Is(err, refused) }):
		return exitRefused
	}
	return exitFailed
}

// usageError is a mistake in how migrate was called.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// interrupted is an end by a signal.
type interrupted struct{ err error }

func (e interrupted) Error() string { return "interrupted: " + e.err.Error() }
func (e interrupted) Unwrap() error { return e.err }
