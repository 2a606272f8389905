package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"migrate/checkpoint"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/ingest"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/monitor"
	"migrate/internal/move"
	"migrate/sinks"
)

func newImport() *cobra.Command {
	return command("import", "Bring an export into a cluster or a Milvus Lite",
		`Creates the collection that an export describes, stages the parts in the cluster's own bucket, bulk-inserts them with a
bounded number of jobs in flight, builds the indexes, loads, and counts. Every part is checked against the manifest before
the target is changed.

Where the target has no bulk insert, as Milvus Lite, or no staging store is given, the rows are inserted, a few megabytes a
call: upserted with the keys that they have, or with --new-keys inserted once with those that the target gives.

With --parquet it is a folder of Parquet that others wrote by the rules of bulk insert, such as pymilvus' bulk writer. Every file is read
before the target is changed: columns, values and keys are held against the collection, which is there or which --schema describes.`,
		`  migrate import --target-address cluster:19530 --collection rag_documents \
      --staging-url s3://a-bucket/staging --staging-endpoint minio:9000   # MIGRATE_STAGING_ACCESS_KEY, …_SECRET_KEY
  migrate import --via insert --target-address 127.0.0.1:19530 --collection rag_documents
  migrate import --target-address cluster:19530 --collection rag_documents --parquet ./bulk-writer \
      --staging-url s3://a-bucket/staging --staging-endpoint minio:9000`,
		slices.Concat(targetSettings, sinkSettings, stagingSettings, selectionSettings, []setting{
			collection, atOnce, parquetSetting, schemaSetting, jobSetting, asSetting, viaSetting, jobs, intoExisting, keepIDs, newKeys, indexTypes, widen, force,
		}),
		runImport)
}

// importResult is what --json prints.
type importResult struct {
	*importer.Result
	usage
}

func runImport(cmd *cobra.Command, c config) error {
	if c.selects() {
		return c.moveMany(cmd.Context(), cmd.OutOrStdout(), move.Steps{Import: true}, c.monitor())
	}
	return c.importExport(cmd.Context(), cmd.OutOrStdout(), c.monitor())
}

// importExport imports, and seen is told of it.
func (c config) importExport(ctx context.Context, out io.Writer, seen *monitor.Monitor) error {
	started := time.Now()
	job, err := c.job()
	if err != nil {
		return err
	}
	if err := cmp.Or(atLeastOne("jobs", c.Jobs), c.checkWay()); err != nil {
		return err
	}
	opts, err := c.importOptions()
	if err != nil {
		return err
	}
	server, err := connectTarget(ctx, c)
	if err != nil {
		return err
	}
	defer server.Close()
	server.WatchRetries(seen.Retries("target"))
	from, err := c.openExport(ctx, server, job, seen)
	if err != nil {
		return err
	}
	var staging importer.Staging
	if opts.Via, staging, err = c.way(ctx, server, from.jobs, from.manifest); err != nil {
		return err
	}
	var bar steps
	opts.Checkpoint = from.jobs
	opts.Step = func(name string, rows int64) { bar.next(name, rows); seen.Step(name, rows) }
	opts.Progress = func(rows, bytes int64) { bar.add(rows, bytes); seen.Did(rows) }
	opts.Imported = seen.Imported
	opts.Job = func(id int64, state ingest.State, why string) { seen.Job(id, string(state), why) }
	if err := move.MayImport(ctx, server, from.manifest, opts); err != nil {
		return err
	}
	done, err := importer.Import(ctx, server, from.sink, from.manifest, staging, opts)
	bar.stop()
	if err != nil {
		return err
	}
	r := importResult{done, usageSince(started)}
	return c.print(out, r, r.text)
}

// importOptions are what is said of an import.
func (c config) importOptions() (importer.Options, error) {
	types, err := c.indexTypes()
	return importer.Options{
		As: c.As, Via: c.namedWay(), Jobs: c.Jobs, IntoExisting: c.IntoExisting, KeepIDs: c.KeepIDs, NewKeys: c.NewKeys, IndexTypes: types, Widen: c.Widen, Force: c.Force,
	}, err
}

// viaAuto is the best way that there is.
const viaAuto = "auto"

func warnUnstaged(ctx context.Context) {
	slog.WarnContext(ctx, "no staging store is given, so the rows are inserted; bulk insert is quicker, by --staging-url and --staging-endpoint")
}

