package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"migrate/internal/cutover"
	"migrate/internal/monitor"
	"migrate/internal/source"
	"migrate/internal/source/storage"
	"migrate/internal/syncer"
)

func newSync() *cobra.Command {
	return command("sync", "Keep a cluster in step with its source, until the switch",
		`Finds what was inserted, changed and deleted on the source since, and applies it to the target, until it is interrupted; or
with --once until all is applied that was written before. It takes up where export and import ended: nothing is applied
before the import of that export is done, unless --create has the collection made and filled. After "migrate cutover" it goes the
other way, and keeps the source in step with the target for the time that was given there. Exits with 3 where --once ends with
differences left.

Meanwhile a status page, Prometheus metrics, /healthz and /readyz are at --listen.`,
		`  migrate sync --source-address standalone:19530 --target-address cluster:19530 --collection rag_documents \
      --staging-url s3://a-bucket/staging --staging-endpoint minio:9000
  migrate sync --source-address standalone:19530 --source-storage-url /var/lib/milvus --target-address cluster:19530 --collection rag_documents \
      --staging-url s3://a-bucket/staging --staging-endpoint minio:9000     # told by the source's storage what was written
  migrate sync --once --base-done --source-address standalone:19530 --target-address cluster:19530 --collection rag_documents`,
		slices.Concat(sourceSettings, storageSettings, targetSettings, sinkSettings, stagingSettings, []setting{collection, jobSetting, asSetting, create, indexTypes, discardLate}, syncSettings),
		runSync)
}

var syncSettings = []setting{once, interval, fullScanEvery, flushEvery, cycleRows, maxRate, maxDelete, cursorField, baseDone, listen, listenToken, pprof}

// syncResult is what --json prints, one a cycle.
type syncResult struct {
	syncer.Report
	Seconds    float64 `json:"seconds"`
	LagSeconds float64 `json:"lag_seconds"` // negative where not all was compared yet
	Error      string  `json:"error,omitempty"`
}

func runSync(cmd *cobra.Command, c config) error {
	opts, err := c.syncOptions(cmd.Context())
	if err != nil {
		return err
	}
	seen := c.monitor()
	return c.whileServing(cmd.Context(), seen, func(ctx context.Context) error { return c.sync(ctx, cmd.OutOrStdout(), opts, seen) })
}

// monitor is what is told of how far this command is.
func (c config) monitor() *monitor.Monitor {
	return monitor.New(monitor.Subject{Collection: c.Collection, As: c.As, Source: c.Source.Address, Target: c.Target.Address})
}

// sync keeps the target in step, and seen is told of each cycle.
func (c config) sync(ctx context.Context, out io.Writer, opts syncer.Options, seen *monitor.Monitor) error {
	e, err := openEnds(ctx, c)
	if err != nil {
		return err
	}
	defer e.close()
	e.source.WatchRetries(seen.Retries("source"))
	e.target.WatchRetries(seen.Retries("target"))
	seen.Step(monitor.Syncing, 0)
	if opts.Changes, err = c.changes(ctx, e, opts); err != nil {
		return err
	}
	opts.MayBegin = cutover.MayBegin(e.sink, opts.Job, cmp.Or(opts.As, opts.Collection))
	opts.Cycled = func(r syncer.Report) {
		seen.Cycle(r)
		result := newSyncResult(r)
		if err := c.print(out, result, result.text); err != nil {
			slog.ErrorContext(ctx, "printing a cycle", "error", err)
		}
	}
	err = syncer.Run(ctx, e.source, e.target, e.sink, opts)
	if errors.Is(err, syncer.ErrOver) && !c.Once { // of a single pass it would say that all is applied
		fmt.Fprintln(os.Stderr, err)
		return nil
	}
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", errStopped, err)
	}
	return err
}

// changes are what the storage of the source tells, where it is given; nil elsewhere.
func (c config) changes(ctx context.Context, e ends, opts syncer.Options) (source.ChangesOpener, error) {
	if c.Source.Storage.URL == "" {
		return nil, nil
	}
	storedIn, err := openStore(ctx, c.Source.Storage)
	if err != nil {
		return nil, fmt.Errorf("opening the storage of the source: %w", err)
	}
	folder := fmt.Sprintf("%s/changes-%s/", opts.Job, cmp.Or(opts.As, opts.Collection))
	return storage.ChangesOpener(e.source, storedIn, e.sink, folder, storage.Options{}), nil
}

