package move

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"migrate/importer"
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
	flush            = need{"Flush", milvus.Probe.Flush}
	flushState       = need{"GetFlushState", milvus.Probe.FlushState}
)

// allowed refuses a collection that the logins have not all rights to that its move needs. They are asked for a name that nobody has, once in
// each database; those that are granted by names, of which that says nothing, are asked for the collection's own.
func (m *moving) allowed(ctx context.Context, p *Planned, coll *model.Collection) error {
	if m.Source.Capabilities().Users {
		if err := m.sourceRights.missing(ctx, m.Source.In(p.Database), p.Collection, m.toRead(coll), func() bool { return m.reading(ctx, p) }); err != nil {
			return err
		}
	}
	if !m.Steps.Import || m.Target == nil || !m.Target.Capabilities().Users {
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
	absent := func() bool {
		there, err := database.Exists(ctx, p.Target.Collection)
		return err != nil || !there
	}
	return m.targetRights.missing(ctx, database, p.Target.Collection, m.toMake(p, coll), absent)
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

// toMake are the rights to make a collection on the target, as it is to be. That to bulk insert is asked for elsewhere.
func (m *moving) toMake(p *Planned, coll *model.Collection) []need {
	needs := []need{createCollection, showPartitions}
	add := func(needed bool, more ...need) {
		if needed {
			needs = append(needs, more...)
		}
	}
	add(len(coll.OtherPartitions()) > 0 && !model.PartitionKey(coll.Schema), createPartition)
	add(len(coll.Indexes) > 0, createIndex)
	if m.Import.Via == importer.Insert || !m.Target.Capabilities().BulkInserts() {
		auto := model.AutoID(coll.Schema) && !m.Import.KeepIDs
		add(auto, insert)
		add(!auto, upsert)
		add(true, flush, flushState)
	}
	unindexed := len(coll.Unindexed()) > 0
	add(unindexed, flush, flushState)
	add(!unindexed, load, count)
	if m.Steps.Verify { // and then it is completed
		add(len(p.aliases) > 0, createAlias)
		add(!m.Import.IntoExisting && !p.load.Whole(coll.Partitions), release)
	}
	return needs
}

// knownRights are what was found out of those to all collections of each database of a server. The zero value is useful.
type knownRights struct {
	mu  sync.Mutex
	any map[string]func() bool // by database and right
}

// missing is an error where some rights to a collection are missing, which matter if they do.
func (r *knownRights) missing(ctx context.Context, database *milvus.Server, name string, needs []need, matters func() bool) error {
	var lacks []string
	var denied error
	for _, n := range needs {
		if r.toAny(ctx, database, n) {
			continue
		}
		if lacks == nil && !matters() {
			return nil
		}
		if err := n.try(ctx, database, name); err != nil {
			lacks, denied = append(lacks, n.right), err
		}
	}
	if denied == nil {
		return nil
	}
	return fmt.Errorf("collection %q on %s needs the rights %s: %w", name, database.Address, strings.Join(lacks, ", "), denied)
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
