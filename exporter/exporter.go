// Package exporter streams the rows of a source into Parquet objects on a sink: several chunks are read at once, each into one part, which
// is there only when it is whole and its rows are proved to be all. The manifest is written last, so that a manifest means a complete
// export.
package exporter

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"migrate/checkpoint"
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
	Job             string // names the export's folder on the sink
	Workers         int    // ranges read at once; 4 where zero
	PartBytes       int64  // aimed at for a part; 256 MiB where zero
	Load            bool   // load a collection that is not loaded, and release it at the end
	Overwrite       bool   // replace a complete export of the same job
	MaxRate         int    // rows a second read from the source; no limit where zero
	AllowUnreadable bool   // leave out rows that the server counts and never returns, and say so
	// Progress is told of every batch written; calls come from several goroutines.
	Progress func(rows, bytes int64)
	// Kept is told of what an earlier run had finished; Progress where nil.
	Kept func(rows, bytes int64)
	// Planned is told once how many rows are about to be exported.
	Planned func(rows int64)
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
// gone on with: parts that are finished are not read again. Where it fails no manifest is there, and no part that is not
// whole; a *checkpoint.ResumableError says that the same call goes on.
func Export(ctx context.Context, server *milvus.Server, collection string, sink sinks.Sink, opts Options) (*export.Manifest, error) {
	opts = opts.withDefaults()
	coll, err := describe(ctx, server, collection)
	if err != nil {
		return nil, err
	}
	replaces, err := checkExisting(ctx, sink, opts)
	if err != nil {
		return nil, err
	}
	jobCtx, job, err := checkpoint.Acquire(ctx, sink, checkpoint.Name(checkpoint.Export, opts.Job, ""), newJob(server, coll, opts))
	if err != nil {
		return nil, err
	}
	e := &exporting{server: server, collection: coll, sink: sink, opts: opts, job: job, replaces: replaces}
	m, err := e.run(jobCtx)
	return m, e.end(ctx, err)
}

// newJob is an export that has not begun, bound to what it is to read.
func newJob(server *milvus.Server, coll *model.Collection, opts Options) checkpoint.Job {
	return checkpoint.Job{Kind: checkpoint.Export, Name: opts.Job, Params: map[string]string{
		checkpoint.SourceAddress: server.Address, "database": coll.Database, "collection": coll.Name,
		checkpoint.CollectionID: strconv.FormatInt(coll.ID, 10), "part size": strconv.FormatInt(opts.PartBytes, 10),
	}}
}

