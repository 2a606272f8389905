package memory

//lint:file-ignore SA1019 servers of 2.3 tell some errors by these codes alone

import (
	"context"
	"slices"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"migrate/internal/columns"
	"migrate/internal/model"
)

// CreateCollection makes a collection, which is loaded once its vectors have an index.
func (s *Server) CreateCollection(_ context.Context, q *milvuspb.CreateCollectionRequest) (*commonpb.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var schema schemapb.CollectionSchema
	if err := proto.Unmarshal(q.Schema, &schema); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	layout, err := columns.NewLayout(&schema)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	s.add(&model.Collection{Name: q.CollectionName, Schema: &schema, Shards: q.ShardsNum, ConsistencyLevel: q.ConsistencyLevel}, layout)
	return &commonpb.Status{}, nil
}

// DropCollection removes a collection. It is no error if there is none.
func (s *Server) DropCollection(_ context.Context, q *milvuspb.DropCollectionRequest) (*commonpb.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.collections, q.CollectionName)
	return &commonpb.Status{}, nil
}

// CreatePartition adds one.
func (s *Server) CreatePartition(_ context.Context, q *milvuspb.CreatePartitionRequest) (*commonpb.Status, error) {
	return s.change(q.CollectionName, func(c *collection) { c.Partitions = append(c.Partitions, q.PartitionName) })
}

// CreateIndex adds one.
func (s *Server) CreateIndex(_ context.Context, q *milvuspb.CreateIndexRequest) (*commonpb.Status, error) {
	return s.change(q.CollectionName, func(c *collection) {
		c.Indexes = append(c.Indexes, model.Index{Name: q.IndexName, Field: q.FieldName, Params: q.ExtraParams})
	})
}

// CreateAlias has an alias name a collection.
func (s *Server) CreateAlias(_ context.Context, q *milvuspb.CreateAliasRequest) (*commonpb.Status, error) {
	return s.change(q.CollectionName, func(c *collection) { c.Aliases = append(c.Aliases, q.Alias) })
}

// AlterAlias has it name another.
func (s *Server) AlterAlias(ctx context.Context, q *milvuspb.AlterAliasRequest) (*commonpb.Status, error) {
	if st, err := s.DropAlias(ctx, &milvuspb.DropAliasRequest{Alias: q.Alias}); err != nil || st.Code != 0 {
		return st, err
	}
	return s.change(q.CollectionName, func(c *collection) { c.Aliases = append(c.Aliases, q.Alias) })
}

// DropAlias removes it.
func (s *Server) DropAlias(_ context.Context, q *milvuspb.DropAliasRequest) (*commonpb.Status, error) {
	return s.change(q.Alias, func(c *collection) {
		c.Aliases = slices.DeleteFunc(slices.Clone(c.Aliases), func(alias string) bool { return alias == q.Alias })
	})
}

func (s *Server) change(name string, change func(*collection)) (*commonpb.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, st := s.find(name)
	if c != nil {
		change(c)
	}
	return st, nil
}
