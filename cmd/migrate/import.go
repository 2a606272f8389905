package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/ingest"
	"migrate/internal/model"
	"migrate/internal/monitor"
	"migrate/sinks"
)

func newImport() *cobra.Command {
	return command("import", "Bulk-insert an export into a cluster",
		`Creates the collection that an export describes, stages the parts in the cluster's own bucket, bulk-inserts them with a
bounded number of jobs in flight, builds the indexes, loads, and counts. Every part is checked against the manifest before
the target is changed.`,
		`  migrate import --target-address cluster:19530 --collection rag_documents \
      --staging-url s3://a-bucket/staging --staging-endpoint minio:9000   # MIGRATE_STAGING_ACCESS_KEY, …_SECRET_KEY`,
		slices.Concat(targetSettings, sinkSettings, stagingSettings, []setting{collection, jobSetting, asSetting, jobs, intoExisting, keepIDs, indexTypes, widen, force}),
		runImport)
}

// importResult is what --json prints.
type importResult struct {
	*importer.Result
	usage
}

func runImport(cmd *cobra.Command, c config) error {
	return c.bulkInsert(cmd.Context(), cmd.OutOrStdout(), c.monitor())
}

// bulkInsert imports, and seen is told of it.
func (c config) bulkInsert(ctx context.Context, out io.Writer, seen *monitor.Monitor) error {
	started := time.Now()
	job, err := c.job()
	if err != nil {
		return err
	}
	if err := atLeastOne("jobs", c.Jobs); err != nil {
		return err
	}
	types, err := c.indexTypes()
	if err != nil {
		return err
	}
	server, err := connectTarget(ctx, c)
	if err != nil {
		return err
	}
	defer server.Close()
	server.WatchRetries(seen.Retries("target"))
	sink, err := openSink(ctx, c)
	if err != nil {
		return err
	}
	m, err := c.readManifest(ctx, sink, job)
	if err != nil {
		return err
	}
	staging, err := openStaging(ctx, c)
	if err != nil {
		return err
	}
	var bar steps
	done, err := importer.Import(ctx, server, sink, m, staging, importer.Options{
		As: c.As, Jobs: c.Jobs, IntoExisting: c.IntoExisting, KeepIDs: c.KeepIDs, IndexTypes: types, Widen: c.Widen, Force: c.Force,
		Step:     func(name string, rows int64) { bar.next(name, rows); seen.Step(name, rows) },
		Progress: func(rows, bytes int64) { bar.add(rows, bytes); seen.Did(rows) },
		Imported: seen.Imported,
		Job:      func(id int64, state ingest.State, why string) { seen.Job(id, string(state), why) },
	})
	bar.stop()
	if err != nil {
		return err
	}
	r := importResult{done, usageSince(started)}
	return c.print(out, r, r.text)
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
	fmt.Fprintf(w, "imported %s (%s) into %s, %s\n", rows(r.Rows), size(r.Bytes), r.Collection, r.usage)
	if r.Keys != "" {
		fmt.Fprintln(w, r.Keys)
	}
	if r.EmptyLists > 0 {
		fmt.Fprintf(w, "%s with an empty list in a nullable ARRAY were brought by upsert, since bulk insert makes NULL of it\n", rows(r.EmptyLists))
	}
	if len(r.Unindexed) > 0 {
		fmt.Fprintf(w, "the server has not finished these indexes, and may never: %s\n", strings.Join(r.Unindexed, ", "))
	}
	if len(r.Aliases) > 0 {
		fmt.Fprintf(w, "aliases still to be made on the target: %s\n", strings.Join(r.Aliases, ", "))
	}
}
