package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"migrate/exporter"
	"migrate/internal/export"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/monitor"
	"migrate/internal/move"
)

func newExport() *cobra.Command {
	return command("export", "Stream a collection into Parquet",
		`Streams a collection into Parquet objects, in a folder or a bucket, from several ranges of the primary key at once. Each
page is proved complete by the server's own count(*). The manifest, written last, makes the export complete; without it
nothing counts as exported.`,
		`  migrate export --source-address standalone:19530 --collection rag_documents
  migrate export --source-address standalone:19530 --collection rag_documents \
      --sink-url s3://exports/milvus --sink-endpoint minio:9000   # MIGRATE_SINK_ACCESS_KEY, MIGRATE_SINK_SECRET_KEY`,
		slices.Concat(sourceSettings, storageSettings, sinkSettings, selectionSettings, readSettings, []setting{collection, atOnce, jobSetting, workers, partSize, loadSetting, loadMemory, moveName, overwrite, allowUnreadable, maxRate}),
		runExport)
}

// exportResult is what --json prints.
type exportResult struct {
	Job      string         `json:"job"`
	URL      string         `json:"url"`
	Content  model.Sum      `json:"content"`
	Bytes    int64          `json:"bytes"`
	Parts    int            `json:"parts"`
	Read     string         `json:"read,omitempty"`     // how, where not by queries
	Snapshot string         `json:"snapshot,omitempty"` // the one instant of all rows, where the server can hold one
	Findings model.Findings `json:"findings"`
	usage
}

func runExport(cmd *cobra.Command, c config) error {
	if c.selects() {
		return c.moveMany(cmd.Context(), cmd.OutOrStdout(), move.Steps{Export: true}, c.monitor())
	}
	return c.export(cmd.Context(), cmd.OutOrStdout(), c.monitor())
}

// export exports, and seen is told of it.
func (c config) export(ctx context.Context, out io.Writer, seen *monitor.Monitor) error {
	started := time.Now()
	opts, err := exportOptions(c)
	if err != nil {
		return err
	}
	server, err := connectSource(ctx, c)
	if err != nil {
		return err
	}
	defer server.Close()
	server.WatchRetries(seen.Retries("source"))
	if opts.Read, err = c.reading(ctx, server); err != nil {
		return err
	}
	sink, err := openSink(ctx, c)
	if err != nil {
		return err
	}
	seen.Step("plan", 0)
	var bar steps
	opts.Planned = func(rows int64) { bar.next("export "+c.Collection, rows); seen.Step("export", rows) }
	opts.Progress = func(rows, bytes int64) { bar.add(rows, bytes); seen.Exported(rows, bytes) }
	opts.Kept = func(rows, bytes int64) { bar.add(rows, bytes); seen.Did(rows) }
	done, err := exporter.Export(ctx, server, c.Collection, sink, opts)
	bar.stop()
	if err != nil {
		return err
	}
	r := exportResult{
		Job: done.Job, URL: sink.URL(done.Job), Content: done.Total, Bytes: done.Bytes, Parts: objects(done),
		Read: done.Read, Snapshot: snapshot(done), Findings: done.Findings, usage: usageSince(started),
	}
	return c.print(out, r, r.text)
}

func exportOptions(c config) (exporter.Options, error) {
	if err := c.requireOne(); err != nil {
		return exporter.Options{}, err
	}
	job, err := c.job()
	if err != nil {
		return exporter.Options{}, err
	}
	if err := atLeastOne("workers", c.Workers); err != nil {
		return exporter.Options{}, err
	}
	bytes, err := c.partBytes()
	return exporter.Options{
		Job: job, Workers: c.Workers, PartBytes: bytes, Load: c.Load, Overwrite: c.Overwrite, AllowUnreadable: c.AllowUnreadable, MaxRate: c.MaxRate,
		Partitions: c.partitions,
	}, err
}

func snapshot(m *export.Manifest) string {
	if m.Snapshot == 0 {
		return ""
	}
	return milvus.Time(m.Snapshot).UTC().Format(time.RFC3339Nano)
}

func objects(m *export.Manifest) int {
	n := 0
	for _, p := range m.Parts {
		if p.Object != "" {
			n++
		}
	}
	return n
}

func (r exportResult) text(w io.Writer) {
	fmt.Fprintf(w, "exported %s (%s in %d parts) to %s, %s\n", rows(r.Content.Rows), size(r.Bytes), r.Parts, r.URL, r.usage)
	fmt.Fprintf(w, "checksum %016x\n", uint64(r.Content.Hash))
	if r.Read == readStorage {
		fmt.Fprintln(w, "read from the storage of the source")
	}
	if r.Snapshot != "" {
		fmt.Fprintf(w, "all rows are those of one instant, %s\n", r.Snapshot)
	}
	printFindings(w, "source", r.Findings)
}

// printFindings says what was found and not passed over.
func printFindings(w io.Writer, side string, f model.Findings) {
	for _, text := range f.Told(side) {
		fmt.Fprintln(w, text)
	}
}
