// Package exporter streams a collection into Parquet objects on a sink. Its rows are cut into ranges of the primary
// key; several are read at once, each into one part, and each page of a range is proved complete by the server's own
// count. The manifest is written last, so that a manifest means a complete export.
package exporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"migrate/internal/columns"
	"migrate/internal/manifest"
	"migrate/internal/milvus"
	"migrate/internal/source"
	"migrate/sinks"
)

// Errors that a caller decides on.
var (
	// ErrExists: the job has a complete export already.
	ErrExists = errors.New("export is complete already")
	// ErrUnsupported: the collection has a type that can't be carried.
	ErrUnsupported = errors.New("types can't be carried")
)

// Options of one export. The zero value of everything but Job is useful.
type Options struct {
	Job             string // names the export's folder on the sink
	Workers         int    // ranges read at once; 4 where zero
	PartBytes       int64  // aimed at for a part; 256 MiB where zero
	Load            bool   // load a collection that is not loaded, and release it at the end
	Overwrite       bool   // replace a complete export of the same job
	AllowUnreadable bool   // leave out rows that the server counts and never returns, and say so
	// Progress is told of every batch written; calls come from several goroutines.
	Progress func(rows, bytes int64)
	// Planned is told once what is about to be exported.
	Planned func(*Plan)
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
	if o.Planned == nil {
		o.Planned = func(*Plan) {}
	}
	return o
}

// Export exports one collection and returns the manifest that it wrote. Where it fails no manifest is there, and no
// part that is not whole.
func Export(ctx context.Context, server *milvus.Server, collection string, sink sinks.Sink, opts Options) (*manifest.Manifest, error) {
	opts = opts.withDefaults()
	started := time.Now().UTC()
	coll, err := describe(ctx, server, collection)
	if err != nil {
		return nil, err
	}
	if err := begin(ctx, sink, opts); err != nil {
		return nil, err
	}
	release, err := ensureLoaded(ctx, server, coll, opts.Load)
	if err != nil {
		return nil, err
	}
	defer release()
	plan, err := newPlan(ctx, server, coll, opts)
	if err != nil {
		return nil, err
	}
	opts.Planned(plan)
	m := &manifest.Manifest{
		Format: manifest.Version, Job: opts.Job, Started: started, Collection: manifest.Describe(coll),
		Source: manifest.Server{Address: server.Address, Version: server.Version},
	}
	e := &export{reader: plan.reader, sink: sink, opts: opts, manifest: m}
	err = e.run(ctx, plan.Ranges)
	if err == nil {
		err = e.finish(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, e.discard(ctx))
	}
	return m, nil
}

// describe refuses what can't be carried before any work.
func describe(ctx context.Context, server *milvus.Server, collection string) (*milvus.Collection, error) {
	coll, err := server.Describe(ctx, collection)
	if err != nil {
		return nil, err
	}
	if fields := server.Capabilities.Unsupported(coll.Schema); len(fields) > 0 {
		return nil, fmt.Errorf("exporting %q: %w: %s", collection, ErrUnsupported, strings.Join(fields, ", "))
	}
	if _, err := columns.NewLayout(coll.Schema); err != nil {
		return nil, fmt.Errorf("exporting %q: %w: %w", collection, ErrUnsupported, err)
	}
	return coll, nil
}

// begin makes sure that a complete export is not overwritten unasked, and that a manifest of an earlier one does not
// stand beside parts of this one.
func begin(ctx context.Context, sink sinks.Sink, opts Options) error {
	_, err := manifest.Read(ctx, sink, opts.Job)
	if errors.Is(err, manifest.ErrNone) {
		return nil
	}
	if !opts.Overwrite {
		if err != nil {
			return err
		}
		return fmt.Errorf("exporting to %s: %w", sink.URL(opts.Job), ErrExists)
	}
	return manifest.Remove(ctx, sink, opts.Job)
}

