package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"migrate/exporter"
	"migrate/internal/columns"
	"migrate/internal/milvus"
)

func newPlan() *cobra.Command {
	return command("plan", "Say what would be moved, and what stands in the way",
		`A dry run: reads the schema, counts, cuts the keys into ranges and, where a target is given, says what it lacks. Changes
nothing.`,
		`  migrate plan --source-address standalone:19530 --target-address cluster:19530 --collection rag_documents`,
		slices.Concat(sourceSettings, targetSettings, []setting{collection, asSetting, workers, partSize}),
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
	usage
}

type planRange struct {
	Partition string `json:"partition"`
	columns.Range
	Rows int64 `json:"rows"`
}

func runPlan(cmd *cobra.Command, c config) error {
	ctx, started := cmd.Context(), time.Now()
	bytes, err := c.partBytes()
	if err != nil {
		return err
	}
	if err := require("collection", c.Collection); err != nil {
		return err
	}
	server, err := connectSource(ctx, c)
	if err != nil {
		return err
	}
	defer server.Close()
	plan, err := exporter.PlanExport(ctx, server, c.Collection, exporter.Options{Workers: c.Workers, PartBytes: bytes})
	if err != nil {
		return err
	}
	r := newPlanResult(plan)
	if c.Target.Address != "" {
		if r.Target, err = c.targetLacks(ctx, plan.Collection); err != nil {
			return err
		}
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

// targetLacks says what an import would have to make on the target, and what it would refuse.
func (c config) targetLacks(ctx context.Context, coll *milvus.Collection) ([]string, error) {
	server, err := connectTarget(ctx, c)
	if err != nil {
		return nil, err
	}
	defer server.Close()
	var lacks []string
	if fields := server.Capabilities().Unsupported(coll.Schema); len(fields) > 0 {
		lacks = append(lacks, "it does not take the types of "+strings.Join(fields, ", "))
	}
	if err := server.Capabilities().CheckKey(coll.Schema); err != nil {
		lacks = append(lacks, "import will refuse it: "+err.Error())
	}
	if server.Capabilities().ImportLosesStats {
		lacks = append(lacks, "Milvus "+server.Version()+" loses the statistics of imported segments, and import refuses it unless told --force")
	}
	name := coll.Name
	if c.As != "" {
		name = c.As
	}
	if name == coll.Name && c.Target.Address == c.Source.Address && c.Target.Database == c.Source.Database {
		return append(lacks, "it is the source itself: give the cluster's address, or another name with --as"), nil
	}
	have, err := server.Describe(ctx, name)
	if errors.Is(err, milvus.ErrNotFound) {
		return append(lacks, fmt.Sprintf("collection %q, its %d partitions and %d indexes: import creates them", name, len(coll.Partitions), len(coll.Indexes))), nil
	}
	if err != nil {
		return nil, err
	}
	found := milvus.Compare(coll, have)
	for _, d := range slices.Concat(found.Texts(milvus.Refuses), found.Of(milvus.IndexOf).Texts(milvus.Differs)) {
		lacks = append(lacks, fmt.Sprintf("collection %q is there and is another, and import will refuse it: %s", name, d))
	}
	for _, d := range slices.Concat(found.Of(milvus.Fields), found.Of(milvus.Properties), found.Of(milvus.Reads)).Texts(milvus.Differs) {
		lacks = append(lacks, fmt.Sprintf("collection %q is there, and import leaves it so: %s", name, d))
	}
	for _, d := range slices.Concat(found.Of(milvus.Partitions), found.Of(milvus.MissingIndex)).Texts(milvus.Differs) {
		lacks = append(lacks, d+": import creates it")
	}
	return append(lacks, fmt.Sprintf("collection %q is there: import refuses it if it has rows, unless told --into-existing", name)), nil
}

func (r planResult) text(w io.Writer) {
	fmt.Fprintf(w, "collection %s: %s, about %s, indexes: %s\n", r.Collection, rows(r.Rows), size(r.Bytes), cmp.Or(strings.Join(r.Indexes, ", "), "none"))
	for _, rng := range r.Ranges {
		fmt.Fprintf(w, "  partition %-20s keys %s: %s\n", rng.Partition, rng.Range, rows(rng.Rows))
	}
	fmt.Fprintln(w, "a plan does not know whether keys are there more than once: export carries one row of each, and tells how many")
	for _, t := range r.Target {
		fmt.Fprintln(w, "target:", t)
	}
}
