package milvus

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"

	"migrate/internal/clock"
	"migrate/internal/model"
)

// CreateIndex makes one index of a collection. It is no error if the same one is there.
func (s *Server) CreateIndex(ctx context.Context, collection string, idx model.Index) error {
	made := idx.Made(s.Capabilities())
	req := &milvuspb.CreateIndexRequest{
		DbName: s.database, CollectionName: collection, FieldName: made.Field, IndexName: made.Name, ExtraParams: made.Params,
	}
	if _, err := s.svc.CreateIndex(ctx, req); err != nil {
		return fmt.Errorf("creating index %q on field %q of %q on %s: %w", idx.Name, idx.Field, collection, s.Address, err)
	}
	return s.setIndex(ctx, collection, idx, made)
}

// CreateIndexes makes the indexes of a collection that the server lacks. One that has the same under another name is left as it is, but
// for what had still to be set on it when this was interrupted.
func (s *Server) CreateIndexes(ctx context.Context, c *model.Collection) error {
	have, err := s.Indexes(ctx, c.Name)
	if err != nil {
		return err
	}
	for _, idx := range c.Indexes {
		if i := slices.IndexFunc(have, idx.SamePlace); i >= 0 {
			err = s.setIndex(ctx, c.Name, idx, have[i])
		} else {
			err = s.CreateIndex(ctx, c.Name, idx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// setIndex sets what an index that is there has not, and can be set. A server without that call leaves it as it is.
func (s *Server) setIndex(ctx context.Context, collection string, idx, there model.Index) error {
	settings := idx.Settings(there)
	if len(settings) == 0 {
		return nil
	}
	if !s.Capabilities().SetsIndexes {
		slog.WarnContext(ctx, "this server can't set what the index had", "collection", collection, "field", idx.Field, "parameters", settings)
		return nil
	}
	req := &milvuspb.AlterIndexRequest{
		DbName: s.database, CollectionName: collection, IndexName: cmp.Or(there.Name, idx.Field), ExtraParams: settings,
	}
	if _, err := s.svc.AlterIndex(ctx, req); err != nil {
		return fmt.Errorf("setting %v of the index on field %q of %q on %s: %w", settings, idx.Field, collection, s.Address, err)
	}
	return nil
}

// IndexProgress is how far the indexes of a collection are built.
type IndexProgress struct {
	Indexed, Total int64    // rows, over all indexes
	Unfinished     []string // names of the indexes still being built
}

// WaitIndexes waits until every index of a collection is built. It does not wait for ever: where no row is indexed for
// stall, it returns with what is unfinished, since a server may accept an index type that it never builds.
func (s *Server) WaitIndexes(ctx context.Context, collection string, stall time.Duration, report func(IndexProgress)) (IndexProgress, error) {
	last, moved := int64(-1), time.Now()
	for {
		p, err := s.indexProgress(ctx, collection)
		if err != nil || len(p.Unfinished) == 0 {
			return p, err
		}
		report(p)
		if p.Indexed != last {
			last, moved = p.Indexed, time.Now()
		}
		if time.Since(moved) > stall {
			return p, nil
		}
		if err := clock.Sleep(ctx, pollEvery); err != nil {
			return p, fmt.Errorf("waiting for the indexes of %q on %s: %w", collection, s.Address, err)
		}
	}
}

func (s *Server) indexProgress(ctx context.Context, collection string) (IndexProgress, error) {
	descriptions, err := s.describeIndexes(ctx, collection)
	if err != nil {
		return IndexProgress{}, err
	}
	var p IndexProgress
	for _, d := range descriptions {
		if d.GetState() == commonpb.IndexState_Failed {
			return p, fmt.Errorf("building index %q of %q on %s: %s", d.GetIndexName(), collection, s.Address, d.GetIndexStateFailReason())
		}
		p.Indexed += d.GetIndexedRows()
		p.Total += d.GetTotalRows()
		if d.GetState() != commonpb.IndexState_Finished || d.GetIndexedRows() < d.GetTotalRows() {
			p.Unfinished = append(p.Unfinished, d.GetIndexName())
		}
	}
	return p, nil
}
