package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"migrate/checkpoint"
	"migrate/internal/clock"
	"migrate/internal/cutover"
	"migrate/internal/model"
	"migrate/sinks"
)

func newStatus() *cobra.Command {
	return command("status", "Show the jobs and how they stand",
		`Shows the exports and syncs on the sink and, where a staging store is given, the imports that go through it: state, progress,
rate, time left, the last error, and what to do next; of a sync its lag, and when the two sides were last proved equal.`,
		`  migrate status --sink-url s3://exports/milvus --sink-endpoint minio:9000 --watch`,
		slices.Concat(sinkSettings, stagingSettings, []setting{jobName, watch}),
		runStatus)
}

// jobStatus is one job, as it is shown and printed in JSON.
type jobStatus struct {
	Job       string           `json:"job"`
	Kind      checkpoint.Kind  `json:"kind"`
	State     checkpoint.State `json:"state"`
	Done      int              `json:"parts_done"`
	Parts     int              `json:"parts"`
	RowsDone  int64            `json:"rows_done"`
	Rows      int64            `json:"rows"`
	RowsPer   float64          `json:"rows_per_second"` // since its owner took it
	Left      float64          `json:"seconds_left"`
	Updated   time.Time        `json:"updated"`
	LastError string           `json:"last_error,omitempty"`
	Next      string           `json:"next"`
	Found     model.Findings   `json:"findings,omitzero"` // of an export: duplicate keys, and rows that were not read

	Sync *syncStatus `json:"sync,omitempty"` // of a sync
}

// syncStatus is how far a sync is.
type syncStatus struct {
	Serving  string    `json:"serving,omitempty"` // the side that a cutover switched to last
	InStep   time.Time `json:"in_step"`           // when the two sides were last proved equal; zero where they never were
	AsOf     time.Time `json:"as_of"`             // every write before this is on the target; zero where not all was compared yet
	Lag      float64   `json:"lag_seconds"`
	Ranges   int       `json:"ranges"`
	Hot      int       `json:"ranges_differing"` // when they were last compared
	Upserted int64     `json:"rows_upserted"`
	Deleted  int64     `json:"rows_deleted"`
	Doubled  int64     `json:"doubled_keys"` // on the source
}

func syncStatusOf(p *checkpoint.Position) *syncStatus {
	if p == nil {
		return nil
	}
	s := &syncStatus{
		Serving: serving(p),
		InStep:  p.InStep, AsOf: p.AsOf, Ranges: len(p.Ranges), Upserted: p.Upserted, Deleted: p.Deleted, Doubled: p.Doubled, Lag: -1,
	}
	if !p.AsOf.IsZero() {
		s.Lag = time.Since(p.AsOf).Seconds()
	}
	for _, r := range p.Ranges {
		if r.Hot {
			s.Hot++
		}
	}
	return s
}

func (s syncStatus) text(w io.Writer, job string) {
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
	fmt.Fprintf(w, "sync of %s: proved equal%s %s, lag %s, %s upserted, %s deleted, %d of %d ranges differed when last compared\n",
		job, (&checkpoint.Position{Doubled: s.Doubled}).But(), inStep, lag, rows(s.Upserted), rows(s.Deleted), s.Hot, s.Ranges)
}

