// Package importer brings an export into a server: it creates the collection, brings the rows, builds the indexes, loads, and counts. The
// rows come by bulk insert, of parts that are staged in the server's own bucket (bulk.go), or are inserted (inserts.go).
package importer

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/checkpoint"
	"migrate/internal/budget"
	"migrate/internal/export"
	"migrate/internal/ingest"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/sinks"
)

// Errors that a caller decides on.
var (
	// ErrSchema: the target has a collection of that name that is another, in what its rows or searches need.
	ErrSchema = errors.New("it is not as the export describes it")
	// ErrNotEmpty: the target's collection has rows.
	ErrNotEmpty = errors.New("target collection is not empty")
	// ErrDuplicates: rows of the export have keys that the target has already.
	ErrDuplicates = errors.New("keys are there already")
	// ErrDamaged: a part is not what the manifest says.
	ErrDamaged = errors.New("export is damaged")
	// ErrTarget: the target can't take this import.
	ErrTarget = errors.New("target unfit")
	// ErrImported: this export was imported into that collection already.
	ErrImported = errors.New("imported already")
	// ErrUncertain: nothing tells whether a part was imported, and to import it again might double its rows.
	ErrUncertain = errors.New("can't tell what was imported")
	// ErrNewKeys: the target gives the rows keys of its own, which nobody has said that it may.
	ErrNewKeys = errors.New("the target would give the rows new keys")
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
	As           string // the collection's name on the target; that of the export where empty
	Via          Way    // how the rows come; what the target has, and staging allows, where empty
	NewKeys      bool   // have a target with auto ids give the rows new keys, also where it could keep theirs
	Jobs         int    // bulk-insert jobs in flight, or calls that insert rows; 4 where zero
	IntoExisting bool   // add to a collection that has rows, where none of the keys is there
	KeepIDs      bool   // make an auto-id collection's keys explicit ones, and keep them
	// IndexTypes are those that the indexes are to have on the target, by field, in place of the ones that they had.
	IndexTypes map[string]string
	Widen      bool          // raise max_length and max_capacity on the target to what the rows need
	Force      bool          // import into a server that is known to lose statistics of imported segments, or to lack types of indexes
	StallAfter time.Duration // a job without progress for so long is given up; 20 minutes where zero
	Poll       time.Duration // between two looks at a job, or at the rows that it brought; half a second where zero
	// Pauses are the waits before the parts of a job that failed are imported anew, as often as there are pauses; nil: after 5 and
	// after 20 seconds, by when servers that were restarted under a job are back.
	Pauses []time.Duration
	// Appear bounds the wait for imported rows to be counted; 2 minutes where zero: on a loaded collection they were seen 14 s after
	// the job was completed.
	Appear time.Duration
	// Budget is what this import shares with others: each bulk-insert job, from the staging of its files to its end, each call that
	// inserts rows, and each part that is checked takes one of it. None where nil.
	Budget *budget.Budget
	// Checkpoint is where that of inserts lies; beside the export where nil. That of a bulk insert lies on the staging store.
	Checkpoint sinks.Sink
	// Dialect is how the target is told to import; that of its version where nil.
	Dialect ingest.Dialect
	// Step is told what begins, and how many rows it has to do.
	Step func(name string, rows int64)
	// Progress is told what of the present step was done; calls come from several goroutines.
	Progress func(rows, bytes int64)
	// Imported is told of the rows that each bulk-insert job, or each call, of this run brought; calls come from several goroutines.
	Imported func(rows int64)
	// Job is told how far each bulk-insert job is, and why where it failed, whenever it was looked at; calls come from several
	// goroutines.
	Job func(id int64, state ingest.State, why string)
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
	if o.Poll == 0 {
		o.Poll = 500 * time.Millisecond
	}
	if o.Pauses == nil {
		o.Pauses = []time.Duration{5 * time.Second, 20 * time.Second}
	}
	if o.Appear == 0 {
		o.Appear = 2 * time.Minute
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	if o.Imported == nil {
		o.Imported = func(int64) {}
	}
	if o.Job == nil {
		o.Job = func(int64, ingest.State, string) {}
	}
	if o.Step == nil {
		o.Step = func(string, int64) {}
	}
	return o
}

// Result is what an import did.
type Result struct {
	Collection string   `json:"collection"`
	Via        Way      `json:"via"`
	Rows       int64    `json:"rows"`
	Bytes      int64    `json:"bytes"`
	Parts      int      `json:"parts"`
	Keys       string   `json:"keys"`                         // what became of auto ids, in words; empty where there are none
	EmptyLists int64    `json:"empty_lists,omitempty"`        // rows that were upserted, since bulk insert made NULL of an empty list in them
	NotFinite  int64    `json:"not_finite_rows,omitempty"`    // that were upserted, since bulk insert refuses NaN and infinities
	Unindexed  []string `json:"unfinished_indexes,omitempty"` // accepted by the server, but not built in time
	Aliases    []string `json:"aliases_left,omitempty"`       // of the source; not moved by an import
}

// Import imports one complete export. The checkpoint lies on staging, or where that is nil, and the rows are inserted, on opts.Checkpoint.
// Everything that can be refused is refused before the target is changed. A job that was interrupted is resumed: what the server has, or is
// doing, is not submitted again. A *checkpoint.ResumableError says that the same call resumes it.
func Import(ctx context.Context, server *milvus.Server, export sinks.Sink, m *export.Manifest, staging Staging, opts Options) (*Result, error) {
	opts = opts.withDefaults(m)
	target, err := targetOf(server.Capabilities(), m, opts)
	if err != nil {
		return nil, err
	}
	im := &importing{
		server: server, export: export, manifest: m, jobs: opts.Checkpoint, opts: opts,
		target: target, takes: target.Schema, properties: target.Properties, otherKeys: m.Keyless(),
	}
	if im.jobs == nil {
		im.jobs = export
	}
	im.choose(staging != nil)
	if err := im.onStaging(staging); err != nil {
		return nil, err
	}
	if im.name, err = checkpoint.ImportOf(ctx, im.jobs, m.Job, server.Database(), opts.As); err != nil {
		return nil, err
	}
	slog.InfoContext(ctx, "importing", "job", m.Job, "into", opts.As, "via", im.opts.Via)
	if err := im.checkServer(ctx); err != nil {
		return nil, err
	}
	if err := im.checkDone(ctx); err != nil {
		return nil, err
	}
	if err := im.checkFresh(ctx); err != nil {
		return nil, err
	}
	jobCtx, job, err := checkpoint.Acquire(ctx, im.jobs, im.name, im.fresh())
	if err != nil {
		return nil, err
	}
	im.job = job
	result, err := im.run(jobCtx)
	return result, im.end(ctx, err)
}

// importing is one import under way.
type importing struct {
	server     *milvus.Server
	export     sinks.Sink
	manifest   *export.Manifest
	jobs       sinks.Sink // where its checkpoint lies
	name       string     // of that
	opts       Options
	target     *model.Collection
	takes      *schemapb.CollectionSchema // what the rows have to fit: the target's, where it is there
	properties []*commonpb.KeyValuePair   // those of the target, where it is there
	before     int64                      // rows that the target had
	checked    bool                       // target and parts, by this run
	created    bool                       // the collection, by this run
	otherKeys  bool                       // it was begun with new keys, or its rows have none
	brought    broughtOdd                 // by this run
	way        way
	fence      fence // of what is inserted or upserted
	job        *checkpoint.Holder
}

// newKeys reports whether the target gives the rows keys of its own.
func (im *importing) newKeys() bool { return model.AutoID(im.target.Schema) && !im.givesIDs() }

// givesIDs reports whether the rows bring keys that the target would give otherwise, and takes.
func (im *importing) givesIDs() bool {
	return model.AutoID(im.target.Schema) && !im.otherKeys && keepsKeys(im.server.Capabilities(), im.asThere(), im.opts)
}

// asThere is the target as it is there, or is to be.
func (im *importing) asThere() *model.Collection {
	there := *im.target
	there.Properties = im.properties
	return &there
}

func (im *importing) run(ctx context.Context) (*Result, error) {
	if err := im.begin(ctx); err != nil {
		return nil, err
	}
	if err := im.way.work(ctx, im.job.Claims()); err != nil {
		return nil, err
	}
	return im.finish(ctx)
}
