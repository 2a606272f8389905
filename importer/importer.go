// Package importer brings an export into a cluster: it creates the collection, stages the parts in the cluster's own
// bucket, bulk-inserts them with a bounded number of jobs in flight, builds the indexes, loads, and counts.
package importer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"migrate/internal/clock"
	"migrate/internal/manifest"
	"migrate/internal/milvus"
	"migrate/internal/source"
	"migrate/sinks"
)

// Errors that a caller decides on.
var (
	// ErrSchema: the target has a collection of that name with another schema.
	ErrSchema = errors.New("target has another schema")
	// ErrNotEmpty: the target's collection has rows.
	ErrNotEmpty = errors.New("target collection is not empty")
	// ErrDoubles: rows of the export have keys that the target has already.
	ErrDoubles = errors.New("keys are there already")
	// ErrDamaged: a part is not what the manifest says.
	ErrDamaged = errors.New("export is damaged")
	// ErrTarget: the target can't take this import.
	ErrTarget = errors.New("target unfit")
	// ErrStalled: a bulk-insert job or an index made no progress for too long.
	ErrStalled = errors.New("no progress")
)

// Staging is the store that the target's bulk insert reads from.
type Staging interface {
	sinks.Sink
	// Key is an object's path in its bucket, by which bulk insert is told of it.
	Key(name string) string
}

// Options of one import. The zero value is useful.
type Options struct {
	As           string        // the collection's name on the target; that of the export where empty
	Jobs         int           // bulk-insert jobs in flight; 4 where zero
	IntoExisting bool          // add to a collection that has rows, where none of the keys is there
	KeepIDs      bool          // make an auto-id collection's keys explicit ones, and keep them
	Force        bool          // import into a server that is known to lose statistics of imported segments
	StallAfter   time.Duration // a job without progress for so long has failed; 15 minutes where zero
	// Step is told what begins, and how many rows it has to do.
	Step func(name string, rows int64)
	// Progress is told what of the present step was done; calls come from several goroutines.
	Progress func(rows, bytes int64)
}

func (o Options) withDefaults(m *manifest.Manifest) Options {
	if o.As == "" {
		o.As = m.Collection.Name
	}
	if o.Jobs == 0 {
		o.Jobs = 4
	}
	if o.StallAfter == 0 {
		o.StallAfter = 15 * time.Minute
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	if o.Step == nil {
		o.Step = func(string, int64) {}
	}
	return o
}

// Result is what an import did.
type Result struct {
	Collection string   `json:"collection"`
	Rows       int64    `json:"rows"`
	Bytes      int64    `json:"bytes"`
	Parts      int      `json:"parts"`
	Keys       string   `json:"keys"`                         // what became of auto ids, in words; empty where there are none
	Unindexed  []string `json:"unfinished_indexes,omitempty"` // accepted by the server, but not built in time
	Aliases    []string `json:"aliases_left,omitempty"`       // of the source; not moved by an import
}

// Import imports one complete export. Everything that can be refused is refused before the target is changed; where it
// fails later, what it staged and the collection that it created are removed.
func Import(ctx context.Context, server *milvus.Server, export sinks.Sink, m *manifest.Manifest, staging Staging, opts Options) (*Result, error) {
	opts = opts.withDefaults(m)
	im := &importing{server: server, export: export, manifest: m, staging: staging, opts: opts, target: targetOf(m, opts)}
	if err := im.check(ctx); err != nil {
		return nil, err
	}
	created, err := im.create(ctx)
	if err != nil {
		return nil, im.undo(ctx, created, err)
	}
	if err := im.insertParts(ctx); err != nil {
		return nil, im.undo(ctx, created, err)
	}
	return im.finish(ctx)
}

// targetOf is the collection as the target is to have it.
func targetOf(m *manifest.Manifest, opts Options) *milvus.Collection {
	c := m.Collection.Milvus()
	c.Name = opts.As
	if opts.KeepIDs {
		c.Schema.AutoID = false
		milvus.PrimaryKey(c.Schema).AutoID = false
	}
	return c
}

// importing is one import under way.
type importing struct {
	server   *milvus.Server
	export   sinks.Sink
	manifest *manifest.Manifest
	staging  Staging
	opts     Options
	target   *milvus.Collection
	before   int64 // rows that the target had
	bulk     bulkInserter
}

// newKeys reports whether the target gives the rows keys of its own.
func (im *importing) newKeys() bool { return milvus.AutoID(im.target.Schema) }

// create makes the collection unless it is there, and reports whether it did.
func (im *importing) create(ctx context.Context) (created bool, err error) {
	exists, err := im.server.Exists(ctx, im.target.Name)
	if err != nil {
		return false, err
	}
	if exists {
		return false, im.server.CreatePartitions(ctx, im.target)
	}
	return true, im.server.Create(ctx, im.target)
}

func (im *importing) undo(ctx context.Context, created bool, cause error) error {
	if !created {
		return cause
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	return errors.Join(cause, im.server.Drop(ctx, im.target.Name))
}

// insertParts imports all parts, several at once; the first error ends the others.
func (im *importing) insertParts(ctx context.Context) error {
	im.opts.Step("bulk insert", im.manifest.Total.Rows)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(im.opts.Jobs)
	for _, p := range im.manifest.Parts {
		if p.Object == "" {
			continue
		}
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return im.insertPart(ctx, p)
		})
	}
	return g.Wait()
}

