package move

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// Target is what a planned export is held against: a server, and how an import into it would be done.
type Target struct {
	Server *milvus.Server
	Source *milvus.Server // of the plan; nil where it can't be the same one
	importer.Options
	Exported *export.Manifest // by which every value is held against what the server takes; nil where nothing is exported yet
}

// Lacks are what an import would have to make on a target, and what it would refuse.
type Lacks struct {
	Told       []string // in words
	Partitions []string // that a collection which is there has not
}

// Lacks says what a target lacks for what is planned, and what stands in the way.
func (t Target) Lacks(ctx context.Context, plan *exporter.Plan) (Lacks, error) {
	can := t.Server.Capabilities()
	coll, err := importer.Wanted(can, plan.Collection, t.Options)
	if err != nil {
		return Lacks{}, err
	}
	name := coll.Name
	have, unknown := t.Server.Describe(ctx, name)
	keys := importer.KeysOf(can, plan.Collection, have, t.Options)
	t.Via = keys.Via
	told := slices.Concat(t.serverLacks(coll), t.wayLacks(coll, keys), liteLacks(can, coll), roomLacks(ctx, t.Server, plan), t.valuesRefused(coll, keys.New))
	if name == plan.Collection.Name && t.isSource() {
		return Lacks{Told: append(told, "it is the source itself: give the cluster's address, or another name with --as")}, nil
	}
	switch {
	case errors.Is(unknown, milvus.ErrNotFound):
		return Lacks{Told: append(told, absent(name, coll))}, nil
	case errors.Is(unknown, milvus.ErrAlias):
		return Lacks{Told: append(told, fmt.Sprintf("%v, and import will refuse it: give another name with --as", unknown))}, nil
	case unknown != nil:
		return Lacks{}, unknown
	}
	told = append(told, collectionLacks(name, coll, have)...)
	told = append(told, fmt.Sprintf("collection %q is there: import refuses it if it has rows, unless told --into-existing", name))
	return Lacks{told, coll.PartitionsLacking(have)}, nil
}

func (t Target) isSource() bool {
	return t.Source != nil && t.Source.Address == t.Server.Address && t.Source.Database() == t.Server.Database()
}

// serverLacks says what a target can't do.
func (t Target) serverLacks(coll *model.Collection) (lacks []string) {
	can := t.Server.Capabilities()
	if fields := can.Unsupported(coll); len(fields) > 0 {
		lacks = append(lacks, "it does not take the types of "+strings.Join(fields, ", "))
	}
	if err := can.CheckKey(coll.Schema); err != nil {
		lacks = append(lacks, "import will refuse it: "+err.Error())
	}
	lacks = append(lacks, can.BeyondLimits(coll.Schema)...)
	if lacking := can.Unbuildable(coll); len(lacking) > 0 {
		lacks = append(lacks, fmt.Sprintf("it does not build %s, and import will refuse that; with --index '%s' it makes the nearest that it builds (%s: none)",
			model.Listed(lacking), model.Offer(lacking), model.NoIndex))
	}
	return lacks
}

// wayLacks says what of the way that the rows come by is to be known.
func (t Target) wayLacks(coll *model.Collection, keys importer.Keys) (lacks []string) {
	can := t.Server.Capabilities()
	if keys.Told != "" {
		lacks = append(lacks, keys.Told)
	}
	if t.Via == importer.Insert {
		if !can.BulkInserts() {
			lacks = append(lacks, "it has no bulk insert: import inserts the rows, a few megabytes a call")
		}
		if keys.New && !t.NewKeys {
			lacks = append(lacks, "import refuses to insert rows that get new keys, unless told --new-keys, or --keep-ids")
		}
		return lacks
	}
	if fields := can.NotImportedOf(coll.Schema); len(fields) > 0 {
		lacks = append(lacks, "its bulk insert does not take "+strings.Join(fields, ", ")+"; with --via insert they come")
	}
	if can.ImportLosesStats {
		lacks = append(lacks, "Milvus "+t.Server.Version()+" loses the statistics of imported segments, and import refuses it unless told --force, or --via insert")
	}
	return lacks
}

// liteLacks says what becomes of rows on a Milvus Lite.
func liteLacks(can model.Capabilities, coll *model.Collection) (lacks []string) {
	if err := can.CheckFilters(coll.Schema); err != nil {
		lacks = append(lacks, "it "+err.Error()+", so that sync refuses it")
	}
	if more := len(coll.OtherPartitions()); more > 0 && !can.Partitions && !model.PartitionKey(coll.Schema) {
		lacks = append(lacks, fmt.Sprintf("it has no partitions but the default one, and there are %d others", more))
	}
	if documents := model.Documents(coll.Schema); can.RewritesJSON && len(documents) > 0 {
		lacks = append(lacks, "it spells JSON anew, so that verify and sync compare "+strings.Join(documents, ", ")+" by value there, and not by bytes")
	}
	if len(can.DropsNames) > 0 && coll.Schema.GetEnableDynamicField() {
		lacks = append(lacks, fmt.Sprintf("it drops %s of the dynamic field: rows that have them differ for ever", strings.Join(can.DropsNames, " and ")))
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

// valuesRefused says which values of an export an import would be refused for, or would change.
func (t Target) valuesRefused(coll *model.Collection, newKeys bool) []string {
	if t.Exported == nil {
		return nil
	}
	schema := model.CloneSchema(coll.Schema)
	if t.Widen {
		importer.Widen(schema, t.Exported.Columns)
	}
	var refused []string
	if err := importer.Refused(t.Server.Capabilities(), t.Via, newKeys, schema, t.Exported); err != nil {
		refused = append(refused, "import will refuse the export: "+err.Error())
	}
	for _, change := range importer.Changed(t.Server.Capabilities(), t.Via, newKeys, schema, t.Exported) {
		refused = append(refused, "not all values will be the same: "+change)
	}
	if t.Via == importer.Insert {
		return refused
	}
	if odd := importer.OddFields(t.Exported); len(odd) > 0 && !newKeys {
		refused = append(refused, "its bulk insert refuses NaN and infinities, as in "+strings.Join(odd, ", ")+": import upserts such rows after it")
	}
	for _, long := range importer.LongJSON(t.Exported) {
		refused = append(refused, long+": import brings it, and a sync can't bring a change to it")
	}
	return refused
}

func size(n int64) string { return humanize.IBytes(uint64(n)) }
