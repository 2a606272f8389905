package milvus

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"

	"migrate/internal/model"
)

// Room is what a server tells of its room. What it does not tell is 0.
type Room struct {
	QueryNodes  int   // that tell of their memory
	Memory      int64 // of all of them, in bytes; nodes of one machine each tell of all of it
	MemoryFree  int64
	DiskQuota   int64 // of the database, in bytes (Milvus 2.4 and later)
	Collections int   // that the database may have
	Have        int   // that it has
}

// Room asks for the room of a server, and of the database that was connected to.
func (s *Server) Room(ctx context.Context) (Room, error) {
	var room Room
	resp, err := s.svc.GetMetrics(ctx, &milvuspb.GetMetricsRequest{Request: `{"metric_type": "system_info"}`}, once{})
	if err != nil {
		return room, fmt.Errorf("asking %s for its memory: %w", s.Address, err)
	}
	if err := room.addNodes(resp.GetResponse()); err != nil {
		return room, fmt.Errorf("asking %s for its memory: %w", s.Address, err)
	}
	db, err := s.svc.DescribeDatabase(ctx, &milvuspb.DescribeDatabaseRequest{DbName: s.database}, once{})
	if err != nil {
		return room, nil // of before 2.4: it has no such call
	}
	properties := model.ToMap(db.GetProperties())
	megabytes, _ := strconv.ParseFloat(properties["database.diskQuota.mb"], 64)
	room.DiskQuota = int64(megabytes * (1 << 20))
	room.Collections, _ = strconv.Atoi(properties["database.max.collections"])
	if room.Collections > 0 {
		all, err := s.svc.ShowCollections(ctx, &milvuspb.ShowCollectionsRequest{DbName: s.database})
		if err != nil {
			return room, fmt.Errorf("counting the collections of %s: %w", s.Address, err)
		}
		room.Have = len(all.GetCollectionNames())
	}
	return room, nil
}

// addNodes reads the topology that GetMetrics answers with (metricsinfo.SystemTopology of milvus-io/milvus): a node for each role
// of a process, with the memory of its machine.
func (r *Room) addNodes(topology string) error {
	var t struct {
		Nodes []struct {
			Infos struct {
				Name     string `json:"name"`
				Hardware struct {
					Memory int64 `json:"memory"`
					Usage  int64 `json:"memory_usage"`
				} `json:"hardware_infos"`
			} `json:"infos"`
		} `json:"nodes_info"`
	}
	if err := json.Unmarshal([]byte(topology), &t); err != nil {
		return fmt.Errorf("reading its topology: %w", err)
	}
	for _, n := range t.Nodes {
		if strings.HasPrefix(strings.ToLower(n.Infos.Name), "querynode") && n.Infos.Hardware.Memory > 0 {
			r.QueryNodes++
			r.Memory += n.Infos.Hardware.Memory
			r.MemoryFree += max(n.Infos.Hardware.Memory-n.Infos.Hardware.Usage, 0)
		}
	}
	return nil
}
