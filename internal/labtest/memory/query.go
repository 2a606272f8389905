package memory

//lint:file-ignore SA1019 servers of 2.3 tell some errors by these codes alone

import (
	"context"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"migrate/internal/labtest"
)

// Query answers as the package says.
func (s *Server) Query(_ context.Context, q *milvuspb.QueryRequest) (*milvuspb.QueryResults, error) {
	if s.Moved != nil {
		s.Moved()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.invalid(q.CollectionName, q.Expr); st != nil {
		return &milvuspb.QueryResults{Status: st}, nil
	}
	matches, err := parse(q.Expr)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	c, st := s.find(q.CollectionName)
	resp := &milvuspb.QueryResults{Status: st, CollectionName: q.CollectionName}
	if c == nil {
		return resp, nil
	}
	if !c.loaded(q.PartitionNames...) {
		resp.Status = &commonpb.Status{Code: 101, Reason: "collection not loaded"}
		return resp, nil
	}
	at := s.tick()
	iterates := param(q, "iterator") == "True" && s.since("2.5")
	if iterates && q.GuaranteeTimestamp == 0 {
		resp.SessionTs = at
	} else if iterates {
		at = q.GuaranteeTimestamp
	}
	visible := c.visible(q, at, matches)
	if slices.Equal(q.OutputFields, []string{"count(*)"}) {
		s.counts++
		rows := 0
		for range visible {
			rows++
		}
		for p := range c.late {
			c.late[p]--
		}
		resp.FieldsData = []*schemapb.FieldData{count(rows)}
		return resp, nil
	}
	s.queries++
	found, err := s.page(q, s.answered(slices.Collect(visible)))
	if err != nil {
		return nil, err
	}
	if resp.FieldsData, err = c.columns(found, q.OutputFields); param(q, "timezone") == "" {
		withoutOffsets(resp.FieldsData)
	}
	if s.version == Lite3 {
		spellAnew(resp.FieldsData)
	}
	return resp, err
}

// withoutOffsets has timestamps say nothing of their time zone, as if it were that of the collection.
func withoutOffsets(data []*schemapb.FieldData) {
	for _, d := range data {
		if d.Type != schemapb.DataType_Timestamptz {
			continue
		}
		for i, text := range d.GetScalars().GetStringData().GetData() {
			d.GetScalars().GetStringData().Data[i] = strings.TrimSuffix(text, "Z")
		}
	}
}

// page is what one answer holds of the rows that are found: in the order and up to the number that the query wants.
func (s *Server) page(q *milvuspb.QueryRequest, found []*row) ([]*row, error) {
	switch ordered := param(q, "iterator") == "True"; {
	case ordered && s.since("2.5"):
		found = firstThrough(found)
	case !ordered && (s.since("2.5") || s.version == Lite3):
		rand.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	}
	if s.Disorder != nil {
		s.Disorder(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	}
	if limit := param(q, "limit"); limit != "" {
		n, err := strconv.Atoi(limit)
		if err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
		found = found[:min(n, len(found))]
	} else if s.version == Lite25 {
		found = found[:min(mostOfLite25, len(found))]
	}
	if s.MostRows > 0 && len(found) > s.MostRows {
		return nil, status.Error(codes.ResourceExhausted, "grpc: trying to send message larger than max")
	}
	return found, nil
}

// visible are the rows that a query finds as of a timestamp.
func (c *collection) visible(q *milvuspb.QueryRequest, at uint64, matches func(*row) bool) iter.Seq[*row] {
	sealedOnly := param(q, "ignore_growing") == "True"
	return func(yield func(*row) bool) {
		for i := range c.rows {
			r := &c.rows[i]
			named := (len(q.PartitionNames) == 0 || slices.Contains(q.PartitionNames, r.partition)) && !c.released[r.partition] && c.late[r.partition] <= 0
			if r.written <= at && (r.deleted == 0 || r.deleted > at) && named && !r.unseen && !(sealedOnly && r.segment == growing) && matches(r) && !yield(r) {
				return
			}
		}
	}
}

func param(q *milvuspb.QueryRequest, key string) string {
	i := slices.IndexFunc(q.QueryParams, func(kv *commonpb.KeyValuePair) bool { return kv.Key == key })
	if i < 0 {
		return ""
	}
	return q.QueryParams[i].Value
}

func count(n int) *schemapb.FieldData {
	return &schemapb.FieldData{Type: schemapb.DataType_Int64, FieldName: "count(*)", Field: &schemapb.FieldData_Scalars{Scalars: &schemapb.ScalarField{
		Data: &schemapb.ScalarField_LongData{LongData: &schemapb.LongArray{Data: []int64{int64(n)}}},
	}}}
}

// answered are the rows in the order of their keys, any one of each, without those that are hidden or left out.
func (s *Server) answered(found []*row) []*row {
	slices.SortStableFunc(found, func(a, b *row) int { return a.key.Compare(b.key) })
	var rows []*row
	duplicate := -1
	for from := 0; from < len(found); {
		to := from + 1
		for to < len(found) && found[to].key == found[from].key {
			to++
		}
		if to-from > 1 {
			duplicate = len(rows)
		}
		if !slices.Contains(s.Hide, found[from].key) {
			rows = append(rows, found[from+rand.IntN(to-from)])
		}
		from = to
	}
	if s.LeavesOut && duplicate >= 0 && len(rows) > 1 {
		out := (duplicate + 1) % len(rows)
		rows = slices.Delete(rows, out, out+1)
	}
	return rows
}

// firstThrough ends rows in the order of their keys where those of a growing segment are through.
func firstThrough(rows []*row) []*row {
	for i := len(rows) - 1; i >= 0; i-- {
		if rows[i].segment == growing {
			return rows[:i+1]
		}
	}
	return rows
}

// columns are fields of some rows; without a row they have their types at least.
func (c *collection) columns(rows []*row, fields []string) ([]*schemapb.FieldData, error) {
	var runs []arrow.Record // of rows that lie side by side
	for from := 0; from < len(rows); {
		to := from + 1
		for to < len(rows) && rows[to].in == rows[from].in && rows[to].at == rows[to-1].at+1 {
			to++
		}
		runs = append(runs, rows[from].in.rows.NewSlice(int64(rows[from].at), int64(rows[from].at+to-from)))
		from = to
	}
	all, err := c.layout.Join(runs...)
	if err != nil {
		return nil, err
	}
	return c.layout.Only(func(name string) bool { return slices.Contains(fields, name) }).Answer(all, labtest.Each(len(rows), func(i int) int { return i }))
}
