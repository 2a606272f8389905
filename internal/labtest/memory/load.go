package memory

import (
	"context"
	"slices"
	"strconv"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"

	"migrate/internal/model"
)

// loaded reports whether one of some partitions is loaded, as servers do for a collection: one without a vector index has none.
func (c *collection) loaded(partitions ...string) bool {
	if len(partitions) == 0 {
		partitions = c.Partitions
	}
	return len(c.Unindexed()) == 0 && slices.ContainsFunc(partitions, func(p string) bool { return !c.released[p] })
}

// inMemory are the partitions that are loaded.
func (c *collection) inMemory() []string {
	if len(c.Unindexed()) > 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(c.Partitions), func(p string) bool { return c.released[p] })
}

// GetLoadingProgress says that what was asked for is loaded.
func (s *Server) GetLoadingProgress(_ context.Context, q *milvuspb.GetLoadingProgressRequest) (*milvuspb.GetLoadingProgressResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, st := s.find(q.CollectionName)
	resp := &milvuspb.GetLoadingProgressResponse{Status: st}
	if c != nil && c.loaded(q.PartitionNames...) {
		resp.Progress = 100
	}
	return resp, nil
}

// Loading has the server call collections loaded, and know nothing of their replicas when it is asked for them so many times, as 2.3.5 does while
// it begins to load them.
func (s *Server) Loading(times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loading = times
}

// GetReplicas lists those of a loaded collection.
func (s *Server) GetReplicas(_ context.Context, q *milvuspb.GetReplicasRequest) (*milvuspb.GetReplicasResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, st := s.find(q.CollectionName)
	resp := &milvuspb.GetReplicasResponse{Status: st}
	if c == nil || !c.loaded() {
		resp.Status = &commonpb.Status{Code: 400, Reason: "replica not found"}
		return resp, nil
	}
	if s.loading > 0 {
		s.loading--
		resp.Status = &commonpb.Status{Code: 100, Reason: "failed to get channels, collection not loaded: collection not found[collection=1]"}
		return resp, nil
	}
	for i := range max(c.replicas, 1) {
		group := model.DefaultGroup
		if len(c.groups) > 0 {
			group = c.groups[i%len(c.groups)]
		}
		resp.Replicas = append(resp.Replicas, &milvuspb.ReplicaInfo{ReplicaID: int64(i + 1), ResourceGroupName: group})
	}
	return resp, nil
}

// ListResourceGroups lists them.
func (s *Server) ListResourceGroups(context.Context, *milvuspb.ListResourceGroupsRequest) (*milvuspb.ListResourceGroupsResponse, error) {
	return &milvuspb.ListResourceGroupsResponse{Status: &commonpb.Status{}, ResourceGroups: append(slices.Clone(s.ResourceGroups), model.DefaultGroup)}, nil
}

// GetLoadState says that everything is loaded that has an index on its vectors and was not released.
func (s *Server) GetLoadState(_ context.Context, q *milvuspb.GetLoadStateRequest) (*milvuspb.GetLoadStateResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, st := s.find(q.CollectionName)
	resp := &milvuspb.GetLoadStateResponse{Status: st, State: commonpb.LoadState_LoadStateLoaded}
	if c != nil && !c.loaded(q.PartitionNames...) {
		resp.State = commonpb.LoadState_LoadStateNotLoad
	}
	return resp, nil
}

// LoadCollection refuses a collection without a vector index.
func (s *Server) LoadCollection(_ context.Context, q *milvuspb.LoadCollectionRequest) (*commonpb.Status, error) {
	if q.Refresh {
		s.takeIn(q.CollectionName)
	}
	return s.load(q.CollectionName, nil, q)
}

// takeIn has the rows of a collection seen that were bulk-inserted.
func (s *Server) takeIn(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, _ := s.find(name); c != nil {
		for i := range c.rows {
			c.rows[i].unseen = false
		}
	}
}

