// Package importer brings an export into a cluster: it creates the collection, stages the parts in the cluster's own
// bucket, bulk-inserts them with a bounded number of jobs in flight, builds the indexes, loads, and counts.
package importer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/checkpoint"
	"migrate/internal/clock"
	"migrate/internal/export"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source/query"
	"migrate/sinks"
)

// Errors that a caller decides on.
var (
	// ErrSchema: the target has a collection of that name that is another, in what its rows or searches need.
	ErrSchema = errors.New("it is not as the export describes it")
	// ErrNotEmpty: the target's collection has rows.
	ErrNotEmpty = errors.New("target collection is not empty")
	// ErrDoubles: rows of the export have keys that the target has already.
	ErrDoubles = errors.New("keys are there already")
	// ErrDamaged: a part is not what the manifest says.
	ErrDamaged = errors.New("export is damaged")
	// ErrTarget: the target can't take this import.
	ErrTarget = errors.New("target unfit")
	// ErrImported: this export was imported into that collection already.
	ErrImported = errors.New("imported already")
	// ErrUncertain: nothing tells whether a part was imported, and to import it again might double its rows.
	ErrUncertain = errors.New("can't tell what was imported")
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
	Widen        bool          // raise max_length and max_capacity on the target to what the rows need
	Force        bool          // import into a server that is known to lose statistics of imported segments
	StallAfter   time.Duration // a job without progress for so long is given up; 20 minutes where zero
	// Step is told what begins, and how many rows it has to do.
	Step func(name string, rows int64)
	// Progress is told what of the present step was done; calls come from several goroutines.
	Progress func(rows, bytes int64)
	// Imported is told of the rows that each bulk-insert job of this run brought; calls come from several goroutines.
	Imported func(rows int64)
	// Job is told how far each bulk-insert job is, and why where it failed, whenever it was looked at; calls come from several
	// goroutines.
	Job func(id int64, state JobState, why string)
}

