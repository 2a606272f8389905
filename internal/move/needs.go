package move

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// need is a right, and a call that needs it and does nothing wherever it is made: a server looks at rights first, and refuses what else it is
// asked.
type need struct {
	right string
	ask   func(milvus.Probe, context.Context) error
}

var (
	createCollection = need{"CreateCollection", milvus.Probe.CreateCollection}
	createDatabase   = need{"CreateDatabase", milvus.Probe.CreateDatabase}
	createAlias      = need{"CreateAlias", milvus.Probe.CreateAlias}
	createPartition  = need{"CreatePartition", milvus.Probe.CreateNoPartition}
	createIndex      = need{"CreateIndex", milvus.Probe.CreateIndex}
	showPartitions   = need{"ShowPartitions", milvus.Probe.Partitions}
	load             = need{"Load", milvus.Probe.LoadNothing}
	release          = need{"Release", milvus.Probe.ReleaseNothing}
	count            = need{"Query", milvus.Probe.Count}
	insert           = need{"Insert", milvus.Probe.InsertNothing}
	upsert           = need{"Upsert", milvus.Probe.UpsertNothing}
	remove           = need{"Delete", milvus.Probe.DeleteNothing}
	flush            = need{"Flush", milvus.Probe.Flush}
	flushState       = need{"GetFlushState", milvus.Probe.FlushState}
	bulkInsert       = need{"Import", milvus.Probe.Import}
)

// allowed refuses a collection that the logins have not all rights to that its move needs. They are asked for a name that nobody has, once in
// each database; those that are granted by names, of which that says nothing, are asked for the collection's own.
func (m *moving) allowed(ctx context.Context, p *Planned, coll *model.Collection) error {
	if rightsCount(m.Source) {
		if err := m.sourceRights.missing(ctx, m.Source.In(p.Database), p.Collection, m.toRead(coll), func() bool { return m.reading(ctx, p) }); err != nil {
			return err
		}
	}
	return m.mayMake(ctx, p, coll)
}

// mayMake refuses one that the target's login has not all rights to.
func (m *moving) mayMake(ctx context.Context, p *Planned, coll *model.Collection) error {
	if !m.Steps.Import || m.Target == nil || !rightsCount(m.Target) {
		return nil
	}
	database := m.Target.In(p.Target.Database)
	lacksDatabase := func() bool {
		names, err := m.Target.Databases(ctx)
		return p.Target.Database != "" && (err != nil || !slices.Contains(names, p.Target.Database))
	}
	if err := m.targetRights.missing(ctx, database, p.Target.Collection, []need{createDatabase}, lacksDatabase); err != nil {
		return err
	}
	return m.targetRights.toCreate(ctx, database, p.Target.Collection, m.toMake(p, coll))
}

// MayImport refuses the import of one export by a login that has not all rights that it needs, before anything is changed. Of a collection
// that is there nothing is asked.
func MayImport(ctx context.Context, server *milvus.Server, m *export.Manifest, opts importer.Options) error {
	opts.NewKeys = opts.NewKeys || m.Keyless()
	return mayImport(ctx, server, m.Collection.Milvus(), opts, false)
}

// CanFill refuses one collection that is to be exported still, imported, and then kept in step, for what is known of it by its description, and for
// rights that the login of the target lacks.
func CanFill(ctx context.Context, target *milvus.Server, coll *model.Collection, opts importer.Options) error {
	if _, err := importer.Fits(ctx, target, coll, opts); err != nil {
		return err
	}
	return mayImport(ctx, target, coll, opts, true)
}

func mayImport(ctx context.Context, server *milvus.Server, coll *model.Collection, opts importer.Options, follows bool) error {
	if !rightsCount(server) {
		return nil
	}
	needs := needed(toImport(server.Capabilities(), coll, opts, follows))
	needs.add(asksToBulkInsert(server, opts), bulkInsert)
	return new(knownRights).toCreate(ctx, server, cmp.Or(opts.As, coll.Name), needs)
}

// MayFollow refuses one collection that a target is to be kept in step with, by a login of the source that may not read it, and flush it; nor load
// it, where that is to be done.
func MayFollow(ctx context.Context, source *milvus.Server, coll *model.Collection, loads bool) error {
	if !rightsCount(source) {
		return nil
	}
	needs := needed{count, flush, flushState}
	needs.add(loads && !coll.Loaded, load, release)
	return new(knownRights).missing(ctx, source, coll.Name, needs, func() bool { return true })
}

// toRead are the rights to read a collection of the source.
func (m *moving) toRead(coll *model.Collection) []need {
	switch {
	case len(coll.Unindexed()) > 0: // it can't be loaded, and is seen to be empty by its segments
		return []need{flush, flushState}
	case coll.Loaded:
		return []need{count}
	}
	return []need{count, load, release}
}

