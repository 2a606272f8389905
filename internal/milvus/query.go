package milvus

import (
	"context"
	"strings"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// Query is what to ask a collection for that was seen to be loaded: one that a server calls not loaded, as one that starts again
// does for half a minute, is asked again.
type Query struct {
	Collection string
	Partition  string                   // model.AllPartitions for all
	Filter     string                   // for all rows, where empty
	Fields     []string                 // or count(*)
	AsOf       uint64                   // the answer sees all that was written before this timestamp of the server's
	Params     []*commonpb.KeyValuePair // of the query, as the server takes them
}

// Answer is what a server says to a Query.
type Answer struct {
	Columns  []*schemapb.FieldData
	Snapshot uint64 // the instant that it sees, as a timestamp of the server's; 0 where the server does not tell
}

// Query asks a collection for rows, or for their count. ErrTooLarge where the answer is.
func (s *Server) Query(ctx context.Context, q Query) (Answer, error) {
	req := &milvuspb.QueryRequest{
		DbName: s.database, CollectionName: q.Collection, Expr: q.Filter, OutputFields: q.Fields,
		GuaranteeTimestamp: q.AsOf, QueryParams: q.Params,
	}
	if q.Partition != "" {
		req.PartitionNames = []string{q.Partition}
	}
	resp, err := s.svc.Query(ctx, req, wasLoaded{})
	if invalid(err) && strings.ContainsAny(q.Filter, "\n\r") { // which are written raw where they can't be written at all
		err = ErrLineBreak
	}
	return Answer{resp.GetFieldsData(), resp.GetSessionTs()}, err
}
