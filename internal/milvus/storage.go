package milvus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"

	"migrate/internal/model"
)

// ErrRemovesVectors: the server may lose vectors by their being read.
var ErrRemovesVectors = errors.New("where its storage is a local folder, this server removes such vectors from it as they are read")

// CheckReading refuses a collection that may lose vectors by being read. An index such as IVF_PQ keeps none, so they are read from the
// segments' logs by way of a copy, and where the storage is local, the copy of a server of 2.3 has the log's own path: the log is
// replaced, and removed (seen on 2.3.5; milvus-io/milvus, internal/core/src/storage/ChunkCache.cpp, of before #35347). Nothing happens
// where the storage is a bucket, as that of every distributed server is.
func (s *Server) CheckReading(ctx context.Context, coll *model.Collection) error {
	fields := coll.IndexedAlone()
	if len(fields) == 0 || !s.Capabilities().RemovesVectors || s.bucket || s.distributed(ctx) {
		return nil
	}
	return fmt.Errorf("reading %q on %s, where the index keeps no vectors of %s: %w", coll.Name, s.Address, strings.Join(fields, ", "), ErrRemovesVectors)
}

// distributed reports whether the server says that it is, as it does of each of its nodes.
func (s *Server) distributed(ctx context.Context) bool {
	resp, err := s.svc.GetMetrics(ctx, &milvuspb.GetMetricsRequest{Request: `{"metric_type": "system_info"}`}, once{})
	return err == nil && isDistributed(resp.GetResponse())
}

// isDistributed reads the topology that GetMetrics answers with (metricsinfo.SystemTopology of milvus-io/milvus).
func isDistributed(topology string) bool {
	type node struct {
		Infos struct {
			System struct {
				Mode string `json:"deploy_mode"`
			} `json:"system_info"`
		} `json:"infos"`
	}
	var t struct {
		Nodes []node `json:"nodes_info"`
	}
	return json.Unmarshal([]byte(topology), &t) == nil &&
		slices.ContainsFunc(t.Nodes, func(n node) bool { return n.Infos.System.Mode == "DISTRIBUTED" })
}
