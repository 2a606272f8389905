package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"migrate/exporter"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source/storage"
)

// readSettings say how rows are read, beside storageSettings, which say where they lie.
var readSettings = []setting{
	sourceRead,
	{"source.management-url", "", "http://host:port of the source's metrics (port 9091), where its garbage collection is paused while rows are read from its storage; where empty, it is not paused"},
}

var sourceRead = setting{"source.read", readAuto, "how rows are read: query, storage, or auto, which reads from --source-storage-url where that is given, can be reached, holds the collection and is of a version that is known (of 2.3 what is not loaded), and by queries elsewhere"}

// Ways of reading.
const (
	readAuto    = "auto"
	readQuery   = "query"
	readStorage = "storage"
)

// reading chooses how each collection of a source is read; nil where all are read by queries.
func (c config) reading(ctx context.Context, server *milvus.Server) (func(*model.Collection) (exporter.Way, error), error) {
	auto := c.Source.Read == readAuto
	switch {
	case c.Source.Read == readQuery, auto && c.Source.Storage.URL == "":
		return nil, nil
	case !auto && c.Source.Read != readStorage:
		return nil, usageError{fmt.Errorf("source.read %q: auto, query or storage", c.Source.Read)}
	}
	if err := require("source.storage.url", c.Source.Storage.URL); err != nil {
		return nil, err
	}
	bucket, err := openStore(ctx, c.Source.Storage)
	if err != nil && auto && !errors.As(err, new(usageError)) {
		slog.WarnContext(ctx, "the storage of the source can't be reached; rows are read by queries", "error", err)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the storage of the source: %w", err)
	}
	told := func(what string) { slog.WarnContext(ctx, what) }
	opts := storage.Options{Told: told}
	if garbage := server.Garbage(); garbage != nil {
		opts.Garbage = garbage
	}
	stored := exporter.Way{Name: readStorage, Open: storage.Opener(server, bucket, opts)}
	return func(coll *model.Collection) (exporter.Way, error) {
		err := storage.Check(server, coll)
		if err == nil && auto && coll.Loaded && server.Capabilities().CompactionLosesDeletes {
			err = errLosesDeletes
		}
		if err == nil {
			err = storage.Holds(ctx, server, bucket, coll)
		}
		if err != nil && auto {
			slog.WarnContext(ctx, "rows are read by queries", "reason", err)
			return exporter.Way{}, nil
		}
		return stored, err
	}, nil
}

// errLosesDeletes is why a loaded collection of such a server is left to queries, unless somebody asks for its storage.
var errLosesDeletes = errors.New("of rows that are deleted meanwhile some may be back in the storage of this server; where nobody deletes, say --source-read storage")