func (o Options) withDefaults(m *export.Manifest) Options {
	if o.As == "" {
		o.As = m.Collection.Name
	}
	if o.Jobs == 0 {
		o.Jobs = 4
	}
	if o.StallAfter == 0 {
		o.StallAfter = 20 * time.Minute // 2.3 itself gives up a job whose node is gone after 15
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	if o.Imported == nil {
		o.Imported = func(int64) {}
	}
	if o.Job == nil {
		o.Job = func(int64, JobState, string) {}
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

// Import imports one complete export. Everything that can be refused is refused before the target is changed. A job
// that was interrupted is gone on with: what the server has, or is doing, is not submitted again. A
// *checkpoint.ResumableError says that the same call goes on.
func Import(ctx context.Context, server *milvus.Server, export sinks.Sink, m *export.Manifest, staging Staging, opts Options) (*Result, error) {
	opts = opts.withDefaults(m)
	im := &importing{server: server, export: export, manifest: m, staging: staging, opts: opts, target: targetOf(m, opts)}
	im.takes = im.target.Schema
	if err := im.checkServer(ctx); err != nil {
		return nil, err
	}
	if err := im.checkDone(ctx); err != nil {
		return nil, err
	}
	if err := im.checkFresh(ctx); err != nil {
		return nil, err
	}
	jobCtx, job, err := checkpoint.Acquire(ctx, staging, checkpoint.Name(checkpoint.Import, m.Job, opts.As), newJob(server, m, opts))
	if err != nil {
		return nil, err
	}
	im.job = job
	result, err := im.run(jobCtx)
	return result, im.end(ctx, err)
}

// Parameters that tell one export of a name from another.
const (
	exportOf       = "export of"
	exportChecksum = "export checksum"
)

// newJob is an import that has not begun, bound to what it brings where.
func newJob(server *milvus.Server, m *export.Manifest, opts Options) checkpoint.Job {
	return checkpoint.Job{Kind: checkpoint.Import, Name: m.Job, Rows: m.Total.Rows, Params: map[string]string{
		"database": server.Database(), "collection": opts.As, exportOf: m.Started.Format(time.RFC3339Nano),
		exportChecksum: fmt.Sprintf("%016x", uint64(m.Total.Hash)), "keep ids": strconv.FormatBool(opts.KeepIDs),
	}}
}

func (im *importing) run(ctx context.Context) (*Result, error) {
	if err := im.begin(ctx); err != nil {
		return nil, err
	}
	if err := im.insertParts(ctx); err != nil {
		return nil, err
	}
	return im.finish(ctx)
}

// begin checks and creates, or goes on with what is there.
func (im *importing) begin(ctx context.Context) error {
	if len(im.job.Job().Parts) > 0 {
		there, err := im.server.Exists(ctx, im.target.Name)
		if err != nil {
			return err
		}
		if there {
			return im.goOn(ctx)
		}
		if err := im.startOver(ctx); err != nil {
			return err
		}
	}
	if before := im.job.Job().Before; before != nil { // it may have been done while this one checked
		if err := im.refuseDone(ctx, before); err != nil {
			return err
		}
	}
	if err := im.check(ctx); err != nil {
		return err
	}
	if err := im.create(ctx); err != nil {
		return err
	}
	coll, err := im.server.Describe(ctx, im.target.Name)
	if err != nil {
		return err
	}
	return im.job.Update(ctx, func(j *checkpoint.Job) {
		j.Target, j.RowsBefore = coll.ID, im.before
		for _, p := range im.manifest.Parts {
			if p.Object != "" {
				j.Parts = append(j.Parts, checkpoint.Part{Part: p})
			}
		}
	})
}

// startOver forgets what was imported into a collection that somebody has dropped since, and what was staged for it: what a
// late call could still import lies in a file that is gone.
func (im *importing) startOver(ctx context.Context) error {
	slog.WarnContext(ctx, "the collection that this import had begun to fill was dropped; all parts are imported anew", "collection", im.target.Name)
	if err := im.unstageAll(ctx, nil); err != nil {
		return err
	}
	return im.job.Update(ctx, func(j *checkpoint.Job) { j.Parts, j.Target, j.RowsBefore = nil, 0, 0 })
}

// unstageAll removes what is staged for this import and not in use.
func (im *importing) unstageAll(ctx context.Context, inUse map[string]bool) error {
	for info, err := range im.staging.List(ctx, stagedFolder(im.job.Job().Name, im.opts.As)) {
		if err != nil {
			return fmt.Errorf("looking for what was staged: %w", err)
		}
		if !inUse[info.Name] {
			if err := im.unstage(ctx, info.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// goOn makes sure that the target is still the one that the job began with and that the parts still to come are whole,
// and removes what a killed process staged and did not come to use.
func (im *importing) goOn(ctx context.Context) error {
	job := im.job.Job()
	im.before = job.RowsBefore
	coll, err := im.server.Describe(ctx, im.target.Name)
	if err != nil {
		return err
	}
	if coll.ID != job.Target {
		return fmt.Errorf("collection %q on %s: %w: it is not the one that this import began with", coll.Name, im.server.Address, checkpoint.ErrOther)
	}
	inUse, todo := map[string]bool{}, []export.Part(nil)
	for _, p := range job.Parts {
		if p.State == checkpoint.Finished {
			continue
		}
		inUse[p.Staged], todo = true, append(todo, p.Part)
	}
	if err := im.checkParts(ctx, todo); err != nil {
		return err
	}
	return im.unstageAll(ctx, inUse)
}

// end leaves the job in order. One that submitted nothing leaves nothing behind.
func (im *importing) end(ctx context.Context, cause error) error {
	if cause == nil {
		return im.job.Release(ctx, checkpoint.Done, nil)
	}
	begun := func(p checkpoint.Part) bool { return p.State != checkpoint.Todo }
	lost := im.job.Confirm(ctx)
	if slices.ContainsFunc(im.job.Job().Parts, begun) || im.job.Resumed || lost != nil {
		return im.job.Suspend(ctx, errors.Join(lost, cause))
	}
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if im.created {
		cause = errors.Join(cause, im.server.Drop(clean, im.target.Name))
	}
	return errors.Join(cause, im.job.Remove(clean))
}

// targetOf is the collection as the target is to have it.
func targetOf(m *export.Manifest, opts Options) *model.Collection {
	c := m.Collection.Milvus()
	c.Name = opts.As
	if opts.KeepIDs {
		c.Schema = model.WithGivenKeys(c.Schema)
	}
	if opts.Widen {
		Widen(c.Schema, m.Columns)
	}
	return c
}

// importing is one import under way.
type importing struct {
	server   *milvus.Server
	export   sinks.Sink
	manifest *export.Manifest
	staging  Staging
	opts     Options
	target   *model.Collection
	takes    *schemapb.CollectionSchema // what the rows have to fit: the target's, where it is there
	before   int64                      // rows that the target had
	checked  bool                       // target and parts, by this run
	created  bool                       // the collection, by this run
	bulk     bulkInserter
	job      *checkpoint.Holder
	tries    atomic.Int64 // calls that were intended: no two have the same number
}

// newKeys reports whether the target gives the rows keys of its own.
func (im *importing) newKeys() bool { return model.AutoID(im.target.Schema) }

// create makes the collection unless it is there.
func (im *importing) create(ctx context.Context) error {
	exists, err := im.server.Exists(ctx, im.target.Name)
	if err != nil {
		return err
	}
	if exists {
		return im.server.CreatePartitions(ctx, im.target)
	}
	// Only what surely was made here is dropped after a failure: an empty collection left behind does no harm.
	err = im.server.Create(ctx, im.target)
	im.created = err == nil
	return err
}

// finish builds the indexes, loads where the source was loaded or the rows can be counted, and counts.
func (im *importing) finish(ctx context.Context) (*Result, error) {
	name := im.target.Name
	if err := im.createIndexes(ctx); err != nil {
		return nil, err
	}
	built, err := im.waitIndexes(ctx)
	if err != nil {
		return nil, err
	}
	r := &Result{
		Collection: name, Rows: im.manifest.Total.Rows, Bytes: im.manifest.Bytes, Parts: len(im.job.Job().Parts),
		Unindexed: built.Unfinished, Aliases: im.target.Aliases, Keys: im.keysInWords(),
	}
	im.opts.Step("load", im.manifest.Total.Rows)
	return r, im.loadAndCount(ctx)
}

// createIndexes makes the indexes that the target lacks. One that has the same under another name is left as it is.
func (im *importing) createIndexes(ctx context.Context) error {
	have, err := im.server.Indexes(ctx, im.target.Name)
	if err != nil {
		return err
	}
	for _, idx := range im.target.Indexes {
		if slices.ContainsFunc(have, idx.SamePlace) {
			continue
		}
		if err := im.server.CreateIndex(ctx, im.target.Name, idx); err != nil {
			return err
		}
	}
	return nil
}

// loaded is the target's collection, indexed and loaded, so that its rows can be counted. One without a vector index can't be
// loaded; where the export has no row either there is nothing to count.
func (im *importing) loaded(ctx context.Context) (*model.Collection, error) {
	if err := im.createIndexes(ctx); err != nil {
		return nil, err
	}
	if im.manifest.Total.Rows > 0 || len(im.target.Unindexed()) == 0 {
		if err := im.load(ctx); err != nil {
			return nil, err
		}
	}
	return im.server.Describe(ctx, im.target.Name)
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
	case model.AutoID(im.manifest.Collection.Schema.CollectionSchema):
		return "auto id: the keys were kept, so the target's key is an explicit one"
	}
	return ""
}

// appearWithin bounds the wait for imported rows to be seen: on a loaded collection they were seen 14 s after the job
// was completed.
const appearWithin = 2 * time.Minute

// loadAndCount loads the collection, and waits until it counts what was there and what was imported.
func (im *importing) loadAndCount(ctx context.Context) error {
	coll, err := im.loaded(ctx)
	if err != nil {
		return err
	}
	want, deadline := im.before+im.manifest.Total.Rows, time.Now().Add(appearWithin)
	for {
		reader, err := query.Open(ctx, im.server, coll)
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
			return im.miscounted(ctx, reader, have, want)
		}
		if err := clock.Sleep(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
}

// miscounted says that the count is not as expected, unless others may write to the collection and all keys of the export are there.
func (im *importing) miscounted(ctx context.Context, target *query.Reader, have, want int64) error {
	if im.before == 0 || im.newKeys() {
		return fmt.Errorf("counting %q after the import: %d rows where %d were expected", im.target.Name, have, want)
	}
	slog.WarnContext(ctx, "the collection was written to meanwhile; the keys of the export are looked for", "rows", have, "expected", want)
	for _, p := range im.manifest.Parts {
		if err := im.checkThere(ctx, target.KeysOnly(), p); err != nil {
			return err
		}
	}
	im.opts.Progress(im.manifest.Total.Rows, 0)
	return nil
}

// load loads the collection if its vectors are indexed, without which Milvus does not load.
func (im *importing) load(ctx context.Context) error {
	if err := im.server.Load(ctx, im.target.Name); err != nil {
		return fmt.Errorf("%w (all rows are imported; a collection without a vector index can't be loaded)", err)
	}
	return nil
}
