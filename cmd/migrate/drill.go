package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"migrate/internal/ops/bench"
	"migrate/internal/ops/compose"
	"migrate/internal/ops/drill"
)

func newDrill() *cobra.Command {
	cmd := command("drill", "Take parts of a cluster away under load, and tell what was felt and lost",
		`Searches and inserts into a collection of its own (migrate_bench_…), takes a part of the cluster away, gives it back, and goes
on until all is well again. Each call is made once, so that every failure is seen. At the end the rows whose insert was
acknowledged are looked for: it is an error if one is missing or there twice. Parts are containers of a Compose project or processes
of a --lab, one after the other (a service, or one of its own such as querynode-2), or whatever two commands stop and start. What was taken
away is given back also when the drill is interrupted.`,
		`  migrate drill querynode datanode proxy --project-dir milvus --target-address 127.0.0.1:19530 --kill
  migrate drill querynode-1 --lab milvus-lab --target-address 127.0.0.1:19530 --kill
  migrate drill --target-address cluster:19530 --stop-command 'systemctl stop milvus-querynode' --start-command 'systemctl start milvus-querynode'
  migrate drill --target-address cluster:19530 --stop-command 'kubectl scale deploy/milvus-querynode --replicas 1' \
      --start-command 'kubectl scale deploy/milvus-querynode --replicas 2 && kubectl rollout status deploy/milvus-querynode'`,
		slices.Concat(targetSettings, drillSettings, []setting{projectDir, labSetting, dimensions, threads, inserters}), runDrill)
	cmd.Use += " [PART...]"
	cmd.Args = cobra.ArbitraryArgs
	return cmd
}

// drillResult is what --json prints.
type drillResult struct{ *drill.Report }

func runDrill(cmd *cobra.Command, c config) error {
	ctx := cmd.Context()
	if err := require("target.address", c.Target.Address); err != nil {
		return err
	}
	plan := c.drillPlan()
	if err := plan.Check(); err != nil {
		return usageError{err}
	}
	var err error
	if plan.Parts, err = c.drillParts(ctx, cmd.Flags().Args()); err != nil {
		return err
	}
	report, err := plan.Run(ctx, c.Target.milvus())
	if report == nil || len(report.Parts) == 0 {
		return err
	}
	r := drillResult{report}
	return errors.Join(err, c.print(cmd.OutOrStdout(), r, r.text))
}

// drillParts are what is taken away: containers by their names, or what two commands stop and start.
func (c config) drillParts(ctx context.Context, names []string) ([]drill.Part, error) {
	d := c.Drill
	switch {
	case (d.StopCommand == "") != (d.StartCommand == ""):
		return nil, usageError{errors.New("stop-command and start-command go together: what is taken away has to be given back")}
	case (d.StopCommand == "") == (len(names) == 0):
		return nil, usageError{errors.New("name the parts of a Compose project or of a --lab, or give --stop-command and --start-command")}
	case d.StopCommand != "":
		return []drill.Part{drill.Commands{StopCommand: d.StopCommand, StartCommand: d.StartCommand}}, nil
	}
	platform, err := c.platform(ctx)
	if err != nil {
		return nil, err
	}
	how := compose.Stop
	if d.Kill {
		how = compose.Kill
	}
	return drill.Containers(ctx, platform, names, how)
}

// drillPlan is a load that a small machine bears, and that leaves no second without a call.
func (c config) drillPlan() drill.Plan {
	b, d := c.Bench, c.Drill
	vectors := bench.Vectors{Dim: b.Dim}
	return drill.Plan{
		Base: bench.Plan{
			Insertion: bench.Insertion{Vectors: vectors, Rows: int64(d.BaseRows), Batch: 1000, Inserters: 1},
			Searches: &bench.Searches{
				Vectors: vectors, Index: bench.Index{Type: "HNSW", EF: 64}, Top: 10, Threads: b.Threads, Queries: 1,
			},
			Keep: true,
		},
		Inserters: b.Inserters, Batch: 100, Settle: d.Settle, Away: d.Away,
		Step: func(what string) { fmt.Fprintln(os.Stderr, time.Now().Format(time.TimeOnly), what) },
	}
}

func (r drillResult) text(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TAKEN AWAY\tCALLS\tFAILED\tP99 BEFORE\tAWAY\tBACK\tSLOWEST\tLONGEST GAP\tWELL AGAIN AFTER\tITS START TOOK")
	for _, p := range r.Parts {
		for _, kind := range []struct {
			name string
			drill.Felt
		}{{"searches", p.Searches}, {"inserts", p.Inserts}} {
			fmt.Fprintf(t, "%s\t%s %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.Part, humanize.Comma(kind.Calls()), kind.name,
				humanize.Comma(kind.Failed()), milli(kind.Before.Latency.P99), milli(kind.Away.Latency.P99), milli(kind.Back.Latency.P99),
				milli(kind.Slowest()), tenths(kind.Gap()), tenths(kind.Recovery), tenths(p.Started))
		}
	}
	t.Flush()
	for _, p := range r.Parts {
		for _, f := range []drill.Phase{p.Searches.Away, p.Searches.Back, p.Inserts.Away, p.Inserts.Back} {
			if f.Failure != "" {
				fmt.Fprintf(w, "%s: %s\n", p.Part, f.Failure)
			}
		}
	}
	if r.Rows == nil {
		fmt.Fprintln(w, "whether a row was lost is not known: not every key was read")
		return
	}
	fmt.Fprintf(w, "%s acknowledged: %s lost, %s doubled; of inserts that were not acknowledged %s are there\n",
		rows(r.Rows.Acknowledged), humanize.Comma(r.Rows.Lost), humanize.Comma(r.Rows.Doubled), rows(r.Rows.Doubtful))
}

func milli(d time.Duration) string  { return fmt.Sprintf("%d ms", d.Milliseconds()) }
func tenths(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
