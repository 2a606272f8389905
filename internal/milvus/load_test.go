package milvus

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"google.golang.org/grpc"

	"migrate/internal/model"
)

// loader is a server with one collection, whose load is as far as percent says; below 0 it is not being loaded.
type loader struct {
	milvuspb.MilvusServiceClient
	percent func(since time.Duration) int64
	others  bool // load it, without being asked
	began   time.Time
	asked   []*milvuspb.LoadCollectionRequest
}

func (l *loader) now() int64 {
	if !l.others && len(l.asked) == 0 {
		return -1
	}
	return l.percent(time.Since(l.began))
}

func (l *loader) LoadCollection(_ context.Context, req *milvuspb.LoadCollectionRequest, _ ...grpc.CallOption) (*commonpb.Status, error) {
	l.asked = append(l.asked, req)
	return &commonpb.Status{}, nil
}

func (l *loader) GetLoadState(context.Context, *milvuspb.GetLoadStateRequest, ...grpc.CallOption) (
	*milvuspb.GetLoadStateResponse, error,
) {
	state := commonpb.LoadState_LoadStateLoading
	switch percent := l.now(); {
	case percent < 0:
		state = commonpb.LoadState_LoadStateNotLoad
	case percent >= 100:
		state = commonpb.LoadState_LoadStateLoaded
	}
	return &milvuspb.GetLoadStateResponse{State: state}, nil
}

func (l *loader) GetLoadingProgress(context.Context, *milvuspb.GetLoadingProgressRequest, ...grpc.CallOption) (
	*milvuspb.GetLoadingProgressResponse, error,
) {
	if l.now() < 0 {
		return nil, &StatusError{Method: "GetLoadingProgress", Code: codeNotLoaded, Reason: "collection not loaded"}
	}
	return &milvuspb.GetLoadingProgressResponse{Progress: l.now()}, nil
}

func (l *loader) ShowPartitions(context.Context, *milvuspb.ShowPartitionsRequest, ...grpc.CallOption) (
	*milvuspb.ShowPartitionsResponse, error,
) {
	return &milvuspb.ShowPartitionsResponse{PartitionNames: []string{model.DefaultPartition}}, nil
}

// TestLoad leaves a loaded collection alone, and waits for any other no longer than there is hope.
func TestLoad(t *testing.T) {
	bySecond := func(since time.Duration) int64 { return int64(since / time.Second) }
	for name, test := range map[string]struct {
		percent func(since time.Duration) int64
		others  bool
		asked   int
		want    error
		within  time.Duration
	}{
		"loaded before":           {func(time.Duration) int64 { return 100 }, true, 0, nil, 0},
		"being loaded by another": {bySecond, true, 0, nil, 100 * time.Second},
		"not loaded":              {bySecond, false, 1, nil, 100 * time.Second},
		"loads slowly":            {func(since time.Duration) int64 { return int64(since / (10 * time.Minute)) }, false, 1, nil, 1000 * time.Minute},
		"stands still":            {func(time.Duration) int64 { return 40 }, false, 1, ErrLoad, loadStall},
		"never begins":            {func(time.Duration) int64 { return -1 }, false, 1, ErrLoad, notLoaded},
		"is released, or given up": {func(since time.Duration) int64 {
			if since > time.Hour {
				return -1
			}
			return int64(since / (2 * time.Minute))
		}, false, 1, ErrLoad, time.Hour + notLoaded},
		"its coordinator starts again": {func(since time.Duration) int64 {
			if since > 20*time.Second && since < 50*time.Second {
				return -1
			}
			return bySecond(since)
		}, false, 1, nil, 100 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := &loader{percent: test.percent, others: test.others, began: time.Now()}
			server := &Server{connection: &connection{svc: l}}
			server.said.Store(&said{can: capabilitiesOf("v2.3.5")})
			err := server.Load(t.Context(), "docs")
			took := time.Since(l.began)
			if !errors.Is(err, test.want) || took < test.within || took > test.within+time.Second {
				t.Errorf("%s: %v after %v; want %v after %v", name, err, took, test.want, test.within)
			}
			if len(l.asked) != test.asked {
				t.Errorf("%s: asked for %d loads, want %d", name, len(l.asked), test.asked)
			}
			for _, req := range l.asked {
				if req.GetReplicaNumber() != 0 {
					t.Errorf("%s: asked for %d replicas, which are not migrate's to choose", name, req.GetReplicaNumber())
				}
			}
		})
	}
}
