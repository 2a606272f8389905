// Package exporter streams the rows of a source into Parquet objects on a sink: several chunks are read at once, each into one part, which
// is there only when it is whole and its rows are proved to be all. The manifest is written last, so that a manifest means a complete
// export.
package exporter

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"migrate/checkpoint"
	"migrate/internal/budget"
	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/query"
	"migrate/sinks"
)

// Errors that a caller decides on.
var (
	// ErrExists: the job has a complete export already.
	ErrExists = errors.New("export is complete already")
	// ErrNotKept: the sink took parts, and does not have them as they were written.
	ErrNotKept = errors.New("sink did not keep what was written")
	// ErrUnsupported: the collection has a type that can't be carried, or a key that can't be read by.
	ErrUnsupported = errors.New("it can't be carried")
)

// Options of one export. The zero value of everything but Job is useful.
type Options struct {
	Job             string   // names the export's folder on the sink
	Workers         int      // ranges read at once; 4 where zero
	PartBytes       int64    // aimed at for a part; 256 MiB where zero
	Load            bool     // load a collection that is not loaded, and release it at the end
	Overwrite       bool     // replace a complete export of the same job
	Partitions      []string // those that are exported alone, sorted; all where empty
	MaxRate         int      // rows a second read from the source; no limit where zero
	AllowUnreadable bool     // leave out rows that the server counts and never returns, and say so
	// Budget is what this export shares with others: each part that is under way takes one of it. None where nil.
	Budget *budget.Budget
	// Limit is what the queries of several exports share, in place of MaxRate.
	Limit *rate.Limiter
	// Read chooses how the collection is read; by queries where nil, to which alone Load and MaxRate apply.
	Read func(*model.Collection) (Way, error)
	// Progress is told of every batch written; calls come from several goroutines.
	Progress func(rows, bytes int64)
	// Kept is told of what an earlier run had finished; Progress where nil.
	Kept func(rows, bytes int64)
	// Planned is told once how many rows are about to be exported.
	Planned func(rows int64)
}

// Way is how rows are read.
type Way struct {
	Name string // that a job is bound to, since another way would read other chunks; empty for queries
	Open source.Opener
}

