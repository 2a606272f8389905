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
	"migrate/internal/source"
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
	Missing    []string    `json:"target_lacks_partitions,omitempty"`
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
		if r.Target, r.Missing, err = c.targetLacks(ctx, plan.Collection); err != nil {
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

// targetLacks says what an import would have to make on the target, of a collection that is there also the partitions, and what it
// would refuse.
func (c config) targetLacks(ctx context.Context, coll *milvus.Collection) (lacks, partitions []string, err error) {
	server, err := connectTarget(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	defer server.Close()
	lacks = serverLacks(server, coll)
	name := cmp.Or(c.As, coll.Name)
	if name == coll.Name && c.Target.Address == c.Source.Address && c.Target.Database == c.Source.Database {
		return append(lacks, "it is the source itself: give the cluster's address, or another name with --as"), nil, nil
	}
	have, err := server.Describe(ctx, name)
	if errors.Is(err, milvus.ErrNotFound) {
		return append(lacks, absent(name, coll)), nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	lacks = append(lacks, collectionLacks(name, coll, have)...)
	return append(lacks, fmt.Sprintf("collection %q is there: import refuses it if it has rows, unless told --into-existing", name)), coll.PartitionsLacking(have), nil
}

// serverLacks says what a target can't do.
func serverLacks(server *milvus.Server, coll *milvus.Collection) (lacks []string) {
	can := server.Capabilities()
	if fields := can.Unsupported(coll.Schema); len(fields) > 0 {
		lacks = append(lacks, "it does not take the types of "+strings.Join(fields, ", "))
	}
	if err := can.CheckKey(coll.Schema); err != nil {
		lacks = append(lacks, "import will refuse it: "+err.Error())
	}
	if can.ImportLosesStats {
		lacks = append(lacks, "Milvus "+server.Version()+" loses the statistics of imported segments, and import refuses it unless told --force")
	}
	return lacks
}

// absent is a collection that an import makes. The partitions of a partition key come with it.
func absent(name string, coll *milvus.Collection) string {
	partitions := fmt.Sprintf("its %d partitions", len(coll.Partitions))
	if milvus.PartitionKey(coll.Schema) {
		partitions = "its partition key"
	}
	return fmt.Sprintf("collection %q, %s and %d indexes: import creates them", name, partitions, len(coll.Indexes))
}

// collectionLacks says how a collection that is there differs from what it should be, partitions excepted.
func collectionLacks(name string, coll, have *milvus.Collection) (lacks []string) {
	found := milvus.Compare(coll, have)
	for _, d := range slices.Concat(found.Texts(milvus.Refuses), found.Of(milvus.IndexOf).Texts(milvus.Differs)) {
		lacks = append(lacks, fmt.Sprintf("collection %q is there and is another, and import will refuse it: %s", name, d))
	}
	for _, d := range slices.Concat(found.Of(milvus.Fields), found.Of(milvus.Properties), found.Of(milvus.Reads)).Texts(milvus.Differs) {
		lacks = append(lacks, fmt.Sprintf("collection %q is there, and import leaves it so: %s", name, d))
	}
	for _, d := range found.Of(milvus.MissingIndex).Texts(milvus.Differs) {
		lacks = append(lacks, d+": import creates it")
	}
	return lacks
}

func (r planResult) text(w io.Writer) {
	fmt.Fprintf(w, "collection %s: %s, about %s, indexes: %s\n", r.Collection, rows(r.Rows), size(r.Bytes), cmp.Or(strings.Join(r.Indexes, ", "), "none"))
	var empty []string
	for _, rng := range r.Ranges {
		if rng.Rows == 0 && rng.Range.Equal(columns.Range{}) && rng.Partition != source.AllPartitions {
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
