package memory

import (
	"context"
	"fmt"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
)

// Room is what a server tells of its room: the memory of its one query node, and the properties of its database.
type Room struct {
	Memory, Used int64 // bytes
	Properties   []*commonpb.KeyValuePair
}

// GetMetrics tells of one query node, as a server that has no storage in a folder.
func (s *Server) GetMetrics(context.Context, *milvuspb.GetMetricsRequest) (*milvuspb.GetMetricsResponse, error) {
	return &milvuspb.GetMetricsResponse{Status: &commonpb.Status{}, Response: fmt.Sprintf(
		`{"nodes_info": [{"infos": {"name": "querynode1", "system_info": {"deploy_mode": "DISTRIBUTED"}, "hardware_infos": {"memory": %d, "memory_usage": %d}}}]}`, s.Room.Memory, s.Room.Used)}, nil
}

// DescribeDatabase tells its properties, as from 2.4 on: those that it was made with, or of which the room is.
func (s *Server) DescribeDatabase(_ context.Context, q *milvuspb.DescribeDatabaseRequest) (*milvuspb.DescribeDatabaseResponse, error) {
	if err := s.lacks(Lite25, "DescribeDatabase"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if lacks := s.lacksDatabase(q.DbName); lacks != nil {
		return &milvuspb.DescribeDatabaseResponse{Status: lacks}, nil
	}
	properties, made := s.properties[q.DbName]
	if !made {
		properties = s.Room.Properties
	}
	return &milvuspb.DescribeDatabaseResponse{Status: &commonpb.Status{}, DbName: q.DbName, Properties: properties}, nil
}