func (o Options) withDefaults() Options {
	if o.Workers == 0 {
		o.Workers = 4
	}
	if o.PartBytes == 0 {
		o.PartBytes = 256 << 20
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	if o.Kept == nil {
		o.Kept = o.Progress
	}
	if o.Planned == nil {
		o.Planned = func(int64) {}
	}
	return o
}

// Export exports one collection and returns the manifest that it wrote. A job of the same name that was interrupted is
// resumed: parts that are finished are not read again. Where it fails no manifest is there, and no part that is not
// whole; a *checkpoint.ResumableError says that the same call resumes it.
func Export(ctx context.Context, server *milvus.Server, collection string, sink sinks.Sink, opts Options) (*export.Manifest, error) {
	opts = opts.withDefaults()
	coll, err := describe(ctx, server, collection, opts)
	if err != nil {
		return nil, err
	}
	way, err := opts.way(server, coll)
	if err != nil {
		return nil, err
	}
	replaces, err := checkExisting(ctx, sink, opts)
	if err != nil {
		return nil, err
	}
	jobCtx, job, err := checkpoint.Acquire(ctx, sink, checkpoint.Name(checkpoint.Export, opts.Job, ""), newJob(server, coll, opts, way))
	if err != nil {
		return nil, err
	}
	e := &exporting{server: server, collection: coll, way: way, sink: sink, opts: opts, job: job, replaces: replaces}
	m, err := e.run(jobCtx)
	return m, e.end(ctx, err)
}

// way is how a collection is read.
func (o Options) way(server *milvus.Server, coll *model.Collection) (way Way, err error) {
	if o.Read != nil {
		way, err = o.Read(coll)
	}
	if way.Open == nil {
		way.Open = query.Opener(server, query.Options{Load: o.Load, MaxRate: o.MaxRate, Limit: o.Limit})
	}
	return way, err
}

// newJob is an export that has not begun, bound to what it is to read.
func newJob(server *milvus.Server, coll *model.Collection, opts Options, way Way) checkpoint.Fresh {
	return checkpoint.Fresh{Kind: checkpoint.Export, Name: opts.Job, Params: Params{
		Source: server.Address, Database: coll.Database, Collection: coll.Name, CollectionID: coll.ID, PartBytes: opts.PartBytes, Read: way.Name,
		Partitions: opts.Partitions,
	}}
}

// describe refuses what can't be carried before any work. It has those partitions that are exported.
func describe(ctx context.Context, server *milvus.Server, collection string, opts Options) (*model.Collection, error) {
	coll, err := server.Describe(ctx, collection)
	if err != nil {
		return nil, err
	}
	if err := Carries(server.Capabilities(), coll); err != nil {
		return nil, err
	}
	return coll.Only(opts.Partitions)
}

// Carries refuses a collection of a server that can't be carried as it is described: ErrUnsupported.
func Carries(can model.Capabilities, coll *model.Collection) error {
	if fields := can.Unsupported(coll); len(fields) > 0 {
		return fmt.Errorf("exporting %q: %w: %s", coll.Name, ErrUnsupported, strings.Join(fields, ", "))
	}
	if _, err := columns.NewLayout(coll.Schema); err != nil {
		return fmt.Errorf("exporting %q: %w: %w", coll.Name, ErrUnsupported, err)
	}
	if err := can.CheckKey(coll.Schema); err != nil {
		return fmt.Errorf("exporting %q: %w: %w", coll.Name, ErrUnsupported, err)
	}
	return nil
}

// checkExisting refuses to replace a complete export unasked, and tells whether there is one.
func checkExisting(ctx context.Context, sink sinks.Sink, opts Options) (bool, error) {
	_, err := export.Read(ctx, sink, opts.Job)
	switch {
	case errors.Is(err, export.ErrNone):
		return false, nil
	case opts.Overwrite:
		return true, nil
	case err != nil:
		return false, err
	}
	return false, fmt.Errorf("exporting to %s: %w", sink.URL(opts.Job), ErrExists)
}

// exporting is one export under way.
type exporting struct {
	server     *milvus.Server
	collection *model.Collection
	way        Way
	source     source.Source
	columns    *columns.Layout
	sink       sinks.Sink
	opts       Options
	job        *checkpoint.Holder
	replaces   bool        // a complete export stands there
	begun      bool        // none stands there any more, so that parts may come and go
	late       atomic.Bool // a part was given up while it was being put: the store may have it later
	body       Body        // of the job, as it was planned
}

// run exports all parts that are not finished, and makes the export complete.
func (e *exporting) run(ctx context.Context) (m *export.Manifest, err error) {
	if err := e.openSource(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.source.Close(ctx)) }()
	if err := e.plan(ctx); err != nil {
		return nil, err
	}
	if err := e.begin(ctx); err != nil {
		return nil, err
	}
	if err := e.work(ctx, e.job.Claims()); err != nil {
		return nil, err
	}
	return e.finish(ctx)
}

// openSource opens what is read, as it was when the job was planned.
func (e *exporting) openSource(ctx context.Context) (err error) {
	if e.columns, err = columns.NewLayout(e.collection.Schema); err != nil {
		return err
	}
	if !e.replaces {
		job := e.job.Job()
		if err := job.Read(&e.body); err != nil {
			return err
		}
	}
	e.source, err = e.way.Open(ctx, e.collection, e.body.Pin)
	return err
}

// plan cuts the source into chunks, once in the life of a job: each becomes a part, and a part that is finished stands for it.
func (e *exporting) plan(ctx context.Context) error {
	if e.replaces { // what an earlier run planned or did is of the export which is to be replaced
		if err := e.job.Forget(ctx); err != nil {
			return err
		}
	}
	if job := e.job.Job(); job.Plan.Chunks > 0 {
		e.opts.Planned(job.Planned.Rows)
		return e.sweep(ctx)
	}
	plan, err := e.source.Plan(ctx, e.opts.size())
	if err != nil {
		return err
	}
	e.opts.Planned(plan.Rows)
	e.body = Body{Pin: plan.Pin, Snapshot: plan.Snapshot}
	return e.job.Plan(ctx, e.body, plannedOf(plan.Chunks))
}