// ensureLoaded loads a collection where it is asked to, and returns what undoes it.
func ensureLoaded(ctx context.Context, server *milvus.Server, coll *milvus.Collection, load bool) (release func(), err error) {
	if coll.Loaded || !load {
		return func() {}, nil
	}
	if err := server.Load(ctx, coll.Name); err != nil {
		return nil, err
	}
	coll.Loaded = true
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if err := server.Release(ctx, coll.Name); err != nil {
			slog.WarnContext(ctx, "a collection that was loaded for the export stays loaded", "collection", coll.Name, "error", err)
		}
	}, nil
}

// export is one export under way.
type export struct {
	reader *source.Reader
	sink   sinks.Sink
	opts   Options

	mu       sync.Mutex
	manifest *manifest.Manifest
}

// run exports all ranges, several at once; the first error ends the others.
func (e *export) run(ctx context.Context, ranges []Range) error {
	e.manifest.Parts = make([]manifest.Part, len(ranges))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(e.opts.Workers)
	for i, rng := range ranges {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			part, findings, err := e.exportPart(ctx, rng)
			if err != nil {
				return err
			}
			return e.done(i, part, findings)
		})
	}
	return g.Wait()
}

func (e *export) done(i int, part manifest.Part, found source.Findings) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.manifest.Parts[i] = part
	e.manifest.Total.Add(part.Rows)
	e.manifest.Bytes += part.Bytes
	e.manifest.Findings.Add(found)
	if len(found.Unreadable) > 0 && !e.opts.AllowUnreadable {
		return &UnreadableError{e.manifest.Collection.Name, found.Unreadable}
	}
	return nil
}

// UnreadableError is the refusal of an export that would leave rows out.
type UnreadableError struct {
	Collection string
	Ranges     []source.Unreadable
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
func (e *export) exportPart(ctx context.Context, rng Range) (manifest.Part, source.Findings, error) {
	part := manifest.Part{Partition: rng.Partition, Range: rng.Range}
	if rng.Rows == 0 {
		return part, source.Findings{}, nil
	}
	w := &partWriter{export: e, rng: rng, part: part}
	object := manifest.PartName(rng.Partition, rng.Number)
	_, err := e.sink.Put(ctx, path.Join(e.opts.Job, object), w.write(ctx))
	if errors.Is(err, errEmpty) {
		return part, w.found, nil
	}
	if err != nil {
		return part, w.found, fmt.Errorf("exporting keys %s of partition %q: %w", rng.Range, rng.Partition, err)
	}
	w.part.Object = object
	return w.part, w.found, nil
}

// finish removes what an earlier, interrupted export left in the job's folder, and writes the manifest.
func (e *export) finish(ctx context.Context) error {
	keep := func(object string) bool {
		return slices.ContainsFunc(e.manifest.Parts, func(p manifest.Part) bool { return p.Object == object })
	}
	if err := e.remove(ctx, keep); err != nil {
		return err
	}
	e.manifest.Finished = time.Now().UTC()
	return manifest.Write(ctx, e.sink, e.manifest)
}

// discard removes the parts of an export that failed.
func (e *export) discard(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	return e.remove(ctx, func(string) bool { return false })
}

func (e *export) remove(ctx context.Context, keep func(object string) bool) error {
	folder := e.opts.Job + "/"
	for info, err := range e.sink.List(ctx, folder) {
		if err != nil {
			return fmt.Errorf("listing the parts of %q: %w", e.opts.Job, err)
		}
		if keep(strings.TrimPrefix(info.Name, folder)) {
			continue
		}
		if err := e.sink.Delete(ctx, info.Name); err != nil {
			return fmt.Errorf("removing a part of an unfinished export: %w", err)
		}
	}
	return nil
}

// lowHigh widens the key bounds of a part by a batch.
func lowHigh(part *manifest.Part, keys []columns.Key) {
	low, high := slices.MinFunc(keys, columns.Key.Compare), slices.MaxFunc(keys, columns.Key.Compare)
	if part.Lowest == nil || low.Compare(*part.Lowest) < 0 {
		low = low.Clone()
		part.Lowest = &low
	}
	if part.Highest == nil || high.Compare(*part.Highest) > 0 {
		high = high.Clone()
		part.Highest = &high
	}
}
