package milvus

import (
	"context"
	"fmt"
	"slices"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"

	"migrate/internal/model"
)

// Create makes a collection as c describes it, with its partitions and without indexes. Types that the server does not
// know are refused here: a server may accept such a collection, and abort when it is loaded.
func (s *Server) Create(ctx context.Context, c *model.Collection) error {
	if fields := s.Capabilities().Unsupported(c); len(fields) > 0 {
		return fmt.Errorf("creating collection %q on %s: the server can't take the types of %v", c.Name, s.Address, fields)
	}
	schema, err := proto.Marshal(creatable(c))
	if err != nil {
		return fmt.Errorf("encoding the schema of %q: %w", c.Name, err)
	}
	req := &milvuspb.CreateCollectionRequest{
		DbName: s.database, CollectionName: c.Name, Schema: schema, ShardsNum: c.Shards,
		ConsistencyLevel: c.ConsistencyLevel, Properties: c.GivenProperties(),
	}
	if model.PartitionKey(c.Schema) {
		req.NumPartitions = int64(len(c.Partitions))
	}
	if _, err := s.svc.CreateCollection(ctx, req); err != nil {
		return fmt.Errorf("creating collection %q on %s: %w", c.Name, s.Address, err)
	}
	return s.CreatePartitions(ctx, c)
}

// CreatePartitions adds the partitions of c that the server lacks.
func (s *Server) CreatePartitions(ctx context.Context, c *model.Collection) error {
	if model.PartitionKey(c.Schema) {
		return nil
	}
	have, err := s.partitions(ctx, c.Name)
	if err != nil {
		return err
	}
	for _, p := range c.Partitions {
		if slices.Contains(have, p) {
			continue
		}
		req := &milvuspb.CreatePartitionRequest{DbName: s.database, CollectionName: c.Name, PartitionName: p}
		if _, err := s.svc.CreatePartition(ctx, req); err != nil {
			return fmt.Errorf("creating partition %q of %q on %s: %w", p, c.Name, s.Address, err)
		}
	}
	return nil
}

// creatable is the schema without what only the server may set.
func creatable(c *model.Collection) *schemapb.CollectionSchema {
	schema := model.CloneSchema(c.Schema)
	schema.Name, schema.DbName, schema.Version, schema.Properties = c.Name, "", 0, nil // the properties go with the request
	schema.Fields = slices.DeleteFunc(schema.Fields, (*schemapb.FieldSchema).GetIsDynamic)
	for _, f := range schema.Fields {
		f.FieldID, f.State, f.IsFunctionOutput = 0, schemapb.FieldState_FieldCreated, false
	}
	for _, f := range schema.Functions {
		f.Id, f.InputFieldIds, f.OutputFieldIds = 0, nil, nil
	}
	return schema
}