// needed are needs of which some depend on what is to be done.
type needed []need

func (n *needed) add(when bool, more ...need) {
	if when {
		*n = append(*n, more...)
	}
}

// toMake are the rights to make a collection on the target, as it is to be. That to bulk insert is asked for elsewhere.
func (m *moving) toMake(p *Planned, coll *model.Collection) []need {
	needs := needed(toImport(m.Target.Capabilities(), coll, m.importOptions(p), false))
	if m.Steps.Verify { // and then it is completed
		needs.add(len(p.aliases) > 0, createAlias)
		needs.add(!m.Import.IntoExisting && !p.load.Whole(coll.Partitions), release)
	}
	return needs
}

// toImport are the rights to import a collection into a server that has it not, but for that to bulk insert; and to keep it in step where a sync
// follows.
func toImport(can model.Capabilities, coll *model.Collection, opts importer.Options, follows bool) []need {
	if wanted, err := importer.Wanted(can, coll, opts); err == nil { // what it can't be, an import says
		coll = wanted
	}
	needs := needed{createCollection, showPartitions}
	needs.add(len(coll.OtherPartitions()) > 0 && !model.PartitionKey(coll.Schema), createPartition)
	needs.add(len(coll.Indexes) > 0, createIndex)
	unindexed, written := len(coll.Unindexed()) > 0, follows || importer.KeysOf(can, coll, nil, opts).Via == importer.Insert
	needs.add(written && model.AutoID(coll.Schema), insert)
	needs.add(written && !model.AutoID(coll.Schema), upsert)
	needs.add(follows, remove)
	needs.add(written || unindexed, flush, flushState)
	needs.add(!unindexed, load, count)
	return needs
}

// knownRights are what was found out of those to all collections of each database of a server. The zero value is useful.
type knownRights struct {
	mu  sync.Mutex
	any map[string]func() bool // by database and right
}

// missing is an error where some rights to a collection are missing, which matter if they do.
func (r *knownRights) missing(ctx context.Context, database *milvus.Server, name string, needs []need, matters func() bool) error {
	unknown := slices.DeleteFunc(slices.Clone(needs), func(n need) bool { return r.toAny(ctx, database, n) })
	if len(unknown) == 0 || !matters() {
		return nil
	}
	return lacking(ctx, database, name, unknown)
}

// lacking is an error where some rights to a collection are missing.
func lacking(ctx context.Context, database *milvus.Server, name string, needs []need) error {
	var lacks []string
	var denied error
	for _, n := range needs {
		if err := n.try(ctx, database, name); err != nil {
			lacks, denied = append(lacks, n.right), err
		}
	}
	if denied == nil {
		return nil
	}
	return fmt.Errorf("collection %q on %s needs the rights %s: %w", name, database.Address, strings.Join(lacks, ", "), denied)
}

// asksToBulkInsert reports whether the right to bulk insert can be asked for, and is needed: by REST the list of jobs needs it, which is asked
// for anyway.
func asksToBulkInsert(server *milvus.Server, opts importer.Options) bool {
	return opts.Via != importer.Insert && server.Capabilities().GRPCImport && rightsCount(server)
}

// rightsCount reports whether a server may deny some calls and not others: who has no login may make all, or none.
func rightsCount(server *milvus.Server) bool { return server.Capabilities().Users && server.LoggedIn() }

// toCreate is missing for rights to a collection that matter where it is not there.
func (r *knownRights) toCreate(ctx context.Context, database *milvus.Server, name string, needs []need) error {
	return r.missing(ctx, database, name, needs, func() bool {
		there, err := database.Exists(ctx, name)
		return err != nil || !there
	})
}

// toAny reports whether there is a right to collections of any name.
func (r *knownRights) toAny(ctx context.Context, database *milvus.Server, n need) bool {
	r.mu.Lock()
	key := database.Database() + "." + n.right
	if r.any == nil {
		r.any = map[string]func() bool{}
	}
	if r.any[key] == nil {
		r.any[key] = sync.OnceValue(func() bool { return n.try(ctx, database, "nobody_"+rand.Text()) == nil })
	}
	known := r.any[key]
	r.mu.Unlock()
	return known()
}

// askedWithin bounds an answer: one that is denied comes at once.
const askedWithin = 2 * time.Second

// try is an error where a right is missing, and nil where it is there or nobody knows.
func (n need) try(ctx context.Context, database *milvus.Server, name string) error {
	asking, cancel := context.WithTimeout(ctx, askedWithin)
	defer cancel()
	if err := n.ask(milvus.Probe{Server: database, Collection: name}, asking); errors.Is(err, milvus.ErrPrivilege) {
		return err
	}
	return nil
}
