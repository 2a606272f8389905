package milvus

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// segmented is a server that answers with one list of segments after the other, and with the last one from then on.
type segmented struct {
	milvuspb.MilvusServiceClient
	lists [][]*milvuspb.PersistentSegmentInfo
	asked int
}

func (s *segmented) Flush(context.Context, *milvuspb.FlushRequest, ...grpc.CallOption) (*milvuspb.FlushResponse, error) {
	return &milvuspb.FlushResponse{}, nil
}

func (s *segmented) GetFlushState(context.Context, *milvuspb.GetFlushStateRequest, ...grpc.CallOption) (*milvuspb.GetFlushStateResponse, error) {
	return &milvuspb.GetFlushStateResponse{Flushed: true}, nil
}

func (s *segmented) GetPersistentSegmentInfo(context.Context, *milvuspb.GetPersistentSegmentInfoRequest, ...grpc.CallOption) (
	*milvuspb.GetPersistentSegmentInfoResponse, error,
) {
	list := s.lists[min(s.asked, len(s.lists)-1)]
	s.asked++
	return &milvuspb.GetPersistentSegmentInfoResponse{Infos: list}, nil
}

// recorded reads what a real server answered, from its bytes.
func recorded[M proto.Message](t *testing.T, file string, answer M) M {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Bytes []byte `json:"answer_bytes"`
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(r.Bytes, answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// TestSegments2510 reads the segments that a real 2.5.10 told of, of level 1 and sorted.
func TestSegments2510(t *testing.T) {
	for name, want := range map[string]map[int64]int64{
		"n_plain":   {470789657819486926: 3000},
		"n_growing": {470789657820491656: 400}, // those that were written and not flushed are not told
		"n_geo":     {},
	} {
		told := recorded(t, "milvus-2.5.10/"+name+".segments.json", &milvuspb.GetPersistentSegmentInfoResponse{}).GetInfos()
		got, err := (&Server{connection: &connection{svc: &segmented{lists: [][]*milvuspb.PersistentSegmentInfo{told}}}}).Segments(t.Context(), name)
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
	}
}

// TestSegments takes only what is flushed and holds rows, and believes no answer that the next one does not repeat.
func TestSegments(t *testing.T) {
	type list = []*milvuspb.PersistentSegmentInfo
	first := recorded(t, "milvus-2.5.10/n_plain.segments.json", &milvuspb.GetPersistentSegmentInfoResponse{}).GetInfos()[0]
	told := func(id, rows int64, change ...func(*milvuspb.PersistentSegmentInfo)) *milvuspb.PersistentSegmentInfo {
		info := proto.Clone(first).(*milvuspb.PersistentSegmentInfo)
		info.SegmentID, info.NumRows = id, rows
		for _, c := range change {
			c(info)
		}
		return info
	}
	deletes := func(i *milvuspb.PersistentSegmentInfo) { i.Level = commonpb.SegmentLevel_L0 }
	clustered := func(i *milvuspb.PersistentSegmentInfo) { i.Level = commonpb.SegmentLevel_L2 }
	sealed := func(i *milvuspb.PersistentSegmentInfo) { i.State = commonpb.SegmentState_Sealed }
	dropped := func(i *milvuspb.PersistentSegmentInfo) { i.State = commonpb.SegmentState_Dropped }
	for name, test := range map[string]struct {
		lists []list
		want  map[int64]int64
	}{
		"at rest":               {[]list{{told(1, 10), told(2, 5, clustered)}}, map[int64]int64{1: 10, 2: 5}},
		"deletes":               {[]list{{told(1, 10), told(2, 3, deletes)}}, map[int64]int64{1: 10}},
		"not flushed, dropped":  {[]list{{told(1, 10), told(2, 3, sealed), told(3, 10, dropped)}}, map[int64]int64{1: 10}},
		"caught in a sorting":   {[]list{{told(1, 10)}, {told(1, 10), told(4, 5)}}, map[int64]int64{1: 10, 4: 5}},
		"of 2.3, without level": {[]list{{told(1, 10, func(i *milvuspb.PersistentSegmentInfo) { i.Level = 0 })}}, map[int64]int64{1: 10}},
		"no two agree":          {[]list{{told(1, 1)}, {told(2, 1)}, {told(3, 1)}, {told(4, 1)}, {told(5, 1)}, {told(5, 1)}}, nil},
	} {
		server := &segmented{lists: test.lists}
		got, err := (&Server{connection: &connection{svc: server}}).Segments(t.Context(), "docs")
		if err != nil || !maps.Equal(got, test.want) || (got == nil) != (test.want == nil) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, test.want)
		}
	}
}
