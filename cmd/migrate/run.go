package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"migrate/checkpoint"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/monitor"
	"migrate/internal/move"
	"migrate/internal/syncer"
	"migrate/sinks"
)

func newRun() *cobra.Command {
	return command("run", "Export, import, and then keep in step: the whole move in one command",
		`Exports the collection, imports it, and then keeps the target in step until it is interrupted; or with --once until all is
applied that was written before. What is done already is not done again, so the same command goes on wherever it ended. What the target
can't take, and rights that a login lacks on either side, are told before a row is exported.

Meanwhile a status page, Prometheus metrics, /healthz and /readyz are at --listen, from the export on.`,
		`  migrate run --source-address standalone:19530 --target-address cluster:19530 --collection rag_documents \
      --sink-url s3://exports/milvus --sink-endpoint minio:9000 --staging-url s3://a-bucket/staging`,
		slices.Concat(sourceSettings, storageSettings, readSettings, targetSettings, sinkSettings, stagingSettings, selectionSettings, aroundSettings,
			[]setting{collection, atOnce, moveName, jobSetting, asSetting, workers, partSize, loadSetting, allowUnreadable, viaSetting, jobs, intoExisting, keepIDs, newKeys, indexTypes, widen, force}, syncSettings),
		runRun)
}

func runRun(cmd *cobra.Command, c config) error {
	if c.selects() {
		return c.runMany(cmd)
	}
	opts, err := c.syncOptions(cmd.Context()) // before anything is moved
	if err != nil {
		return err
	}
	seen, out := c.monitor(), cmd.OutOrStdout()
	return c.whileServing(cmd.Context(), seen, func(ctx context.Context) error {
		err := c.move(ctx, out, seen)
		if err == nil && !c.BaseDone {
			opts.Base, err = c.importStore(ctx, opts.Job) // where the import that was begun just now has its checkpoint
		}
		if err != nil {
			return err
		}
		return c.sync(ctx, out, opts, seen)
	})
}

// move exports and imports, where that is not done.
func (c config) move(ctx context.Context, out io.Writer, seen *monitor.Monitor) error {
	job, err := c.job()
	if err != nil {
		return err
	}
	exported, err := c.checkRun(ctx, job)
	if err == nil && !exported {
		err = c.export(ctx, out, seen)
	}
	if err != nil {
		return err
	}
	imported, err := c.imported(ctx, job)
	if err != nil || imported {
		return err
	}
	return c.importExport(ctx, out, seen)
}

// checkRun refuses what can't be moved or kept in step, and logins that may not do so, before anything is changed. It reports whether the
// collection is exported already.
func (c config) checkRun(ctx context.Context, job string) (exported bool, err error) {
	e, err := openEnds(ctx, c)
	if err != nil {
		return false, err
	}
	defer e.close()
	coll, err := e.source.Describe(ctx, c.Collection)
	if err != nil {
		return false, err
	}
	if err := c.checkKeys(ctx, e.target, coll); err != nil {
		return false, err
	}
	if err := syncer.CheckCursor(e.source, coll, c.CursorField); err != nil {
		return false, err
	}
	if err := move.MayFollow(ctx, e.source, coll, c.Load); err != nil {
		return false, err
	}
	if _, err = export.Read(ctx, e.sink, job); errors.Is(err, export.ErrNone) {
		return false, c.checkTarget(ctx, e.target, coll, job)
	}
	return err == nil, err
}

// checkKeys refuses keys that the target would not keep, since nothing could be kept in step by them.
func (c config) checkKeys(ctx context.Context, target *milvus.Server, coll *model.Collection) error {
	if !model.AutoID(coll.Schema) || c.KeepIDs {
		return nil
	}
	opts := importer.Options{As: c.As, Via: c.namedWay(), NewKeys: c.NewKeys}
	kept, err := importer.KeepsKeys(ctx, target, coll, opts)
	if err != nil || kept {
		return err
	}
	return usageError{fmt.Errorf("collection %q has auto ids, and the target would give others, by which nothing can be kept in step: say --keep-ids, "+
		"or take a target that keeps them (2.5.19, 2.6.3 or later; one that is there by its property allow_insert_auto_id)", c.Collection)}
}

// checkTarget refuses what can't be imported, before it is exported, unless an import of it was begun.
func (c config) checkTarget(ctx context.Context, target *milvus.Server, coll *model.Collection, job string) error {
	if c.BaseDone {
		return nil
	}
	begun, err := c.importOf(ctx, job)
	if err != nil || begun != nil {
		return err
	}
	opts, err := c.importOptions()
	if err != nil {
		return err
	}
	if c.Via == viaAuto && c.stagingStore().Endpoint == "" {
		opts.Via = importer.Insert
	}
	return move.CanFill(ctx, target, coll, opts)
}

// imported reports whether the import of this job is done.
func (c config) imported(ctx context.Context, job string) (bool, error) {
	if c.BaseDone {
		return true, nil
	}
	done, err := c.importOf(ctx, job)
	return done != nil && done.State == checkpoint.Done, err
}

// importOf is the import of a job; nil where there is none.
func (c config) importOf(ctx context.Context, job string) (*checkpoint.Job, error) {
	store, err := c.importStore(ctx, job)
	if store == nil || err != nil {
		return nil, err
	}
	begun, err := checkpoint.ReadImport(ctx, store, job, c.Target.Database, cmp.Or(c.As, c.Collection))
	if errors.Is(err, sinks.ErrNotExist) {
		return nil, nil
	}
	return begun, err
}