func runStatus(cmd *cobra.Command, c config) error {
	ctx := cmd.Context()
	stores, err := c.jobStores(ctx)
	if err != nil {
		return err
	}
	for {
		jobs, err := statuses(ctx, stores, c.Job)
		if err != nil {
			return err
		}
		if err := c.print(cmd.OutOrStdout(), jobs, func(w io.Writer) { printJobs(w, jobs, len(stores) > 1) }); err != nil || !c.Watch {
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

func statuses(ctx context.Context, stores []sinks.Sink, name string) ([]jobStatus, error) {
	shown := []jobStatus{}
	for _, store := range stores {
		jobs, err := checkpoint.List(ctx, store)
		if err != nil {
			return nil, err
		}
		for _, j := range jobs {
			if name == "" || name == j.Name {
				shown = append(shown, statusOf(j))
			}
		}
	}
	for i, s := range shown {
		if s.Kind == checkpoint.Export && s.State == checkpoint.Done && slices.ContainsFunc(shown, func(o jobStatus) bool { return o.imports(s.Job) }) {
			shown[i].Next = "-"
		}
	}
	return shown, nil
}

// imports reports whether this is an import of an export, begun or done.
func (s jobStatus) imports(job string) bool { return s.Kind == checkpoint.Import && s.Job == job }

func statusOf(j checkpoint.Job) jobStatus {
	s := jobStatus{
		Job: j.Name, Kind: j.Kind, State: j.Standing(), Parts: len(j.Parts), Rows: j.Rows, Updated: j.Updated, LastError: j.Error,
	}
	s.Done, s.RowsDone = j.Finished()
	if s.Sync = syncStatusOf(j.Sync); s.Sync != nil {
		s.RowsDone = s.Rows
	}
	if s.RowsPer = j.Rate(); s.RowsPer > 0 {
		s.Left = float64(s.Rows-s.RowsDone) / s.RowsPer
	}
	for _, p := range j.Parts {
		s.Found.Add(p.Findings)
	}
	s.Next = nextOf(s)
	return s
}

func nextOf(s jobStatus) string {
	switch {
	case s.State == checkpoint.Running:
		return "wait"
	case s.State == checkpoint.Done && s.Kind == checkpoint.Export:
		return "migrate import --job " + s.Job
	case s.State == checkpoint.Done:
		return "migrate verify --from export --job " + s.Job + ", or migrate sync"
	case s.Kind == checkpoint.Sync:
		return "migrate sync"
	case s.Kind == "":
		return "migrate jobs rebuild --job " + s.Job
	}
	return "migrate resume --job " + s.Job
}

func printJobs(w io.Writer, jobs []jobStatus, imports bool) {
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
	if !imports {
		fmt.Fprintln(w, "imports are not shown: name the store that they go through, with --staging-endpoint and --staging-url")
	}
	for _, j := range jobs {
		if j.Sync != nil {
			j.Sync.text(w, j.Job)
		}
		printFindings(w, fmt.Sprintf("source of %s %s", j.Kind, j.Job), j.Found)
		if j.LastError != "" {
			fmt.Fprintf(w, "last error of %s %s: %s\n", j.Kind, j.Job, j.LastError)
		}
	}
}

func newJobs() *cobra.Command {
	rm := command("rm", "Remove a job, with all that it wrote to the sink",
		`Removes an export from the sink: its checkpoint, its parts, and its manifest; and an import's checkpoint from the staging
store. A complete export, and a job that was cut over, are removed with --force only. What was imported into a target stays.`,
		`  migrate jobs rm --job rag_documents`,
		slices.Concat(sinkSettings, stagingSettings, []setting{jobName, force}),
		runRemove)
	return group("jobs", "Manage the jobs", rm, newRebuild())
}

// refuseSwitched refuses to remove what tells which side serves since a cutover, and what can't be read and may tell it.
func (c config) refuseSwitched(ctx context.Context, stores []sinks.Sink, shown []jobStatus) error {
	for _, j := range shown {
		switch {
		case j.Sync != nil && j.Sync.Serving != "":
			return fmt.Errorf("removing %q: after a cutover its checkpoint tells which side serves (the %s); remove it with --force", c.Job, j.Sync.Serving)
		case j.Kind == "":
			return fmt.Errorf("removing %q: one of its checkpoints can't be read: %s; see `migrate jobs rebuild`, or remove it with --force", c.Job, j.LastError)
		}
	}
	for _, store := range stores {
		switched, err := cutover.CertifiedCollections(ctx, store, c.Job)
		if err != nil {
			return err
		}
		if len(switched) > 0 {
			return fmt.Errorf("removing %q: there are certificates of a cutover, which tell which side serves; remove it with --force", c.Job)
		}
	}
	return nil
}

func runRemove(cmd *cobra.Command, c config) error {
	ctx := cmd.Context()
	if err := require("job", c.Job); err != nil {
		return err
	}
	stores, err := c.jobStores(ctx)
	if err != nil {
		return err
	}
	shown, err := statuses(ctx, stores, c.Job)
	if err != nil {
		return err
	}
	if len(shown) == 0 {
		return noJob(c.Job)
	}
	for _, j := range shown {
		if j.Kind == checkpoint.Export && j.State == checkpoint.Done && !c.Force {
			return fmt.Errorf("removing %q: it is a complete export; remove it with --force", c.Job)
		}
	}
	if !c.Force {
		if err := c.refuseSwitched(ctx, stores, shown); err != nil {
			return err
		}
	}
	for _, store := range stores {
		if err := checkpoint.Remove(ctx, store, c.Job); err != nil {
			return err
		}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "removed job %s\n", c.Job)
	return nil
}
