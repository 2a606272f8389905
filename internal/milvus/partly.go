package milvus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"

	"migrate/internal/clock"
	"migrate/internal/model"
)

// DescribeWhole is Describe, and how the collection is loaded, partition by partition: by six calls at most.
func (s *Server) DescribeWhole(ctx context.Context, name string) (*model.Collection, error) {
	c, err := s.Definition(ctx, name)
	if err != nil {
		return nil, err
	}
	load, err := s.LoadOf(ctx, c)
	if err != nil {
		return nil, err
	}
	c.Load, c.Loaded = &load, load.Whole(c.Partitions)
	return c, nil
}

// LoadOf is what of a collection is loaded, and how. One that somebody begins to load, or to release, is asked for until the server knows:
// 2.3.5 calls it loaded before it has made its replicas.
func (s *Server) LoadOf(ctx context.Context, c *model.Collection) (load model.Load, err error) {
	for since := time.Now(); ; {
		state, err := s.stateOf(ctx, c.Name)
		if err != nil || state == commonpb.LoadState_LoadStateNotLoad || state == commonpb.LoadState_LoadStateNotExist {
			return model.Load{}, err
		}
		load, err := s.loadOfLoaded(ctx, c)
		if !errors.Is(err, ErrNotLoaded) || time.Since(since) > notLoaded {
			return load, err
		}
		if err := clock.Sleep(ctx, pollEvery); err != nil {
			return model.Load{}, fmt.Errorf("waiting for %q to be loaded or released on %s: %w", c.Name, s.Address, err)
		}
	}
}

// loadOfLoaded is LoadOf of a collection that was said to be loaded, if only in part.
func (s *Server) loadOfLoaded(ctx context.Context, c *model.Collection) (load model.Load, err error) {
	if load.Partitions, err = s.loadedPartitions(ctx, c); err != nil || load.Released() {
		return load, err
	}
	load.Replicas = 1
	if !s.Capabilities().Replicas {
		return load, nil
	}
	resp, err := s.svc.GetReplicas(ctx, &milvuspb.GetReplicasRequest{DbName: s.database, CollectionName: c.Name, CollectionID: c.ID})
	if err != nil {
		return load, fmt.Errorf("asking for the replicas of %q on %s: %w", c.Name, s.Address, err)
	}
	load.Replicas = len(resp.GetReplicas())
	for _, r := range resp.GetReplicas() {
		if group := r.GetResourceGroupName(); group != "" && group != model.DefaultGroup {
			load.Groups = append(load.Groups, group)
		}
	}
	slices.Sort(load.Groups)
	return load, nil
}

// loadedPartitions are those that are loaded, sorted: a server with replicas lists them in one call, another one is asked for each.
func (s *Server) loadedPartitions(ctx context.Context, c *model.Collection) (names []string, err error) {
	if !s.Capabilities().Replicas {
		return s.loadedOneByOne(ctx, c)
	}
	//lint:ignore SA1019 what came in its place is asked of each partition by itself
	req := &milvuspb.ShowPartitionsRequest{DbName: s.database, CollectionName: c.Name, Type: milvuspb.ShowType_InMemory}
	resp, err := s.svc.ShowPartitions(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("listing the loaded partitions of %q on %s: %w", c.Name, s.Address, err)
	}
	return slices.Sorted(slices.Values(resp.GetPartitionNames())), nil
}

func (s *Server) loadedOneByOne(ctx context.Context, c *model.Collection) (names []string, err error) {
	for _, p := range c.Partitions {
		state, err := s.stateOf(ctx, c.Name, p)
		if err != nil {
			return nil, err
		}
		if state == commonpb.LoadState_LoadStateLoaded {
			names = append(names, p)
		}
	}
	return names, nil
}