// errStopped is a sync that was told to end. Its position is kept.
var errStopped = errors.New("the sync was stopped")

// errEnded ends the serving when what was served has ended.
var errEnded = errors.New("all has ended")

// whileServing runs a sync, or a whole move, and answers requests meanwhile.
func (c config) whileServing(ctx context.Context, seen *monitor.Monitor, run func(context.Context) error) error {
	if c.Listen == "" || c.Once {
		return run(ctx)
	}
	listener, err := monitor.Listen(ctx, c.Listen, c.ListenToken)
	if err != nil {
		return err
	}
	slog.InfoContext(ctx, "the status page is served", "at", "http://"+listener.Addr().String())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return seen.Serve(ctx, listener, monitor.Options{Token: c.ListenToken, Pprof: c.Pprof}) })
	g.Go(func() error { return cmp.Or(run(ctx), errEnded) })
	if err := g.Wait(); !errors.Is(err, errEnded) {
		return err
	}
	return nil
}

func (c config) syncOptions(ctx context.Context) (syncer.Options, error) {
	if err := c.requireOne(); err != nil {
		return syncer.Options{}, err
	}
	job, err := c.job()
	if err != nil {
		return syncer.Options{}, err
	}
	limit, err := syncer.ParseLimit(c.MaxDelete)
	if err != nil {
		return syncer.Options{}, usageError{fmt.Errorf("max-delete %w", err)}
	}
	types, err := c.indexTypes()
	if err != nil {
		return syncer.Options{}, err
	}
	opts := syncer.Options{
		Job: job, Collection: c.Collection, As: c.As, BaseDone: c.BaseDone, Create: c.Create, IndexTypes: types, Once: c.Once, CycleRows: int64(c.CycleRows),
		MaxRate: c.MaxRate, MaxDelete: limit, CursorField: c.CursorField, DiscardLate: c.DiscardLate,
	}
	for _, d := range []struct {
		setting setting
		text    string
		value   *time.Duration
	}{
		{interval, c.Interval, &opts.Interval}, {fullScanEvery, c.FullScanEvery, &opts.FullScanEvery}, {flushEvery, c.FlushEvery, &opts.FlushEvery},
	} {
		if *d.value, err = duration(d.setting, d.text); err != nil {
			return opts, err
		}
	}
	if !c.BaseDone {
		opts.Base, err = c.importStore(ctx, job)
	}
	return opts, err
}

func newSyncResult(r syncer.Report) syncResult {
	result := syncResult{Report: r, Seconds: r.Took.Seconds(), LagSeconds: r.Lag.Seconds()}
	if r.Err != nil {
		result.Error = r.Err.Error()
	}
	return result
}

func (r syncResult) text(w io.Writer) {
	fmt.Fprintf(w, "cycle %d", r.Cycle)
	if r.Position != nil && r.Position.Serving.Is(syncer.Target) {
		fmt.Fprint(w, ", ", r.Direction)
	}
	switch {
	case r.Error != "":
		fmt.Fprintf(w, ": %s\n", r.Error)
	case r.InStep:
		fmt.Fprintf(w, ": in step%s, %s\n", r.Position.But(), r.work())
	default:
		fmt.Fprintf(w, ": %s%s, %s\n", r.lag(), r.Position.But(), r.work())
	}
}

func (r syncResult) lag() string {
	if r.Lag < 0 {
		return "not all compared yet"
	}
	return "behind by " + r.Lag.Round(time.Second).String() + " at most"
}

func (r syncResult) work() string {
	text := fmt.Sprintf("%d ranges compared (%s) in %.1fs", r.Ranges, rows(r.Read), r.Took.Seconds())
	if r.By != "" {
		text += ", told by the " + r.By
	}
	if n := r.Inserted + r.Changed + r.Deleted; n > 0 {
		text += fmt.Sprintf("; %d rows inserted, %d changed, %d deleted", r.Inserted, r.Changed, r.Deleted)
	}
	if r.Passed > 0 {
		text += fmt.Sprintf("; %d differences passed by themselves", r.Passed)
	}
	if r.Unreadable > 0 {
		text += fmt.Sprintf("; %d rows are counted and never returned, so that nothing proves them", r.Unreadable)
	}
	return text
}
