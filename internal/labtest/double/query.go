package double

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"

	"migrate/internal/columns"
)

// asLater answers a query as the version does that the double gives.
func (s *Server) asLater(ctx context.Context, request []byte, invoke func([]byte) ([]byte, error)) ([]byte, error) {
	if strings.TrimPrefix(s.cfg.Version, "v") < "2.5" {
		return invoke(request)
	}
	var q milvuspb.QueryRequest
	if err := proto.Unmarshal(request, &q); err != nil {
		return nil, fmt.Errorf("reading a query: %w", err)
	}
	answer, err := s.query(ctx, &q, request, invoke)
	if err != nil {
		return answer, err
	}
	var results milvuspb.QueryResults
	if err := proto.Unmarshal(answer, &results); err != nil {
		return nil, fmt.Errorf("reading the answer to a query: %w", err)
	}
	if slices.Contains(q.OutputFields, "count(*)") {
		s.countLate(q.CollectionName, &results)
		return proto.Marshal(&results)
	}
	if results.GetStatus().GetCode() != 0 || len(results.FieldsData) == 0 {
		return answer, nil
	}
	layout, err := s.layout(ctx, q.DbName, q.CollectionName)
	if err != nil {
		return nil, err
	}
	if results.FieldsData, err = reordered(layout.Only(func(name string) bool { return slices.Contains(q.OutputFields, name) }), results.FieldsData, iterates(&q)); err != nil {
		return nil, err
	}
	return proto.Marshal(&results)
}

// countLate takes the rows from a count of all of a collection that its jobs have brought just now.
func (s *Server) countLate(collection string, results *milvuspb.QueryResults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.jobs {
		if j.collection != collection || j.endedAt.IsZero() || time.Since(j.endedAt) > s.cfg.Late {
			continue
		}
		for _, d := range results.FieldsData {
			for i, n := range d.GetScalars().GetLongData().GetData() {
				d.GetScalars().GetLongData().Data[i] = max(n-j.at.rows, 0)
			}
		}
	}
}

// layout is that of a collection's columns.
func (s *Server) layout(ctx context.Context, db, collection string) (*columns.Layout, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.layouts[db+"/"+collection]; known != nil {
		return known, nil
	}
	resp, err := s.milvus.DescribeCollection(ctx, &milvuspb.DescribeCollectionRequest{DbName: db, CollectionName: collection})
	if err != nil {
		return nil, err
	}
	layout, err := columns.NewLayout(resp.GetSchema())
	if err == nil {
		s.layouts[db+"/"+collection] = layout
	}
	return layout, err
}

// reordered puts rows in the order of their keys, and ends them early; or in no order.
func reordered(layout *columns.Layout, data []*schemapb.FieldData, iterates bool) ([]*schemapb.FieldData, error) {
	rec, err := layout.Decode(data)
	if err != nil {
		return nil, err
	}
	order := rand.Perm(int(rec.NumRows()))
	if iterates {
		keys := layout.Keys(rec)
		slices.SortFunc(order, func(a, b int) int { return keys[a].Compare(keys[b]) })
		order = order[:len(order)-len(order)/10]
	}
	return layout.Answer(rec, order)
}

// query answers as 2.5 does: an iterator's first query, which sends no timestamp, is answered with the instant that it
// saw, and queries of an iterator that send it back see the same. The 2.3 behind this can't hold an instant, so queries of
// the first one read another collection, Frozen, to which nobody writes; all others read the one that they name.
func (s *Server) query(ctx context.Context, q *milvuspb.QueryRequest, request []byte, invoke func([]byte) ([]byte, error)) ([]byte, error) {
	switch {
	case !iterates(q):
		return invoke(request)
	case q.GuaranteeTimestamp == 0:
		answer, err := invoke(request)
		if err != nil {
			return nil, err
		}
		return s.withSession(ctx, answer)
	case s.cfg.Frozen != "" && q.GuaranteeTimestamp == s.first.Load():
		return s.frozen(q, invoke)
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
	now, err := s.timestamp(ctx)
	if err != nil {
		return nil, err
	}
	var results milvuspb.QueryResults
	if err := proto.Unmarshal(answer, &results); err != nil {
		return nil, fmt.Errorf("reading the answer to a query: %w", err)
	}
	s.first.CompareAndSwap(0, now)
	results.SessionTs = now
	return proto.Marshal(&results)
}