// LoadPartitions loads partitions beside those that are loaded, and waits until their rows are seen.
func (s *Server) LoadPartitions(ctx context.Context, name string, partitions []string, like model.Load) error {
	req := &milvuspb.LoadPartitionsRequest{
		DbName: s.database, CollectionName: name, PartitionNames: partitions, ReplicaNumber: int32(like.Replicas), ResourceGroups: like.PerReplica(),
	}
	if _, err := s.svc.LoadPartitions(ctx, req); err != nil {
		return fmt.Errorf("loading partitions %v of %q on %s: %w", partitions, name, s.Address, err)
	}
	if err := s.awaitLoad(ctx, name, partitions...); err != nil {
		return err
	}
	return s.AwaitRows(ctx, name, partitions)
}

// LoadLike loads a collection that is released as another one is: as many replicas, in resource groups of the same names, of which the
// server has to have all.
func (s *Server) LoadLike(ctx context.Context, name string, like model.Load) error {
	req := &milvuspb.LoadCollectionRequest{DbName: s.database, CollectionName: name, ReplicaNumber: int32(like.Replicas), ResourceGroups: like.PerReplica()}
	if _, err := s.svc.LoadCollection(ctx, req); err != nil {
		return fmt.Errorf("loading %q with %d replicas on %s: %w", name, like.Replicas, s.Address, err)
	}
	return s.awaitLoad(ctx, name)
}

// awaitLoad waits until partitions are loaded, or all. ErrLoad where the server gives it up.
func (s *Server) awaitLoad(ctx context.Context, name string, partitions ...string) error {
	left := newHope()
	for {
		resp, err := s.svc.GetLoadingProgress(ctx, &milvuspb.GetLoadingProgressRequest{DbName: s.database, CollectionName: name, PartitionNames: partitions})
		if err == nil && resp.GetProgress() >= 100 {
			return nil
		}
		progress := resp.GetProgress()
		if err != nil {
			progress = unknownPercent
		}
		if lost := left.lost(progress, err); lost != nil {
			return fmt.Errorf("loading %q on %s: %w", name, s.Address, lost)
		}
		if err := clock.Sleep(ctx, pollEvery); err != nil {
			return fmt.Errorf("waiting for %q to be loaded on %s: %w", name, s.Address, err)
		}
	}
}

// ReleasePartitions releases some of a collection's.
func (s *Server) ReleasePartitions(ctx context.Context, name string, partitions []string) error {
	req := &milvuspb.ReleasePartitionsRequest{DbName: s.database, CollectionName: name, PartitionNames: partitions}
	if _, err := s.svc.ReleasePartitions(ctx, req); err != nil {
		return fmt.Errorf("releasing partitions %v of %q on %s: %w", partitions, name, s.Address, err)
	}
	return nil
}

// ResourceGroups are the names of all, the default one among them; none where the server knows none.
func (s *Server) ResourceGroups(ctx context.Context) ([]string, error) {
	if !s.Capabilities().Replicas {
		return nil, nil
	}
	resp, err := s.svc.ListResourceGroups(ctx, &milvuspb.ListResourceGroupsRequest{})
	if errors.Is(err, ErrUnimplemented) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the resource groups of %s: %w", s.Address, err)
	}
	return slices.Sorted(slices.Values(resp.GetResourceGroups())), nil
}

// StoredRows is how many rows a collection's sealed segments hold, those that were deleted among them: for estimates, since nothing is
// flushed for it.
func (s *Server) StoredRows(ctx context.Context, name string) (int64, error) {
	return s.statistics(ctx, name)
}

// StoredRowsOf is StoredRows of some partitions, by a call for each.
func (s *Server) StoredRowsOf(ctx context.Context, name string, partitions []string) (rows int64, err error) {
	for _, p := range partitions {
		n, err := s.partitionStatistics(ctx, name, p)
		if err != nil {
			return 0, err
		}
		rows += n
	}
	return rows, nil
}

func (s *Server) partitionStatistics(ctx context.Context, name, partition string) (int64, error) {
	resp, err := s.svc.GetPartitionStatistics(ctx, &milvuspb.GetPartitionStatisticsRequest{DbName: s.database, CollectionName: name, PartitionName: partition})
	if err != nil {
		return 0, fmt.Errorf("counting the rows of partition %q of %q on %s: %w", partition, name, s.Address, err)
	}
	return rowCount(resp.GetStats())
}