// sweep removes what a killed process left of the parts that it had in flight.
func (e *exporting) sweep(ctx context.Context) error {
	sweeper, ok := sinks.As[sinks.Sweeper](e.sink)
	if !ok {
		return nil
	}
	for c := range e.job.Chunks() {
		p, err := partOf(c)
		if err != nil {
			return err
		}
		if c.State == checkpoint.Done {
			e.opts.Kept(p.Rows.Rows, p.Bytes)
			continue
		}
		if err := sweeper.Sweep(ctx, e.objectName(p, e.job.Epoch()-1)); err != nil {
			return fmt.Errorf("removing what an interrupted export left: %w", err)
		}
	}
	return nil
}

// objectName is where an owner of the job puts a part.
func (e *exporting) objectName(p part, epoch int64) string {
	return path.Join(e.opts.Job, export.PartName(p.Partition, p.number, epoch))
}

// begin has no complete export stand any more, neither on the sink nor as a job that is done.
func (e *exporting) begin(ctx context.Context) error {
	if err := e.job.Update(ctx, func(j *checkpoint.Job) { j.Before = nil }); err != nil {
		return err
	}
	if err := export.RemoveManifest(ctx, e.sink, e.opts.Job); err != nil {
		return err
	}
	e.begun = true
	return nil
}

// work exports several parts at once; the first error ends the others.
func (e *exporting) work(ctx context.Context, claims checkpoint.Claims) error {
	g, ctx := errgroup.WithContext(ctx)
	for range e.opts.Workers {
		g.Go(func() error { return e.exportParts(ctx, claims) })
	}
	return g.Wait()
}

// exportParts exports one part after the other, until none is left.
func (e *exporting) exportParts(ctx context.Context, claims checkpoint.Claims) error {
	return checkpoint.Each(ctx, claims, func(claim *checkpoint.Claim) error {
		return e.opts.Budget.Do(ctx, func() error { return e.exportPart(ctx, claim) })
	})
}

// finish removes parts that are not of this export, makes sure that all others are there, and writes the manifest.
func (e *exporting) finish(ctx context.Context) (*export.Manifest, error) {
	m, err := e.manifest()
	if err != nil {
		return nil, err
	}
	// A part that was done twice was noted twice. And a late owner is refused, who would remove the next one's parts.
	if err := e.record(ctx, func([]model.Findings) model.Findings { return m.Findings }); err != nil {
		return nil, err
	}
	keep := map[string]bool{}
	for _, p := range m.Parts {
		keep[p.Object] = true
	}
	kept, err := e.remove(ctx, keep)
	if err != nil {
		return nil, err
	}
	if err := e.checkKept(ctx, kept); err != nil {
		return nil, err
	}
	m.Finished = time.Now().UTC()
	return m, export.Write(ctx, e.sink, m)
}

// manifest describes the export, once all its parts are finished.
func (e *exporting) manifest() (*export.Manifest, error) {
	job := e.job.Job()
	m := &export.Manifest{
		Format: export.Version, Job: job.Name, Started: job.Started, Read: e.way.Name, Snapshot: e.body.Snapshot, Collection: export.Describe(e.source.Collection()),
		Source: export.Server{Address: e.server.Address, Version: e.server.Version()},
	}
	for c := range e.job.Chunks() {
		p, err := partOf(c)
		if err != nil {
			return nil, err
		}
		m.Add(p.Part, p.Findings, p.Columns)
	}
	return m, nil
}

