package milvus

import (
	"context"
	"fmt"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// Insert adds rows, whether their keys are there or not. No partition is named where it is "". It is made once.
func (s *Server) Insert(ctx context.Context, collection, partition string, rows []*schemapb.FieldData, n int) error {
	_, err := s.svc.Insert(ctx, &milvuspb.InsertRequest{
		DbName: s.database, CollectionName: collection, PartitionName: partition, FieldsData: rows, NumRows: uint32(n),
	})
	if err != nil {
		return fmt.Errorf("inserting %d rows into %q on %s: %w", n, collection, s.Address, err)
	}
	return nil
}

// Upsert writes rows in place of those that have the same keys in the same partition; copies of a key in other partitions
// stay. No partition is named where it is "". It is made once: whoever repeats it decides that.
func (s *Server) Upsert(ctx context.Context, collection, partition string, rows []*schemapb.FieldData, n int) error {
	if s.Capabilities().MergesUpserts {
		return s.Insert(ctx, collection, partition, rows, n)
	}
	resp, err := s.svc.Upsert(ctx, &milvuspb.UpsertRequest{
		DbName: s.database, CollectionName: collection, PartitionName: partition, FieldsData: rows, NumRows: uint32(n),
	})
	if err != nil {
		return fmt.Errorf("upserting %d rows into %q on %s: %w", n, collection, s.Address, err)
	}
	if done := resp.GetUpsertCnt(); done != int64(n) {
		return fmt.Errorf("upserting %d rows into %q on %s: the server took %d", n, collection, s.Address, done)
	}
	return nil
}

// Delete removes the rows of a filter on primary keys from a partition, or from all where it is "". It is made once.
func (s *Server) Delete(ctx context.Context, collection, partition, filter string) error {
	_, err := s.svc.Delete(ctx, &milvuspb.DeleteRequest{
		DbName: s.database, CollectionName: collection, PartitionName: partition, Expr: filter,
	})
	if err != nil {
		return fmt.Errorf("deleting from %q on %s: %w", collection, s.Address, err)
	}
	return nil
}