// LoadPartitions does so for some.
func (s *Server) LoadPartitions(_ context.Context, q *milvuspb.LoadPartitionsRequest) (*commonpb.Status, error) {
	st, err := s.load(q.CollectionName, q.PartitionNames, q)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, _ := s.find(q.CollectionName); c != nil {
		for _, p := range q.PartitionNames {
			c.late[p] = s.SeenLate
		}
	}
	return st, err
}

// GetPartitionStatistics counts the rows of all segments of one, deleted ones too.
func (s *Server) GetPartitionStatistics(_ context.Context, q *milvuspb.GetPartitionStatisticsRequest) (*milvuspb.GetPartitionStatisticsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, st := s.find(q.CollectionName)
	resp, n := &milvuspb.GetPartitionStatisticsResponse{Status: st}, 0
	if c != nil {
		for _, r := range c.rows {
			if r.partition == q.PartitionName {
				n++
			}
		}
	}
	resp.Stats = []*commonpb.KeyValuePair{{Key: "row_count", Value: strconv.Itoa(n)}}
	return resp, nil
}

// replicated is how a load is asked for.
type replicated interface {
	GetReplicaNumber() int32
	GetResourceGroups() []string
}

func (s *Server) load(name string, partitions []string, how replicated) (*commonpb.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, st := s.find(name)
	if c == nil {
		return st, nil
	}
	if st := c.lacksPartition(partitions); st != nil {
		return st, nil
	}
	if len(c.Unindexed()) > 0 {
		return &commonpb.Status{Code: 700, Reason: "index not found"}, nil
	}
	replicas, groups := s.placed(c, how)
	for _, group := range groups {
		if !slices.Contains(append(s.ResourceGroups, model.DefaultGroup), group) {
			return &commonpb.Status{Code: 300, Reason: "resource group not found: " + group}, nil
		}
	}
	if len(groups) > 1 && len(groups) != replicas {
		return &commonpb.Status{Code: 65535, Reason: "resource group num can only be 0, 1 or same as replica number"}, nil
	}
	if len(c.inMemory()) == 0 {
		c.replicas, c.groups = replicas, groups
	}
	if len(partitions) == 0 {
		partitions = c.Partitions
	}
	for _, p := range partitions {
		delete(c.released, p)
	}
	return st, nil
}

// placed is in how many replicas, and in which resource groups, a collection is loaded: as is asked for, or as its database says from 2.5 on;
// s.mu is held.
func (s *Server) placed(c *collection, how replicated) (replicas int, groups []string) {
	replicas, groups = int(how.GetReplicaNumber()), how.GetResourceGroups()
	if !s.since("2.5") {
		return replicas, groups
	}
	database := model.Database{Properties: s.properties[c.Database]}
	if replicas == 0 {
		replicas, _ = strconv.Atoi(model.ToMap(database.Properties)["database.replica.number"])
	}
	if len(groups) == 0 {
		groups = database.Groups()
	}
	return max(replicas, 1), groups
}

// ReleaseCollection has no query answered.
func (s *Server) ReleaseCollection(_ context.Context, q *milvuspb.ReleaseCollectionRequest) (*commonpb.Status, error) {
	return s.change(q.CollectionName, func(c *collection) { c.release(c.Partitions) })
}

// ReleasePartitions leaves the rows of some out of all answers.
func (s *Server) ReleasePartitions(_ context.Context, q *milvuspb.ReleasePartitionsRequest) (*commonpb.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, st := s.find(q.CollectionName)
	if c == nil {
		return st, nil
	}
	if lacks := c.lacksPartition(q.PartitionNames); lacks != nil {
		return lacks, nil
	}
	c.release(q.PartitionNames)
	return st, nil
}

// lacksPartition is how a call for partitions is refused of which one is not there; nil where all are.
func (c *collection) lacksPartition(partitions []string) *commonpb.Status {
	for _, p := range partitions {
		if !slices.Contains(c.Partitions, p) {
			return &commonpb.Status{Code: 200, Reason: "partition not found[partition=" + p + "]"}
		}
	}
	return nil
}

func (c *collection) release(partitions []string) {
	for _, p := range partitions {
		c.released[p] = true
	}
}