// checkWay refuses a way that there is not, and keys that are to be kept and given anew.
func (c config) checkWay() error {
	if !slices.Contains([]string{"", viaAuto, string(importer.Bulk), string(importer.Insert)}, c.Via) {
		return usageError{fmt.Errorf("via %q: bulk, insert or auto", c.Via)}
	}
	if c.KeepIDs && c.NewKeys {
		return usageError{errors.New("keep-ids and new-keys: which of them is meant?")}
	}
	return nil
}

// way is how the rows of an export come to a target, and the store that its bulk insert reads; nil where they are inserted.
func (c config) way(ctx context.Context, server *milvus.Server, sink sinks.Sink, m *export.Manifest) (importer.Way, importer.Staging, error) {
	switch {
	case c.Via == string(importer.Insert), c.Via == viaAuto && !server.Capabilities().BulkInserts():
		return importer.Insert, nil, nil
	case c.Via == viaAuto:
		_, err := checkpoint.ReadImport(ctx, sink, m.Job, server.Database(), cmp.Or(c.As, m.Collection.Name))
		switch {
		case err == nil, errors.Is(err, checkpoint.ErrDamaged), errors.Is(err, checkpoint.ErrVersion): // so it was begun, and lies there
			return importer.Insert, nil, nil
		case !errors.Is(err, sinks.ErrNotExist):
			return "", nil, err
		}
		if c.stagingStore().Endpoint == "" {
			warnUnstaged(ctx)
			return importer.Insert, nil, nil
		}
	}
	staging, err := openStaging(ctx, c)
	return c.namedWay(), staging, err
}

// namedWay is the way that is asked for; "" for the best that there is.
func (c config) namedWay() importer.Way {
	if c.Via == viaAuto {
		return ""
	}
	return importer.Way(c.Via)
}

// importStore is the store that holds the checkpoint of an import: the sink where its rows were inserted, and otherwise the staging store;
// nil where none is given.
func (c config) importStore(ctx context.Context, job string) (sinks.Sink, error) {
	sink, err := openSink(ctx, c)
	if err != nil {
		return nil, err
	}
	_, err = checkpoint.ReadImport(ctx, sink, job, c.Target.Database, cmp.Or(c.As, c.Collection))
	switch {
	case !errors.Is(err, sinks.ErrNotExist):
		return sink, err
	case c.stagingStore().Endpoint == "":
		return nil, nil
	}
	return openStaging(ctx, c)
}

// indexTypes are the types that indexes are to have on the target.
func (c config) indexTypes() (map[string]string, error) {
	types, err := model.ParseIndexTypes(c.Index)
	if err != nil {
		return nil, usageError{err}
	}
	return types, nil
}

// readManifest reads the manifest of an export. One of another collection than the one that is named is refused: it would be
// moved under a name that nobody gave.
func (c config) readManifest(ctx context.Context, sink sinks.Sink, job string) (*export.Manifest, error) {
	m, err := export.Read(ctx, sink, job)
	if err != nil {
		return nil, err
	}
	if of := m.Collection.Name; c.Collection != "" && c.Collection != of {
		return nil, usageError{fmt.Errorf("export %q at %s is of collection %q, and not of %q; give it another name on the target with --as",
			job, sink.URL(job), of, c.Collection)}
	}
	return m, nil
}

func (r importResult) text(w io.Writer) {
	by := ""
	if r.Via == importer.Insert {
		by = " by inserts"
	}
	fmt.Fprintf(w, "imported %s (%s) into %s%s, %s\n", rows(r.Rows), size(r.Bytes), r.Collection, by, r.usage)
	if r.Keys != "" {
		fmt.Fprintln(w, r.Keys)
	}
	if r.EmptyLists > 0 {
		fmt.Fprintf(w, "%s with an empty list in a nullable ARRAY were brought by upsert, since bulk insert makes NULL of it\n", rows(r.EmptyLists))
	}
	if r.NotFinite > 0 {
		fmt.Fprintf(w, "%s with NaN or an infinity were brought by upsert, since bulk insert refuses them\n", rows(r.NotFinite))
	}
	if len(r.Unindexed) > 0 {
		fmt.Fprintf(w, "the server has not finished these indexes, and may never: %s\n", strings.Join(r.Unindexed, ", "))
	}
	if len(r.Aliases) > 0 {
		fmt.Fprintf(w, "aliases still to be made on the target: %s\n", strings.Join(r.Aliases, ", "))
	}
}
