package milvus

import (
	"context"
	"fmt"
	"strconv"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"google.golang.org/protobuf/proto"
)

// Search is what to search for: the rows whose vectors are nearest to one.
type Search struct {
	Collection string
	Field      string // of float vectors
	Metric     string
	Vector     []byte // its float32s, little endian
	Top        int    // rows to find
	Params     string // of the index, as JSON
}

// bounded is the guarantee timestamp of consistency level bounded.
const bounded = 2

// Search finds the integer keys of the nearest rows, the nearest first. It is made once, since its time may be what counts.
func (s *Server) Search(ctx context.Context, q Search) ([]int64, error) {
	placeholders, err := proto.Marshal(&commonpb.PlaceholderGroup{Placeholders: []*commonpb.PlaceholderValue{
		{Tag: "$0", Type: commonpb.PlaceholderType_FloatVector, Values: [][]byte{q.Vector}},
	}})
	if err != nil {
		return nil, fmt.Errorf("encoding a search: %w", err)
	}
	resp, err := s.svc.Search(ctx, &milvuspb.SearchRequest{
		DbName: s.database, CollectionName: q.Collection, DslType: commonpb.DslType_BoolExprV1, Nq: 1,
		PlaceholderGroup: placeholders, ConsistencyLevel: commonpb.ConsistencyLevel_Bounded, GuaranteeTimestamp: bounded,
		SearchParams: []*commonpb.KeyValuePair{
			{Key: "anns_field", Value: q.Field}, {Key: "topk", Value: strconv.Itoa(q.Top)},
			{Key: "metric_type", Value: q.Metric}, {Key: "params", Value: q.Params}, {Key: "round_decimal", Value: "-1"},
		},
	}, once{})
	if err != nil {
		return nil, fmt.Errorf("searching %q on %s: %w", q.Collection, s.Address, err)
	}
	return resp.GetResults().GetIds().GetIntId().GetData(), nil
}
