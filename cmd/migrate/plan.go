package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"migrate/exporter"
	"migrate/internal/export"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/move"
)

func newPlan() *cobra.Command {
	return command("plan", "Say what would be moved, and what stands in the way",
		`A dry run: reads the schema, counts, cuts the keys into ranges and, where a target is given, says what it lacks. Changes
nothing.`,
		`  migrate plan --source-address standalone:19530 --target-address cluster:19530 --collection rag_documents`,
		slices.Concat(sourceSettings, storageSettings, readSettings, targetSettings, sinkSettings, selectionSettings, aroundSettings, []setting{collection, moveName, loadSetting, jobSetting, asSetting, viaSetting, workers, partSize, keepIDs, newKeys, indexTypes, widen}),
		runPlan)
}

// planResult is what --json prints.
type planResult struct {
	Collection string      `json:"collection"`
	Rows       int64       `json:"rows"`
	Bytes      int64       `json:"estimated_bytes"`
	Ranges     []planRange `json:"ranges"`
	Indexes    []string    `json:"indexes"`
	Aliases    []string    `json:"aliases,omitempty"`
	Target     []string    `json:"target,omitempty"` // what it lacks or what stands in the way, in words
	Exported   bool        `json:"exported"`         // so that every value was held against what the target takes
	Missing    []string    `json:"target_lacks_partitions,omitempty"`
	usage
}

type planRange struct {
	Partition string `json:"partition"`
	model.Range
	Rows int64 `json:"rows"`
}

func runPlan(cmd *cobra.Command, c config) error {
	if c.selects() {
		return c.planMany(cmd)
	}
	ctx, started := cmd.Context(), time.Now()
	bytes, err := c.partBytes()
	if err != nil {
		return err
	}
	if err := cmp.Or(c.requireOne(), c.checkWay()); err != nil {
		return err
	}
	server, err := connectSource(ctx, c)
	if err != nil {
		return err
	}
	defer server.Close()
	read, err := c.reading(ctx, server)
	if err != nil {
		return err
	}
	plan, err := exporter.PlanExport(ctx, server, c.Collection, exporter.Options{Workers: c.Workers, PartBytes: bytes, Read: read})
	if err != nil {
		return err
	}
	r := newPlanResult(plan)
	if c.Target.Address != "" {
		exported := c.exported(ctx)
		lacks, err := c.targetLacks(ctx, server, plan, exported)
		if err != nil {
			return err
		}
		r.Target, r.Missing, r.Exported = lacks.Told, lacks.Partitions, exported != nil
	}
	r.usage = usageSince(started)
	return c.print(cmd.OutOrStdout(), r, r.text)
}

func newPlanResult(plan *exporter.Plan) planResult {
	r := planResult{Collection: plan.Collection.Name, Rows: plan.Rows, Bytes: plan.Bytes, Aliases: plan.Collection.Aliases}
	for _, rng := range plan.Ranges {
		r.Ranges = append(r.Ranges, planRange{rng.Partition, rng.Range, rng.Rows})
	}
	for _, x := range plan.Collection.Indexes {
		r.Indexes = append(r.Indexes, fmt.Sprintf("%s on %s", x.Name, x.Field))
	}
	return r
}

// exported is the manifest of the export that an import would take; nil where there is none yet.
func (c config) exported(ctx context.Context) *export.Manifest {
	job, err := c.job()
	if err != nil {
		return nil
	}
	sink, err := openSink(ctx, c)
	if err != nil {
		return nil
	}
	m, err := c.readManifest(ctx, sink, job)
	if err != nil {
		slog.DebugContext(ctx, "no export to hold against the target", "reason", err)
		return nil
	}
	return m
}

func (c config) targetLacks(ctx context.Context, source *milvus.Server, plan *exporter.Plan, exported *export.Manifest) (move.Lacks, error) {
	opts, err := c.importOptions()
	if err != nil {
		return move.Lacks{}, err
	}
	server, err := connectTarget(ctx, c)
	if err != nil {
		return move.Lacks{}, err
	}
	defer server.Close()
	return move.Target{Server: server, Source: source, Options: opts, Exported: exported}.Lacks(ctx, plan)
}

func (r planResult) text(w io.Writer) {
	fmt.Fprintf(w, "collection %s: %s, about %s, indexes: %s\n", r.Collection, rows(r.Rows), size(r.Bytes), cmp.Or(strings.Join(r.Indexes, ", "), "none"))
	var empty []string
	for _, rng := range r.Ranges {
		if rng.Rows == 0 && rng.Range.Equal(model.Range{}) && rng.Partition != model.AllPartitions {
			empty = append(empty, rng.Partition)
			continue
		}
		fmt.Fprintf(w, "  partition %-20s keys %s: %s\n", rng.Partition, rng.Range, rows(rng.Rows))
	}
	if len(empty) > 0 {
		fmt.Fprintf(w, "  %s\n", counted(empty, "empty partition"))
	}
	fmt.Fprintln(w, "a plan does not know whether keys are there more than once: export carries one row of each, and tells how many")
	for _, t := range r.Target {
		fmt.Fprintln(w, "target:", t)
	}
	if !r.Exported {
		fmt.Fprintln(w, "whether the target takes every value is known after the export: give the same command again then")
	}
	if len(r.Missing) > 0 {
		fmt.Fprintf(w, "target: it lacks %s: import creates them\n", counted(r.Missing, "partition"))
	}
}

// namedMost is how many names a line has.
const namedMost = 5

// counted is how many there are of what, and the names of the first.
func counted(names []string, what string) string {
	if len(names) > 1 {
		what += "s"
	}
	listed := strings.Join(names[:min(len(names), namedMost)], ", ")
	if len(names) > namedMost {
		listed += ", …"
	}
	return fmt.Sprintf("%d %s: %s", len(names), what, listed)
}
