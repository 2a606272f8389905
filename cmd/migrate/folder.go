package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"migrate/internal/export"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/monitor"
	"migrate/sinks"
)

// given is an export that is meant, and where it is.
type given struct {
	sink     sinks.Sink
	manifest *export.Manifest
	jobs     sinks.Sink // where checkpoints lie beside it
}

// openExport opens the export that is meant: one of migrate's own, or with --parquet a folder that others wrote, which is read for it, and
// beside which nothing is written.
func (c config) openExport(ctx context.Context, target *milvus.Server, job string, seen *monitor.Monitor) (g given, err error) {
	if g.jobs, err = openSink(ctx, c); err != nil {
		return g, err
	}
	if c.Parquet == "" {
		g.sink = g.jobs
		g.manifest, err = c.readManifest(ctx, g.sink, job)
		return g, err
	}
	at := c.Sink // it is reached as the sink is
	at.URL = c.Parquet
	if g.sink, err = openStore(ctx, at); err != nil {
		return g, fmt.Errorf("opening the folder of Parquet: %w", err)
	}
	g.manifest, err = c.readFolder(ctx, target, g.sink, job, seen)
	return g, err
}

// readFolder reads and describes a folder of Parquet that others wrote.
func (c config) readFolder(ctx context.Context, target *milvus.Server, sink sinks.Sink, job string, seen *monitor.Monitor) (*export.Manifest, error) {
	coll, err := c.folderCollection(ctx, target)
	if err != nil {
		return nil, err
	}
	const step = "read folder"
	var bar steps
	bar.next(step, 0)
	defer bar.stop()
	seen.Step(step, 0)
	return export.Folder{
		Sink: sink, Job: job, Collection: coll, Workers: c.Jobs, KeepKeys: c.KeepIDs,
		Progress: func(rows, bytes int64) { bar.add(rows, bytes); seen.Did(rows) },
	}.Manifest(ctx)
}

// folderCollection is what the rows of the folder are to be in: as --schema says, or the import that is resumed, or as the target has it.
func (c config) folderCollection(ctx context.Context, target *milvus.Server) (*model.Collection, error) {
	if c.Schema == "" && c.described != nil {
		return c.described, nil
	}
	if c.Schema != "" {
		text, err := os.ReadFile(c.Schema)
		if err != nil {
			return nil, usageError{fmt.Errorf("schema: %w", err)}
		}
		coll, err := export.ParseCollection(text)
		if err != nil {
			return nil, usageError{fmt.Errorf("schema %s: %w; `migrate describe` writes one", c.Schema, err)}
		}
		coll.Name = cmp.Or(c.Collection, coll.Name)
		return coll, nil
	}
	name := cmp.Or(c.As, c.Collection)
	coll, err := target.Describe(ctx, name)
	if errors.Is(err, milvus.ErrNotFound) {
		return nil, usageError{fmt.Errorf("nothing says what the rows of %s are: there is no collection %q on %s. Make it there, or give a description of it by --schema FILE, which `migrate describe` writes",
			c.Parquet, name, target.Address)}
	}
	return coll, err
}
