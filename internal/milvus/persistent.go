package milvus

import (
	"context"
	"errors"
	"fmt"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
)

// Segment is rows of a partition that a server has sealed, and that lie in its storage once it is flushed.
type Segment struct {
	ID, Partition int64
	Rows          int64 // deleted ones included
	Flushed       bool
	Deletes       bool  // of level 0: it holds no row, and deletes that are those of others
	Storage       int64 // version of its layout in the storage, where the server tells it: 2.6 and later
}

// PersistentSegments are the segments of a collection that are sealed. In the midst of a compaction there may be one too few.
func (s *Server) PersistentSegments(ctx context.Context, name string) ([]Segment, error) {
	resp, err := s.svc.GetPersistentSegmentInfo(ctx, &milvuspb.GetPersistentSegmentInfoRequest{DbName: s.database, CollectionName: name})
	if err != nil {
		return nil, fmt.Errorf("asking for the segments of %q on %s: %w", name, s.Address, err)
	}
	var all []Segment
	for _, info := range resp.GetInfos() {
		switch info.GetState() {
		case commonpb.SegmentState_Sealed, commonpb.SegmentState_Flushing, commonpb.SegmentState_Flushed:
			all = append(all, Segment{
				ID: info.GetSegmentID(), Partition: info.GetPartitionID(), Rows: info.GetNumRows(),
				Flushed: info.GetState() == commonpb.SegmentState_Flushed,
				Deletes: info.GetLevel() == commonpb.SegmentLevel_L0, Storage: info.GetStorageVersion(),
			})
		}
	}
	return all, nil
}

// PartitionIDs are the names of a collection's partitions by the numbers that its storage knows them by.
func (s *Server) PartitionIDs(ctx context.Context, name string) (map[int64]string, error) {
	resp, err := s.svc.ShowPartitions(ctx, &milvuspb.ShowPartitionsRequest{DbName: s.database, CollectionName: name})
	if err != nil {
		return nil, fmt.Errorf("asking for the partitions of %q on %s: %w", name, s.Address, err)
	}
	ids := make(map[int64]string, len(resp.GetPartitionIDs()))
	for i, id := range resp.GetPartitionIDs() {
		ids[id] = resp.GetPartitionNames()[i]
	}
	return ids, nil
}

// Flushed is what a flush tells.
type Flushed struct {
	At       uint64  // a timestamp of the server: all that was written before it is stored
	Segments []int64 // all of the collection at that time, also those that it sealed
	Sealed   []int64 // by this flush
}

// FlushAt seals the rows that were written to a collection, and waits until they and all deletes are stored.
func (s *Server) FlushAt(ctx context.Context, name string) (Flushed, error) {
	told, err := s.flush(ctx, name)
	if err != nil {
		return told, fmt.Errorf("flushing %q on %s: %w", name, s.Address, err)
	}
	if told.At == 0 {
		return told, fmt.Errorf("flushing %q on %s: %w", name, s.Address, errNoInstant)
	}
	return told, nil
}

// errNoInstant: a flush without the time of it.
var errNoInstant = errors.New("the server does not say as of when")

// CountAsOf is the count(*) of a loaded collection, which sees all that was written before an instant; of a server of 2.5 or later, nothing that
// was written after it either.
func (s *Server) CountAsOf(ctx context.Context, name string, asOf uint64) (int64, error) {
	q := Query{Collection: name, AsOf: asOf}
	if s.Capabilities().SnapshotReads {
		q.Params = []*commonpb.KeyValuePair{{Key: "iterator", Value: "True"}} // which makes it see just that instant
	}
	n, err := s.countBy(ctx, q)
	if err != nil {
		return 0, fmt.Errorf("counting the rows of %q on %s: %w", name, s.Address, err)
	}
	return n, nil
}

// Importing reports whether a bulk insert into a collection is under way: its rows are stored, and not yet those of the collection.
func (s *Server) Importing(ctx context.Context, name string) (bool, error) {
	if s.Capabilities().GRPCImport {
		tasks, err := s.ImportTasks(ctx, name)
		for _, t := range tasks {
			if !t.Completed && !t.Failed {
				return true, nil
			}
		}
		return false, err
	}
	jobs, err := s.jobs.List(ctx, name)
	for _, j := range jobs {
		if j.State != ImportCompleted && j.State != ImportFailed {
			return true, nil
		}
	}
	return false, err
}
