package double

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"google.golang.org/protobuf/proto"
)

// query answers as 2.5 does: an iterator's first query, which sends no timestamp, is answered with the instant that it
// saw, and queries of an iterator that send it back see the same. The 2.3 behind this can't hold an instant, so queries of
// the first one read another collection, Frozen, to which nobody writes; all others read the one that they name.
func (s *Server) query(ctx context.Context, request []byte, invoke func([]byte) ([]byte, error)) ([]byte, error) {
	if s.cfg.Frozen == "" {
		return invoke(request)
	}
	var q milvuspb.QueryRequest
	if err := proto.Unmarshal(request, &q); err != nil {
		return nil, fmt.Errorf("reading a query: %w", err)
	}
	switch {
	case !iterates(&q):
		return invoke(request)
	case q.GuaranteeTimestamp == 0:
		answer, err := invoke(request)
		if err != nil {
			return nil, err
		}
		return s.withSession(ctx, answer)
	case q.GuaranteeTimestamp == s.first.Load():
		return s.frozen(&q, invoke)
	}
	return invoke(request)
}

func iterates(q *milvuspb.QueryRequest) bool {
	return slices.ContainsFunc(q.QueryParams, func(kv *commonpb.KeyValuePair) bool {
		return kv.Key == "iterator" && strings.EqualFold(kv.Value, "true")
	})
}

func (s *Server) frozen(q *milvuspb.QueryRequest, invoke func([]byte) ([]byte, error)) ([]byte, error) {
	q.CollectionName, q.GuaranteeTimestamp = s.cfg.Frozen, 0
	request, err := proto.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("writing a query: %w", err)
	}
	return invoke(request)
}

// withSession adds the instant to an answer.
func (s *Server) withSession(ctx context.Context, answer []byte) ([]byte, error) {
	now, err := s.milvus.AllocTimestamp(ctx, &milvuspb.AllocTimestampRequest{})
	if err != nil {
		return nil, err
	}
	var results milvuspb.QueryResults
	if err := proto.Unmarshal(answer, &results); err != nil {
		return nil, fmt.Errorf("reading the answer to a query: %w", err)
	}
	s.first.CompareAndSwap(0, now.GetTimestamp())
	results.SessionTs = now.GetTimestamp()
	return proto.Marshal(&results)
}