// describe refuses what can't be carried before any work.
func describe(ctx context.Context, server *milvus.Server, collection string) (*model.Collection, error) {
	coll, err := server.Describe(ctx, collection)
	if err != nil {
		return nil, err
	}
	if fields := server.Capabilities().Unsupported(coll.Schema); len(fields) > 0 {
		return nil, fmt.Errorf("exporting %q: %w: %s", collection, ErrUnsupported, strings.Join(fields, ", "))
	}
	if _, err := columns.NewLayout(coll.Schema); err != nil {
		return nil, fmt.Errorf("exporting %q: %w: %w", collection, ErrUnsupported, err)
	}
	if err := server.Capabilities().CheckKey(coll.Schema); err != nil {
		return nil, fmt.Errorf("exporting %q: %w: %w", collection, ErrUnsupported, err)
	}
	return coll, nil
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

// export is one export under way.
type exporting struct {
	server     *milvus.Server
	collection *model.Collection
	source     source.Source
	columns    *columns.Layout
	sink       sinks.Sink
	opts       Options
	job        *checkpoint.Holder
	replaces   bool        // a complete export stands there
	begun      bool        // none stands there any more, so that parts may come and go
	late       atomic.Bool // a part was given up while it was being put: the store may have it later
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
	if err := e.job.Update(ctx, func(j *checkpoint.Job) { j.Before = nil }); err != nil { // from now on there is none
		return nil, err
	}
	if err := export.RemoveManifest(ctx, e.sink, e.opts.Job); err != nil { // of the export that this one replaces
		return nil, err
	}
	e.begun = true
	if err := e.exportParts(ctx); err != nil {
		return nil, err
	}
	return e.complete(ctx)
}

// openSource opens what is read, as it was when the job was planned.
func (e *exporting) openSource(ctx context.Context) (err error) {
	if e.columns, err = columns.NewLayout(e.collection.Schema); err != nil {
		return err
	}
	pin := e.job.Job().Pin
	if e.replaces {
		pin = nil
	}
	open := query.Opener(e.server, query.Options{Load: e.opts.Load, MaxRate: e.opts.MaxRate})
	e.source, err = open(ctx, e.collection, pin)
	return err
}

// plan cuts the source into chunks, once in the life of a job: each becomes a part, and a part that is finished stands for it.
func (e *exporting) plan(ctx context.Context) error {
	if e.replaces {
		if err := e.startOver(ctx); err != nil {
			return err
		}
	}
	if job := e.job.Job(); len(job.Parts) > 0 {
		e.opts.Planned(job.Rows)
		return e.sweep(ctx)
	}
	plan, err := e.source.Plan(ctx, e.opts.size())
	if err != nil {
		return err
	}
	e.opts.Planned(plan.Rows)
	return e.job.Update(ctx, func(j *checkpoint.Job) {
		j.Rows, j.Parts, j.Snapshot, j.Pin = plan.Rows, partsOf(plan.Chunks), plan.Snapshot, plan.Pin
	})
}

// startOver forgets what an earlier run planned or did: that is of the export which is to be replaced.
func (e *exporting) startOver(ctx context.Context) error {
	return e.job.Update(ctx, func(j *checkpoint.Job) {
		j.Parts, j.Snapshot, j.Pin, j.Started = nil, 0, nil, time.Now().UTC()
	})
}

// sweep removes what a killed process left of the parts that it had in flight.
func (e *exporting) sweep(ctx context.Context) error {
	sweeper, ok := sinks.As[sinks.Sweeper](e.sink)
	if !ok {
		return nil
	}
	for _, p := range e.job.Job().Parts {
		if p.State == checkpoint.Finished {
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
func (e *exporting) objectName(p checkpoint.Part, epoch int64) string {
	return path.Join(e.opts.Job, export.PartName(p.Partition, p.Number, epoch))
}

// exportParts exports several parts at once; the first error ends the others.
func (e *exporting) exportParts(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(e.opts.Workers)
	for i, p := range e.job.Job().Parts {
		if p.State == checkpoint.Finished {
			continue
		}
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			done, err := e.exportPart(ctx, p)
			if err != nil {
				return err
			}
			return e.job.Update(ctx, func(j *checkpoint.Job) { j.Parts[i] = done }) // refused where the job is another's by now
		})
	}
	return g.Wait()
}

// complete removes parts that are not of this export, makes sure that all others are there, and writes the manifest.
func (e *exporting) complete(ctx context.Context) (*export.Manifest, error) {
	job := e.job.Job()
	m := &export.Manifest{
		Format: export.Version, Job: job.Name, Started: job.Started, Snapshot: job.Snapshot, Collection: export.Describe(e.source.Collection()),
		Source: export.Server{Address: e.server.Address, Version: e.server.Version()},
	}
	for _, p := range job.Parts {
		m.Add(p.Part, p.Findings, p.Columns)
	}
	keep := func(object string) bool {
		return slices.ContainsFunc(m.Parts, func(p export.Part) bool { return p.Object == object })
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

// end leaves the job in order. One that has finished nothing leaves nothing behind, and a complete export that it was to replace
// as it is.
func (e *exporting) end(ctx context.Context, cause error) error {
	if cause == nil {
		return e.job.Release(ctx, checkpoint.Done, nil)
	}
	job := e.job.Job()
	lost := e.job.Confirm(ctx)
	if parts, _ := job.Finished(); parts > 0 || lost != nil {
		return e.job.Suspend(ctx, errors.Join(lost, cause))
	}
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if e.begun {
		_, err := e.remove(clean, func(string) bool { return false })
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

// exportPart writes one range into one object.
func (e *exporting) exportPart(ctx context.Context, p checkpoint.Part) (checkpoint.Part, error) {
	if err := e.job.StillOwner(ctx); err != nil {
		return p, err
	}
	epoch := e.job.Epoch()
	w := &partWriter{export: e, part: p}
	_, err := e.sink.Put(ctx, e.objectName(p, epoch), w.write(ctx))
	if err != nil && ctx.Err() != nil {
		e.late.Store(true)
	}
	if err != nil && !errors.Is(err, errEmpty) {
		return p, fmt.Errorf("exporting keys %s of partition %q: %w", p.Range, p.Partition, err)
	}
	if err == nil {
		w.part.Object = export.PartName(p.Partition, p.Number, epoch)
	}
	if len(w.part.Findings.Unreadable) > 0 && !e.opts.AllowUnreadable {
		return p, &UnreadableError{e.collection.Name, w.part.Findings.Unreadable}
	}
	w.part.State = checkpoint.Finished
	return w.part, nil
}

// remove removes the parts that are not to be kept, and returns the sizes of the others.
func (e *exporting) remove(ctx context.Context, keep func(object string) bool) (kept map[string]int64, err error) {
	folder, kept := e.opts.Job+"/", map[string]int64{}
	for info, err := range e.sink.List(ctx, folder) {
		if err != nil {
			return nil, fmt.Errorf("listing the parts of %q: %w", e.opts.Job, err)
		}
		object := strings.TrimPrefix(info.Name, folder)
		if keep(object) {
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
	again := e.job.Job().Parts
	for i, p := range again {
		if p.Object != "" && sizes[p.Object] != p.Bytes {
			lost = append(lost, fmt.Errorf("%s has %d bytes of %d: %w", e.sink.URL(path.Join(e.opts.Job, p.Object)), sizes[p.Object], p.Bytes, ErrNotKept))
			again = slices.Clone(again)
			again[i] = p.Again()
		}
	}
	if len(lost) == 0 {
		return nil
	}
	return errors.Join(append(lost, e.job.Update(ctx, func(j *checkpoint.Job) { j.Parts = again }))...)
}

// lowHigh widens the key bounds of a part by a batch.
func lowHigh(part *checkpoint.Part, keys []model.Key) {
	low, high := slices.MinFunc(keys, model.Key.Compare), slices.MaxFunc(keys, model.Key.Compare)
	if part.Lowest == nil || low.Compare(*part.Lowest) < 0 {
		low = low.Clone()
		part.Lowest = &low
	}
	if part.Highest == nil || high.Compare(*part.Highest) > 0 {
		high = high.Clone()
		part.Highest = &high
	}
}
