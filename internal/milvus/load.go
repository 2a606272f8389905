package milvus

import (
	"context"
	"fmt"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"

	"migrate/internal/clock"
)

const pollEvery = 200 * time.Millisecond

func (s *Server) loaded(ctx context.Context, name string) (bool, error) {
	resp, err := s.svc.GetLoadState(ctx, &milvuspb.GetLoadStateRequest{DbName: s.database, CollectionName: name})
	if err != nil {
		return false, fmt.Errorf("asking whether %q is loaded on %s: %w", name, s.Address, err)
	}
	if resp.GetState() != commonpb.LoadState_LoadStateLoaded {
		return false, nil
	}
	return s.whollyLoaded(ctx, name)
}

// whollyLoaded tells a loaded collection from one of which only some partitions are loaded: reads of that one would
// silently leave the others out.
func (s *Server) whollyLoaded(ctx context.Context, name string) (bool, error) {
	partitions, err := s.partitions(ctx, name)
	if err != nil {
		return false, err
	}
	for _, p := range partitions {
		req := &milvuspb.GetLoadStateRequest{DbName: s.database, CollectionName: name, PartitionNames: []string{p}}
		resp, err := s.svc.GetLoadState(ctx, req)
		if err != nil {
			return false, fmt.Errorf("asking whether partition %q of %q is loaded on %s: %w", p, name, s.Address, err)
		}
		if resp.GetState() != commonpb.LoadState_LoadStateLoaded {
			return false, nil
		}
	}
	return true, nil
}

// Load loads a whole collection and waits until the server says that it is loaded.
func (s *Server) Load(ctx context.Context, name string) error {
	if _, err := s.svc.LoadCollection(ctx, &milvuspb.LoadCollectionRequest{DbName: s.database, CollectionName: name, ReplicaNumber: 1}); err != nil {
		return fmt.Errorf("loading %q on %s: %w", name, s.Address, err)
	}
	for {
		ok, err := s.loaded(ctx, name)
		if ok || err != nil {
			return err
		}
		if err := clock.Sleep(ctx, pollEvery); err != nil {
			return fmt.Errorf("waiting for %q to be loaded on %s: %w", name, s.Address, err)
		}
	}
}

// Release releases a loaded collection.
func (s *Server) Release(ctx context.Context, name string) error {
	if _, err := s.svc.ReleaseCollection(ctx, &milvuspb.ReleaseCollectionRequest{DbName: s.database, CollectionName: name}); err != nil {
		return fmt.Errorf("releasing %q on %s: %w", name, s.Address, err)
	}
	return nil
}
