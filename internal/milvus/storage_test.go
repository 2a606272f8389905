package milvus

import (
	"context"
	"errors"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/grpc"

	"migrate/internal/model"
)

// deployed is a server that tells how it is deployed, or that it may not be asked.
type deployed struct {
	milvuspb.MilvusServiceClient
	topology string
	err      error
}

func (d deployed) GetMetrics(context.Context, *milvuspb.GetMetricsRequest, ...grpc.CallOption) (*milvuspb.GetMetricsResponse, error) {
	return &milvuspb.GetMetricsResponse{Response: d.topology}, d.err
}

// TestCheckReading refuses to read vectors that a server may lose by it, and no others.
func TestCheckReading(t *testing.T) {
	standalone := deployed{topology: `{"nodes_info": [{"infos": {"has_error": true}}, {"infos": {"name": "proxy1", "system_info": {"deploy_mode": "STANDALONE"}}}]}`}
	distributed := deployed{topology: `{"nodes_info": [{"infos": {"has_error": true}}, {"infos": {"name": "proxy9", "system_info": {"deploy_mode": "DISTRIBUTED"}}}]}`}
	for title, c := range map[string]struct {
		version string
		index   string
		server  deployed
		bucket  bool
		refused bool
	}{
		"an index without vectors":            {"v2.3.5", "IVF_PQ", standalone, false, true},
		"one with quantized ones":             {"v2.3.5", "IVF_SQ8", standalone, false, true},
		"of a kind that nobody knows":         {"v2.4.9", "OTHER", standalone, false, true},
		"one with the vectors":                {"v2.3.5", "HNSW", standalone, false, false},
		"one that is told to keep none":       {"v2.3.5", "SCANN", standalone, false, true},
		"one of the server's choice":          {"v2.3.5", "AUTOINDEX", standalone, false, false},
		"a distributed server":                {"v2.3.5", "IVF_PQ", distributed, false, false},
		"a bucket, as somebody says":          {"v2.3.5", "IVF_PQ", standalone, true, false},
		"a later server":                      {"v2.4.10", "IVF_PQ", standalone, false, false},
		"a server that does not tell":         {"v2.3.5", "IVF_PQ", deployed{err: ErrPrivilege}, false, true},
		"one that answers with something":     {"v2.3.5", "IVF_PQ", deployed{topology: "metrics are off"}, false, true},
		"an index of another field, a scalar": {"v2.3.5", "", standalone, false, false},
	} {
		coll := &model.Collection{Name: "docs", Schema: &schemapb.CollectionSchema{Fields: []*schemapb.FieldSchema{
			{Name: "v", DataType: schemapb.DataType_FloatVector}, {Name: "n", DataType: schemapb.DataType_Int64},
		}}}
		coll.Indexes = []model.Index{{Name: "n", Field: "n", Params: []*commonpb.KeyValuePair{{Key: "index_type", Value: "STL_SORT"}}}}
		if c.index != "" {
			coll.Indexes = append(coll.Indexes, model.Index{Name: "v", Field: "v", Params: []*commonpb.KeyValuePair{
				{Key: "index_type", Value: c.index}, {Key: "params", Value: `{"nlist": 8, "with_raw_data": false}`}, // that only a SCANN looks at
			}})
		}
		server := &Server{connection: &connection{svc: c.server, bucket: c.bucket}}
		server.said.Store(&said{can: capabilitiesOf(c.version)})
		if err := server.CheckReading(t.Context(), coll); errors.Is(err, ErrRemovesVectors) != c.refused || err != nil && !c.refused {
			t.Errorf("%s: %v", title, err)
		}
	}
}