// insertPart stages one part, has it bulk-inserted, and removes what was staged.
func (im *importing) insertPart(ctx context.Context, p manifest.Part) (err error) {
	name := stagedName(im.manifest.Job, p)
	defer func() { err = errors.Join(err, im.unstage(ctx, name)) }()
	if err := im.stage(ctx, name, p); err != nil {
		return err
	}
	rows, err := im.follow(ctx, p, im.staging.Key(name))
	if err != nil {
		return fmt.Errorf("importing part %s: %w", p.Object, err)
	}
	if rows != p.Rows.Rows {
		return fmt.Errorf("importing part %s: the server imported %d rows of %d", p.Object, rows, p.Rows.Rows)
	}
	im.opts.Progress(p.Rows.Rows, p.Bytes)
	return nil
}

func (im *importing) unstage(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := im.staging.Delete(ctx, name); err != nil {
		return fmt.Errorf("removing what was staged: %w", err)
	}
	return nil
}

// finish builds the indexes, loads where the source was loaded or the rows can be counted, and counts.
func (im *importing) finish(ctx context.Context) (*Result, error) {
	name := im.target.Name
	for _, idx := range im.target.Indexes {
		if err := im.server.CreateIndex(ctx, name, idx); err != nil {
			return nil, err
		}
	}
	built, err := im.waitIndexes(ctx)
	if err != nil {
		return nil, err
	}
	r := &Result{
		Collection: name, Rows: im.manifest.Total.Rows, Bytes: im.manifest.Bytes, Parts: len(im.manifest.Parts),
		Unindexed: built.Unfinished, Aliases: im.target.Aliases, Keys: im.keysInWords(),
	}
	im.opts.Step("load", im.manifest.Total.Rows)
	return r, im.loadAndCount(ctx)
}

// waitIndexes tells of the rows as they are indexed.
func (im *importing) waitIndexes(ctx context.Context) (milvus.IndexProgress, error) {
	im.opts.Step("index", im.manifest.Total.Rows*int64(len(im.target.Indexes)))
	var told int64
	tell := func(p milvus.IndexProgress) {
		if p.Indexed > told {
			im.opts.Progress(p.Indexed-told, 0)
			told = p.Indexed
		}
	}
	built, err := im.server.WaitIndexes(ctx, im.target.Name, im.opts.StallAfter, tell)
	tell(built)
	return built, err
}

func (im *importing) keysInWords() string {
	switch {
	case im.newKeys():
		return "auto id: the target gave every row a new key; the old ones are in the export's key column (--keep-ids keeps them)"
	case milvus.AutoID(im.manifest.Collection.Schema.CollectionSchema):
		return "auto id: the keys were kept, so the target's key is an explicit one"
	}
	return ""
}

// appearWithin bounds the wait for imported rows to be seen: on a loaded collection they were seen 14 s after the job
// was completed.
const appearWithin = 2 * time.Minute

// loadAndCount loads the collection, and waits until it counts what was there and what was imported.
func (im *importing) loadAndCount(ctx context.Context) error {
	if err := im.load(ctx); err != nil {
		return err
	}
	coll, err := im.server.Describe(ctx, im.target.Name)
	if err != nil {
		return err
	}
	want, deadline := im.before+im.manifest.Total.Rows, time.Now().Add(appearWithin)
	for {
		reader, err := source.Open(ctx, im.server, coll)
		if err != nil {
			return err
		}
		have, err := countAll(ctx, reader)
		if have == want {
			im.opts.Progress(im.manifest.Total.Rows, 0)
		}
		if err != nil || have == want {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("counting %q after the import: %d rows where %d were expected", im.target.Name, have, want)
		}
		if err := clock.Sleep(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
}

// load loads the collection if its vectors are indexed, without which Milvus does not load.
func (im *importing) load(ctx context.Context) error {
	if err := im.server.Load(ctx, im.target.Name); err != nil {
		return fmt.Errorf("%w (all rows are imported; a collection without a vector index can't be loaded)", err)
	}
	return nil
}