// end leaves the job in order. One that has finished nothing leaves nothing behind, and a complete export that it was to replace
// as it is.
func (e *exporting) end(ctx context.Context, cause error) error {
	if cause == nil {
		return e.job.Release(ctx, checkpoint.Done, nil)
	}
	lost := e.job.Confirm(ctx)
	if e.job.Job().Done.Parts > 0 || lost != nil {
		return e.job.Suspend(ctx, errors.Join(lost, cause))
	}
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if e.begun {
		_, err := e.remove(clean, nil)
		cause = errors.Join(cause, err)
	}
	if e.late.Load() { // the document is left, so that the next owner has another epoch in the names of its parts
		return errors.Join(cause, e.job.Release(ctx, checkpoint.Interrupted, cause))
	}
	return errors.Join(cause, e.job.Remove(clean))
}

// UnreadableError is the refusal of an export that would leave rows out.
type UnreadableError struct {
	Collection string
	Ranges     []model.Unreadable
}

func (e *UnreadableError) Error() string {
	r := e.Ranges[0]
	return fmt.Sprintf("exporting %q: the server counts %d rows in the key range %s that no query returns (%d such ranges)",
		e.Collection, r.Rows, r.Range, len(e.Ranges))
}

// Is matches source.ErrIncomplete.
func (e *UnreadableError) Is(target error) bool { return target == source.ErrIncomplete }

// errEmpty takes back an object that would hold no row.
var errEmpty = errors.New("range is empty")

// exportPart writes one chunk into one object, and records it.
func (e *exporting) exportPart(ctx context.Context, claim *checkpoint.Claim) error {
	p, err := partOf(claim.Chunk)
	if err != nil {
		return err
	}
	if err := claim.StillOwner(ctx); err != nil {
		return err
	}
	if err := e.write(ctx, &p); err != nil {
		return err
	}
	if err := e.note(ctx, p.Findings); err != nil {
		return err
	}
	return claim.Save(ctx, checkpoint.Done, checkpoint.Tally{Parts: 1, Rows: p.Rows.Rows}, p.Result)
}

// write writes a part.
func (e *exporting) write(ctx context.Context, p *part) error {
	epoch := e.job.Epoch()
	w := &partWriter{export: e, part: p}
	_, err := e.sink.Put(ctx, e.objectName(*p, epoch), w.write(ctx))
	if err != nil && ctx.Err() != nil {
		e.late.Store(true)
	}
	if err != nil && !errors.Is(err, errEmpty) {
		return fmt.Errorf("exporting keys %s of partition %q: %w", p.Range, p.Partition, err)
	}
	if err == nil {
		p.Object = export.PartName(p.Partition, p.number, epoch)
	}
	if len(p.Findings.Unreadable) > 0 && !e.opts.AllowUnreadable {
		return &UnreadableError{e.collection.Name, p.Findings.Unreadable}
	}
	return nil
}

// remove removes the parts that are not to be kept, and returns the sizes of the others.
func (e *exporting) remove(ctx context.Context, keep map[string]bool) (kept map[string]int64, err error) {
	folder, kept := e.opts.Job+"/", map[string]int64{}
	for info, err := range e.sink.List(ctx, folder) {
		if err != nil {
			return nil, fmt.Errorf("listing the parts of %q: %w", e.opts.Job, err)
		}
		object := strings.TrimPrefix(info.Name, folder)
		if keep[object] {
			kept[object] = info.Size
			continue
		}
		if !export.IsPart(object) {
			continue
		}
		if err := e.sink.Delete(ctx, info.Name); err != nil {
			return nil, fmt.Errorf("removing a part of an unfinished export: %w", err)
		}
	}
	return kept, nil
}

// checkKept has the parts done again that are not on the sink in their size: it took them, and lost them or a piece.
func (e *exporting) checkKept(ctx context.Context, sizes map[string]int64) error {
	var lost []error
	for c := range e.job.Chunks() {
		p, err := partOf(c)
		if err != nil {
			return err
		}
		if p.Object == "" || sizes[p.Object] == p.Bytes {
			continue
		}
		lost = append(lost, fmt.Errorf("%s has %d bytes of %d: %w", e.sink.URL(path.Join(e.opts.Job, p.Object)), sizes[p.Object], p.Bytes, ErrNotKept))
		if err := e.job.Again(ctx, c.ID); err != nil {
			return errors.Join(append(lost, err)...)
		}
	}
	return errors.Join(lost...)
}
