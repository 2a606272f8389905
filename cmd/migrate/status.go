package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"migrate/checkpoint"
	"migrate/internal/clock"
	"migrate/internal/move"
	"migrate/internal/syncer"
	"migrate/sinks"
)

func newStatus() *cobra.Command {
	return command("status", "Show the jobs and how they stand",
		`Shows the exports and syncs on the sink and, where a staging store is given, the imports that go through it: state, progress,
rate, time left, the last error, and what to do next; of a sync its lag, and when the two sides were last proved equal.`,
		`  migrate status --sink-url s3://exports/milvus --sink-endpoint minio:9000 --watch`,
		slices.Concat(sinkSettings, stagingSettings, selectionSettings, []setting{collection, jobName, watch}),
		runStatus)
}

// printMoves says how the moves of many collections stand.
func printMoves(w io.Writer, moves []move.MoveStatus) {
	for _, m := range moves {
		about := ""
		if m.Rows > m.Moved { // which counts what is flushed alone
			about = " of about " + humanize.Comma(m.Rows)
		}
		fmt.Fprintf(w, "move %s of %s, called %s: %s; %s%s rows\n", m.Name, m.Source, humanize.Time(m.Called),
			cmp.Or(m.InWords(), "none has ended"), humanize.Comma(m.Moved), about)
		for _, o := range m.NotMoved {
			fmt.Fprintf(w, "  %s %s: %s\n", o.Named, o.State, o.Error)
		}
	}
}

func printSync(w io.Writer, job string, s *move.SyncStatus) {
	inStep, lag := "never yet", "unknown until all was compared"
	if !s.InStep.IsZero() {
		inStep = humanize.Time(s.InStep)
	}
	if s.Lag >= 0 {
		lag = time.Duration(s.Lag * float64(time.Second)).Round(time.Second).String()
	}
	if s.Serving != "" {
		fmt.Fprintf(w, "sync of %s: the %s serves, since a cutover; the other side is kept in step with it\n", job, s.Serving)
	}
	told := ""
	if s.By != "" {
		told = ", what is written told by the " + s.By
	}
	fmt.Fprintf(w, "sync of %s: proved equal%s %s, lag %s%s, %s upserted, %s deleted, %d of %d ranges differed when last compared\n",
		job, (&syncer.Position{Duplicates: s.Duplicates}).But(), inStep, lag, told, rows(s.Upserted), rows(s.Deleted), s.Hot, s.Ranges)
}

func runStatus(cmd *cobra.Command, c config) error {
	ctx := cmd.Context()
	stores, err := c.jobStores(ctx)
	if err != nil {
		return err
	}
	selection, err := c.selection()
	if err != nil {
		return err
	}
	for all := move.JobsOn(stores); ; {
		jobs, err := all.Statuses(ctx, c.Job)
		if err != nil {
			return err
		}
		if c.selects() || cmd.Flags().Changed("collection") { // the one that a file names is for the commands that move it
			jobs = slices.DeleteFunc(jobs, func(j move.Status) bool { return !selection.MeansJob(j.Job) })
		}
		for i, j := range jobs {
			jobs[i].Next = next(j)
		}
		moves, err := move.Moves(ctx, stores[0])
		if err != nil {
			return err
		}
		if err := c.print(cmd.OutOrStdout(), jobs, func(w io.Writer) {
			printMoves(w, moves)
			printJobs(w, jobs)
			if len(stores) == 1 {
				fmt.Fprintln(w, "imports by bulk insert are not shown: name the store that they go through, with --staging-endpoint and --staging-url")
			}
			printNotes(w, jobs)
		}); err != nil || !c.Watch {
			return err
		}
		if err := clock.Sleep(ctx, 2*time.Second); err != nil {
			return err
		}
	}
}

// jobStores are the places where jobs keep their documents: exports on the sink, imports on the staging store, if its
// server is known.
func (c config) jobStores(ctx context.Context) ([]sinks.Sink, error) {
	sink, err := openSink(ctx, c)
	if err != nil || c.stagingStore().Endpoint == "" {
		return []sinks.Sink{sink}, err
	}
	staging, err := openStaging(ctx, c)
	return []sinks.Sink{sink, staging}, err
}

// next is what to do about a job.
func next(s move.Status) string {
	switch {
	case s.State == checkpoint.Done && s.Imported:
		return "-"
	case s.State == checkpoint.Running:
		return "wait"
	case s.State == checkpoint.Done && s.Kind == checkpoint.Export:
		return "migrate import --job " + s.Job + into(s.Of)
	case s.State == checkpoint.Done:
		as := ""
		if exported := s.Job[strings.LastIndexByte(s.Job, '.')+1:]; s.Of.Collection != "" && exported != s.Of.Collection { // by its name, a job is of that
			as = " --as " + s.Of.Collection
		}
		return "migrate verify --from export --job " + s.Job + into(s.Of) + as + ", or migrate sync"
	case s.Kind == checkpoint.Sync:
		return "migrate sync"
	case s.Kind == "":
		return "migrate jobs rebuild --job " + s.Job
	}
	return "migrate resume --job " + s.Job
}

// into is how the database of a collection is said, where it is not the default one.
func into(n move.Named) string {
	if n.Database == "" {
		return ""
	}
	return " --target-database " + n.Database
}

func printJobs(w io.Writer, jobs []move.Status) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "JOB\tKIND\tSTATE\tPARTS\tROWS\tRATE\tLEFT\tUPDATED\tNEXT")
	for _, j := range jobs {
		left := "-"
		if j.State == checkpoint.Running && j.Left > 0 {
			left = time.Duration(j.Left * float64(time.Second)).Round(time.Second).String()
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d/%d\t%s/%s\t%s/s\t%s\t%s\t%s\n", j.Job, j.Kind, j.State, j.Done, j.Parts,
			humanize.Comma(j.RowsDone), humanize.Comma(j.Rows), humanize.Comma(int64(j.RowsPer)), left, humanize.Time(j.Updated), j.Next)
	}
	t.Flush()
}

// printNotes says of jobs what has no column.
func printNotes(w io.Writer, jobs []move.Status) {
	for _, j := range jobs {
		if len(j.Partitions) > 0 {
			fmt.Fprintf(w, "%s %s is of these partitions alone: %s\n", j.Kind, j.Job, strings.Join(j.Partitions, ", "))
		}
		if j.Sync != nil {
			printSync(w, j.Job, j.Sync)
		}
		printFindings(w, fmt.Sprintf("source of %s %s", j.Kind, j.Job), j.Found)
		if j.LastError != "" {
			fmt.Fprintf(w, "last error of %s %s: %s\n", j.Kind, j.Job, j.LastError)
		}
	}
}
