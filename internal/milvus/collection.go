package milvus

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"

	"migrate/internal/clock"
	"migrate/internal/model"
)

// Describe asks for everything about a collection but its rows. ErrNotFound where there is none of that name, ErrAlias where it is
// an alias: what is done to a collection has to name it.
func (s *Server) Describe(ctx context.Context, name string) (*model.Collection, error) {
	c, err := s.Definition(ctx, name)
	if err != nil {
		return nil, err
	}
	c.Loaded, err = s.loaded(ctx, name)
	return c, err
}

// Definition is Describe without whether the collection is loaded: three calls.
func (s *Server) Definition(ctx context.Context, name string) (*model.Collection, error) {
	resp, err := s.svc.DescribeCollection(ctx, &milvuspb.DescribeCollectionRequest{DbName: s.database, CollectionName: name})
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("collection %q on %s: %w", name, s.Address, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("describing collection %q on %s: %w", name, s.Address, err)
	}
	if named := resp.GetSchema().GetName(); named != "" && named != name {
		return nil, fmt.Errorf("%q on %s %w of collection %q", name, s.Address, ErrAlias, named)
	}
	c := &model.Collection{
		ID: resp.GetCollectionID(), Name: name, Database: s.database, Schema: resp.GetSchema(), Shards: resp.GetShardsNum(),
		ConsistencyLevel: resp.GetConsistencyLevel(), Properties: resp.GetProperties(), Aliases: withoutFences(resp.GetAliases()),
	}
	if c.Partitions, err = s.partitions(ctx, name); err != nil {
		return nil, err
	}
	if !s.Capabilities().Clock {
		if err := s.completeLite(ctx, c); err != nil {
			return nil, err
		}
	}
	c.Indexes, err = s.Indexes(ctx, name)
	return c, err
}

func (s *Server) partitions(ctx context.Context, name string) ([]string, error) {
	if !s.Capabilities().Partitions {
		return []string{model.DefaultPartition}, nil
	}
	resp, err := s.svc.ShowPartitions(ctx, &milvuspb.ShowPartitionsRequest{DbName: s.database, CollectionName: name})
	if err != nil {
		return nil, fmt.Errorf("listing the partitions of %q on %s: %w", name, s.Address, err)
	}
	return slices.Sorted(slices.Values(resp.GetPartitionNames())), nil
}

// Indexes are those of a collection.
func (s *Server) Indexes(ctx context.Context, name string) ([]model.Index, error) {
	descriptions, err := s.describeIndexes(ctx, name)
	if err != nil {
		return nil, err
	}
	indexes := make([]model.Index, len(descriptions))
	for i, d := range descriptions {
		indexes[i] = model.Index{Name: d.GetIndexName(), Field: d.GetFieldName(), Params: d.GetParams()}
	}
	return indexes, nil
}

func (s *Server) describeIndexes(ctx context.Context, name string) ([]*milvuspb.IndexDescription, error) {
	resp, err := s.svc.DescribeIndex(ctx, &milvuspb.DescribeIndexRequest{DbName: s.database, CollectionName: name})
	if noIndex(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describing the indexes of %q on %s: %w", name, s.Address, err)
	}
	return resp.GetIndexDescriptions(), nil
}

func noIndex(err error) bool {
	var st *StatusError
	return errors.As(err, &st) && (st.Code == codeIndexNotFound || st.legacy == commonpb.ErrorCode_IndexNotExist)
}

// Exists reports whether there is a collection of that name.
func (s *Server) Exists(ctx context.Context, name string) (bool, error) {
	_, err := s.svc.DescribeCollection(ctx, &milvuspb.DescribeCollectionRequest{DbName: s.database, CollectionName: name})
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for collection %q on %s: %w", name, s.Address, err)
	}
	return true, nil
}

// RowCount is how many rows a collection's segments hold, loaded or not, once what was written is flushed. Rows that were
// deleted may still count.
func (s *Server) RowCount(ctx context.Context, name string) (int64, error) {
	if err := s.Flush(ctx, name); err != nil {
		return 0, fmt.Errorf("flushing %q on %s: %w", name, s.Address, err)
	}
	return s.statistics(ctx, name)
}

func (s *Server) statistics(ctx context.Context, name string) (int64, error) {
	resp, err := s.svc.GetCollectionStatistics(ctx, &milvuspb.GetCollectionStatisticsRequest{DbName: s.database, CollectionName: name})
	if err != nil {
		return 0, fmt.Errorf("counting the rows of %q on %s: %w", name, s.Address, err)
	}
	n, err := rowCount(resp.GetStats())
	if err != nil {
		return 0, fmt.Errorf("counting the rows of %q on %s: %w", name, s.Address, err)
	}
	return n, nil
}

// Flush seals the rows that were written to a collection, and waits until they are stored.
func (s *Server) Flush(ctx context.Context, name string) error {
	_, err := s.flush(ctx, name)
	return err
}

// flush returns the instant before which all that was written is stored; 0 where the server does not tell.
func (s *Server) flush(ctx context.Context, name string) (told Flushed, err error) {
	resp, err := s.svc.Flush(ctx, &milvuspb.FlushRequest{DbName: s.database, CollectionNames: []string{name}})
	if err != nil {
		return told, err
	}
	told.At, told.Sealed = resp.GetCollFlushTs()[name], resp.GetCollSegIDs()[name].GetData()
	told.Segments = slices.Concat(told.Sealed, resp.GetFlushCollSegIDs()[name].GetData())
	req := &milvuspb.GetFlushStateRequest{DbName: s.database, CollectionName: name, SegmentIDs: told.Sealed, FlushTs: told.At}
	for wait := pollEvery / 16; ; wait = min(wait*5/4, pollEvery) { // a small one is done at the next tick of the server's clock, five a second
		state, err := s.svc.GetFlushState(ctx, req)
		if err != nil || state.GetFlushed() {
			return told, err
		}
		if err := clock.Sleep(ctx, wait); err != nil {
			return told, err
		}
	}
}

// Drop removes a collection. It is no error if there is none.
func (s *Server) Drop(ctx context.Context, name string) error {
	_, err := s.svc.DropCollection(ctx, &milvuspb.DropCollectionRequest{DbName: s.database, CollectionName: name})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("dropping collection %q on %s: %w", name, s.Address, err)
	}
	return nil
}
