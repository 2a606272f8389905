package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"migrate/importer"
	"migrate/internal/milvus"
	"migrate/sinks"
)

func connectSource(ctx context.Context, c config) (*milvus.Server, error) {
	if err := require("source.address", c.Source.Address); err != nil {
		return nil, err
	}
	return milvus.Connect(ctx, c.Source.milvus())
}

func connectTarget(ctx context.Context, c config) (*milvus.Server, error) {
	if err := require("target.address", c.Target.Address); err != nil {
		return nil, err
	}
	return milvus.Connect(ctx, c.Target.milvus())
}

// ends are the two servers of a move, and where its exports are.
type ends struct {
	source, target *milvus.Server
	sink           sinks.Sink
}

// openEnds connects to both servers. The caller closes what it returns.
func openEnds(ctx context.Context, c config) (e ends, err error) {
	if e.source, err = connectSource(ctx, c); err != nil {
		return e, err
	}
	if e.target, err = connectTarget(ctx, c); err == nil {
		e.sink, err = openSink(ctx, c)
	}
	if err != nil {
		e.close()
	}
	return e, err
}

func (e ends) close() {
	e.source.Close()
	if e.target != nil {
		e.target.Close()
	}
}

func openSink(ctx context.Context, c config) (sinks.Sink, error) {
	return openStore(ctx, c.Sink)
}

// openStore takes a URL that names no store for wrong usage.
func openStore(ctx context.Context, s store) (sinks.Sink, error) {
	if err := sinks.CheckURL(s.URL); err != nil {
		return nil, usageError{err}
	}
	return sinks.Open(ctx, s.URL, s.s3())
}

// openStaging opens the cluster's own bucket; anything else is nothing that bulk insert can read.
func openStaging(ctx context.Context, c config) (importer.Staging, error) {
	s := c.stagingStore()
	if strings.HasPrefix(s.URL, "s3:") {
		if err := require("staging.endpoint", s.Endpoint); err != nil {
			return nil, err
		}
	}
	sink, err := openStore(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("opening the staging store: %w", err)
	}
	staging, ok := sink.(importer.Staging)
	if !ok {
		return nil, usageError{fmt.Errorf("staging.url %q: bulk insert reads from the cluster's bucket only, so it has to be s3://bucket/prefix", s.URL)}
	}
	return staging, nil
}

// partBytes reads part-size.
func (c config) partBytes() (int64, error) {
	n, err := humanize.ParseBytes(c.PartSize)
	if err != nil || n < 1<<20 || n > 16<<30 {
		return 0, usageError{fmt.Errorf("part-size %q: a size from 1MiB to 16GiB, such as 256MiB", c.PartSize)}
	}
	return int64(n), nil
}

// job is the export's name on the sink.
func (c config) job() (string, error) {
	if c.Job == "" && c.Collection == "" {
		return "", require("collection", "")
	}
	job := cmp.Or(c.Job, c.Collection)
	if err := sinks.CheckName(job); err != nil {
		return "", usageError{fmt.Errorf("job %q: %w", job, err)}
	}
	if strings.Contains(job, "/") { // it would lie in the folder of another job, and go with it
		return "", usageError{fmt.Errorf("job %q: a job has one folder on the sink, so its name has no slash; a folder above it belongs to --sink-url", job)}
	}
	return job, nil
}

// atLeastOne refuses numbers that would stand for a default.
func atLeastOne(key string, n int) error {
	if n > 0 {
		return nil
	}
	return usageError{fmt.Errorf("%s %d: at least 1", key, n)}
}
