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

	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

func newPlan() *cobra.Command {
	return command("plan", "Say what would be moved, and what stands in the way",
		`A dry run: reads the schema, counts, cuts the keys into ranges and, where a target is given, says what it lacks. Changes
nothing.`,
		`  migrate plan --source-address standalone:19530 --target-address cluster:19530 --collection rag_documents`,
		slices.Concat(sourceSettings, targetSettings, sinkSettings, []setting{collection, jobSetting, asSetting, workers, partSize, widen}),
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
		exported := c.exported(ctx)
		if r.Target, r.Missing, err = c.targetLacks(ctx, plan, exported); err != nil {
			return err
		}
		r.Exported = exported != nil
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

// targetLacks says what an import would have to make on the target, of a collection that is there also the partitions, and what it
// would refuse.
func (c config) targetLacks(ctx context.Context, plan *exporter.Plan, exported *export.Manifest) (lacks, partitions []string, err error) {
	coll := plan.Collection
	server, err := connectTarget(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	defer server.Close()
	lacks = serverLacks(server, coll)
	lacks = append(lacks, roomLacks(ctx, server, plan)...)
	lacks = append(lacks, c.valuesRefused(server, coll, exported)...)
	name := cmp.Or(c.As, coll.Name)
	if name == coll.Name && c.Target.Address == c.Source.Address && c.Target.Database == c.Source.Database {
		return append(lacks, "it is the source itself: give the cluster's address, or another name with --as"), nil, nil
	}
	have, err := server.Describe(ctx, name)
	if errors.Is(err, milvus.ErrNotFound) {
		return append(lacks, absent(name, coll)), nil, nil
	}
	if errors.Is(err, milvus.ErrAlias) {
		return append(lacks, fmt.Sprintf("%v, and import will refuse it: give another name with --as", err)), nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	lacks = append(lacks, collectionLacks(name, coll, have)...)
	return append(lacks, fmt.Sprintf("collection %q is there: import refuses it if it has rows, unless told --into-existing", name)), coll.PartitionsLacking(have), nil
}

// serverLacks says what a target can't do.
func serverLacks(server *milvus.Server, coll *model.Collection) (lacks []string) {
	can := server.Capabilities()
	if fields := can.Unsupported(coll.Schema); len(fields) > 0 {
		lacks = append(lacks, "it does not take the types of "+strings.Join(fields, ", "))
	}
	if err := can.CheckKey(coll.Schema); err != nil {
		lacks = append(lacks, "import will refuse it: "+err.Error())
	}
	lacks = append(lacks, can.BeyondLimits(coll.Schema)...)
	if can.ImportLosesStats {
		lacks = append(lacks, "Milvus "+server.Version()+" loses the statistics of imported segments, and import refuses it unless told --force")
	}
	return lacks
}

// absent is a collection that an import makes. The partitions of a partition key come with it.
func absent(name string, coll *model.Collection) string {
	partitions := fmt.Sprintf("its %d partitions", len(coll.Partitions))
	if model.PartitionKey(coll.Schema) {
		partitions = "its partition key"
	}
	return fmt.Sprintf("collection %q, %s and %d indexes: import creates them", name, partitions, len(coll.Indexes))
}

// collectionLacks says how a collection that is there differs from what it should be, partitions excepted.
func collectionLacks(name string, coll, have *model.Collection) (lacks []string) {
	found := model.Compare(coll, have)
	for _, d := range slices.Concat(found.Texts(model.Refuses), found.Of(model.IndexOf).Texts(model.Differs)) {
		lacks = append(lacks, fmt.Sprintf("collection %q is there and is another, and import will refuse it: %s", name, d))
	}
	for _, d := range slices.Concat(found.Of(model.Fields), found.Of(model.Properties), found.Of(model.Reads)).Texts(model.Differs) {
		lacks = append(lacks, fmt.Sprintf("collection %q is there, and import leaves it so: %s", name, d))
	}
	for _, d := range found.Of(model.MissingIndex).Texts(model.Differs) {
		lacks = append(lacks, d+": import creates it")
	}
	return lacks
}

// roomLacks holds what a collection takes against the room that the target tells of.
func roomLacks(ctx context.Context, server *milvus.Server, plan *exporter.Plan) []string {
	room, err := server.Room(ctx)
	if err != nil {
		return []string{fmt.Sprintf("nothing is known of its room: %v", err)}
	}
	var lacks []string
	if room.QueryNodes > 0 {
		verdict := "is enough for"
		if plan.Bytes > room.MemoryFree {
			verdict = "IS LESS THAN"
		}
		lacks = append(lacks, fmt.Sprintf("%s of memory is free on its %d query nodes, which %s the %s that a load takes about",
			size(room.MemoryFree), room.QueryNodes, verdict, size(plan.Bytes)))
	}
	if room.DiskQuota > 0 && plan.Bytes > room.DiskQuota {
		lacks = append(lacks, fmt.Sprintf("the disk quota of its database is %s, LESS THAN the %s to come", size(room.DiskQuota), size(plan.Bytes)))
	}
	if room.Collections > 0 && room.Have >= room.Collections {
		lacks = append(lacks, fmt.Sprintf("its database has %d collections and may have %d", room.Have, room.Collections))
	}
	return lacks
}

// valuesRefused says which values of an export an import would be refused for.
func (c config) valuesRefused(server *milvus.Server, coll *model.Collection, exported *export.Manifest) []string {
	if exported == nil {
		return nil
	}
	schema := model.CloneSchema(coll.Schema)
	if c.Widen {
		importer.Widen(schema, exported.Columns)
	}
	var refused []string
	if err := importer.Refused(server.Capabilities(), schema, exported); err != nil {
		refused = append(refused, "import will refuse the export: "+err.Error())
	}
	for _, long := range importer.LongJSON(exported) {
		refused = append(refused, long+": import brings it, and a sync can't bring a change to it")
	}
	return refused
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
