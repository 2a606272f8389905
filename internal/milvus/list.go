package milvus

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
)

// Databases are the names of all, sorted. A server without the call has the default one.
func (s *Server) Databases(ctx context.Context) ([]string, error) {
	if !s.Capabilities().Databases {
		return []string{DefaultDatabase}, nil
	}
	resp, err := s.svc.ListDatabases(ctx, &milvuspb.ListDatabasesRequest{})
	if errors.Is(err, ErrUnimplemented) {
		return []string{DefaultDatabase}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the databases of %s: %w", s.Address, err)
	}
	return slices.Sorted(slices.Values(resp.GetDbNames())), nil
}

// Collections are the names of those in the database, sorted.
func (s *Server) Collections(ctx context.Context) ([]string, error) {
	resp, err := s.showCollections(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(slices.Values(resp.GetCollectionNames())), nil
}

// CollectionIDs are the collections in the database and their ids, which they keep when they are renamed.
func (s *Server) CollectionIDs(ctx context.Context) (map[string]int64, error) {
	resp, err := s.showCollections(ctx)
	if err != nil {
		return nil, err
	}
	ids := make(map[string]int64, len(resp.GetCollectionNames()))
	for i, name := range resp.GetCollectionNames() {
		if ids[name] = 0; i < len(resp.GetCollectionIds()) { // a Milvus Lite tells none
			ids[name] = resp.GetCollectionIds()[i]
		}
	}
	return ids, nil
}

func (s *Server) showCollections(ctx context.Context) (*milvuspb.ShowCollectionsResponse, error) {
	resp, err := s.svc.ShowCollections(ctx, &milvuspb.ShowCollectionsRequest{DbName: s.database})
	if err != nil {
		return nil, fmt.Errorf("listing the collections of database %q on %s: %w", s.database, s.Address, err)
	}
	return resp, nil
}
