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

// Load loads a whole collection and waits until the server says that it is loaded. One that is loaded is left as it is: 2.3
// refuses to load it again if it has other replicas, or a new index, and later servers would change it. ErrLoad where the
// server gives it up.
func (s *Server) Load(ctx context.Context, name string) error {
	if ok, err := s.loaded(ctx, name); ok || err != nil {
		return err
	}
	// How many replicas is left to the server: one, unless somebody has configured another number.
	if _, err := s.svc.LoadCollection(ctx, &milvuspb.LoadCollectionRequest{DbName: s.database, CollectionName: name}); err != nil {
		return fmt.Errorf("loading %q on %s: %w", name, s.Address, err)
	}
	return s.awaitLoaded(ctx, name)
}

const (
	loadStall = 20 * time.Minute // without progress
	notLoaded = time.Minute      // a query coordinator that starts again may call it so for a while
)

func (s *Server) awaitLoaded(ctx context.Context, name string) error {
	last, since := unknownPercent, time.Now()
	for {
		if ok, err := s.loaded(ctx, name); ok || err != nil {
			return err
		}
		percent, why := s.loadProgress(ctx, name)
		if percent != last {
			last, since = percent, time.Now()
		}
		switch stood := time.Since(since); {
		case why != nil && stood > notLoaded:
			return fmt.Errorf("loading %q on %s: %w: %v", name, s.Address, ErrLoad, why)
		case stood > loadStall:
			return fmt.Errorf("loading %q on %s: %w: at %d%% since %s", name, s.Address, ErrLoad, percent, since.Format(time.TimeOnly))
		}
		if err := clock.Sleep(ctx, pollEvery); err != nil {
			return fmt.Errorf("waiting for %q to be loaded on %s: %w", name, s.Address, err)
		}
	}
}

const unknownPercent int64 = -1

// loadProgress is how far the load of a collection is. Of one that is not being loaded the error says why, as the state that
// GetLoadState gives does not: to 2.3 anything that goes wrong is "not loaded".
func (s *Server) loadProgress(ctx context.Context, name string) (percent int64, err error) {
	resp, err := s.svc.GetLoadingProgress(ctx, &milvuspb.GetLoadingProgressRequest{DbName: s.database, CollectionName: name})
	if err != nil {
		return unknownPercent, err
	}
	return resp.GetProgress(), nil
}

// Release releases a loaded collection.
func (s *Server) Release(ctx context.Context, name string) error {
	if _, err := s.svc.ReleaseCollection(ctx, &milvuspb.ReleaseCollectionRequest{DbName: s.database, CollectionName: name}); err != nil {
		return fmt.Errorf("releasing %q on %s: %w", name, s.Address, err)
	}
	return nil
}
