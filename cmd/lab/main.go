// Command lab runs the servers that migrate is tested against; see package migrate/deploy/lab.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"migrate/deploy/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		stop()
		os.Exit(1)
	}
}

// dir is the value of the --dir flag.
var dir string

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:              "lab",
		Short:            "Run the servers that migrate is tested against, without Docker or root",
		SilenceUsage:     true,
		SilenceErrors:    true,
		TraverseChildren: true, // so that --dir can stand before python, which passes on every flag after it
	}
	cmd.PersistentFlags().StringVar(&dir, "dir", os.Getenv(lab.DirVariable),
		"folder of the lab's data, logs and records (default $"+lab.DirVariable+", or .lab in the module's root)")
	cmd.AddCommand(up(), down(), restart(), status(), start(), stop(), kill(), logs(), install(), python(), run())
	return cmd
}

// open opens the lab and has it report to the command's standard error, each line with the seconds since now.
func open(cmd *cobra.Command) (*lab.Lab, error) {
	l, err := lab.Open(dir)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	var printing sync.Mutex
	l.Report = func(line string) {
		printing.Lock()
		defer printing.Unlock()
		fmt.Fprintf(cmd.ErrOrStderr(), "%6.1fs  %s\n", time.Since(began).Seconds(), line)
	}
	return l, nil
}

// withLab runs do with the opened lab.
func withLab(do func(cmd *cobra.Command, l *lab.Lab, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		l, err := open(cmd)
		if err != nil {
			return err
		}
		return do(cmd, l, args)
	}
}

func up() *cobra.Command {
	return &cobra.Command{
		Use:   "up",
		Short: "Install and start what does not run yet, and wait until all of it is healthy",
		Args:  cobra.NoArgs,
		RunE: withLab(func(cmd *cobra.Command, l *lab.Lab, _ []string) error {
			if err := l.Up(cmd.Context()); err != nil {
				return err
			}
			printEndpoints(cmd.OutOrStdout(), l)
			return nil
		}),
	}
}

func printEndpoints(out io.Writer, l *lab.Lab) {
	fmt.Fprintf(out, `
the lab is up in %s
  standalone  %s
  cluster     %s and %s
  MinIO       http://%s  (%s / %s, buckets %s and %s)
  etcd        %s
  Pulsar      pulsar://%s
  Milvus Lite %s (2.5.1) and %s (3.2.2)
`, l.Dir(), lab.Standalone, lab.Proxy1, lab.Proxy2, lab.MinIO, lab.MinIOUser, lab.MinIOPassword, lab.ClusterBucket,
		lab.ExportBucket, lab.Etcd, lab.Pulsar, lab.Lite25, lab.Lite3)
}

func down() *cobra.Command {
	var wipe bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop every part; keep the data unless --wipe is given",
		Args:  cobra.NoArgs,
		RunE: withLab(func(cmd *cobra.Command, l *lab.Lab, _ []string) error {
			if wipe {
				return l.Wipe(cmd.Context())
			}
			return l.Down(cmd.Context())
		}),
	}
	cmd.Flags().BoolVar(&wipe, "wipe", false, "remove the lab's data, logs and configuration too")
	return cmd
}

func restart() *cobra.Command {
	return &cobra.Command{
		Use:   "restart [PART...]",
		Short: "Stop parts, or the whole lab, and start them again",
		RunE: withLab(func(cmd *cobra.Command, l *lab.Lab, parts []string) error {
			if len(parts) > 0 {
				return each(parts, func(part string) error { return l.Restart(cmd.Context(), part) })
			}
			if err := l.Down(cmd.Context()); err != nil {
				return err
			}
			return l.Up(cmd.Context())
		}),
	}
}

func start() *cobra.Command {
	return onParts("start", "Start parts and wait until they are healthy", (*lab.Lab).Start)
}

func stop() *cobra.Command {
	return onParts("stop", "Ask parts to end, and kill those that do not", (*lab.Lab).Stop)
}

func kill() *cobra.Command {
	return onParts("kill", "End parts by SIGKILL, as a crash would", (*lab.Lab).Kill)
}

func onParts(verb, short string, do func(*lab.Lab, context.Context, string) error) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " PART...",
		Short: short,
		Args:  cobra.MinimumNArgs(1),
		RunE: withLab(func(cmd *cobra.Command, l *lab.Lab, parts []string) error {
			return each(parts, func(part string) error { return do(l, cmd.Context(), part) })
		}),
	}
}

func each(parts []string, do func(part string) error) error {
	for _, part := range parts {
		if err := do(part); err != nil {
			return err
		}
	}
	return nil
}

func status() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show every part; exit with 1 where one that should run does not",
		Args:  cobra.NoArgs,
		RunE: withLab(func(cmd *cobra.Command, l *lab.Lab, _ []string) error {
			return printStatus(cmd.OutOrStdout(), l.Status(cmd.Context()))
		}),
	}
}

func printStatus(out io.Writer, parts []lab.PartStatus) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PART\tSTATE\tPID\tPORT\tMEMORY\tLOG")
	var wrong []error
	var total int64
	for _, s := range parts {
		total += s.Memory
		if s.Wrong() {
			wrong = append(wrong, fmt.Errorf("%s is %s: %w", s.Name, s.State, s.Problem))
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\n", s.Name, s.State, orDash(s.PID), s.Port, inMiB(s.Memory), s.Log)
	}
	fmt.Fprintf(table, "total\t\t\t\t%s\t\n", inMiB(total))
	return errors.Join(append(wrong, table.Flush())...)
}

func orDash(pid int) string {
	if pid == 0 {
		return "-"
	}
	return strconv.Itoa(pid)
}

func inMiB(bytes int64) string {
	if bytes == 0 {
		return "-"
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}

func logs() *cobra.Command {
	var lines int
	cmd := &cobra.Command{
		Use:   "logs PART",
		Short: "Print the end of a part's log",
		Args:  cobra.ExactArgs(1),
		RunE: withLab(func(cmd *cobra.Command, l *lab.Lab, args []string) error {
			text, err := l.Log(args[0], lines)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
			return err
		}),
	}
	cmd.Flags().IntVarP(&lines, "lines", "n", 100, "how many lines")
	return cmd
}

func install() *cobra.Command {
	return &cobra.Command{
		Use:   "install",
		Short: "Download what the servers and the Python clients are made of, and start nothing",
		Args:  cobra.NoArgs,
		RunE: withLab(func(cmd *cobra.Command, l *lab.Lab, _ []string) error {
			return l.Install(cmd.Context())
		}),
	}
}

func python() *cobra.Command {
	return &cobra.Command{
		Use:                "python [--] [ARG...]",
		Short:              "Run Python with pymilvus, pyarrow, numpy and duckdb, in the place of this process",
		DisableFlagParsing: true,
		RunE: withLab(func(cmd *cobra.Command, l *lab.Lab, args []string) error {
			interpreter, err := l.Python(cmd.Context())
			if err != nil {
				return err
			}
			if len(args) > 0 && args[0] == "--" {
				args = args[1:]
			}
			return syscall.Exec(interpreter, append([]string{interpreter}, args...), os.Environ())
		}),
	}
}
