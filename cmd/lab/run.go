package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"migrate/deploy/lab"
)

// run brings the lab up around a command, and takes it down again unless it was up before.
func run() *cobra.Command {
	return &cobra.Command{
		Use:   "run -- COMMAND [ARGS...]",
		Short: "Run a command while the lab is up; stop the lab afterwards if this started it",
		Args:  cobra.MinimumNArgs(1),
		RunE: withLab(func(cmd *cobra.Command, l *lab.Lab, args []string) error {
			ctx := cmd.Context()
			wasUp := slices.ContainsFunc(l.Status(ctx), func(s lab.PartStatus) bool { return s.State == lab.StateRunning })
			err := l.Up(ctx)
			if err == nil {
				err = execute(ctx, args)
			}
			if wasUp {
				return err
			}
			return errors.Join(err, l.Down(context.WithoutCancel(ctx)))
		}),
	}
}

// execute runs a command as if it were this one, and asks it to end when the context does.
func execute(ctx context.Context, args []string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd.Run()
}
