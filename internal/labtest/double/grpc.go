package double

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// untouched is a codec that leaves messages as they are.
type untouched struct{}

// Name is empty, since Milvus takes nothing but a bare "application/grpc" as the type of what is sent.
func (untouched) Name() string { return "" }

func (untouched) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (untouched) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte{}, data...)
	return nil
}

var bulkInsert23 = []string{"Import", "GetImportState", "ListImportTasks"}

// pass passes a call to the real server and its answer back. The bulk insert of 2.3 is refused as a later version: those keep it for
// one file at a time and name no files in their lists, so that nothing may lean on it.
func (s *Server) pass(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	var request, answer []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	if s.cfg.Watch != nil {
		s.cfg.Watch(stream.Context(), path.Base(method))
	}
	if slices.Contains(bulkInsert23, path.Base(method)) && s.later() {
		return status.Errorf(codes.Unimplemented, "%s is of 2.3, and this is %s", path.Base(method), s.cfg.Version)
	}
	ctx := stream.Context()
	if sent, ok := metadata.FromIncomingContext(ctx); ok {
		ctx = metadata.NewOutgoingContext(ctx, sent.Copy())
	}
	invoke := func(request []byte) ([]byte, error) {
		err := s.upstream.Invoke(ctx, method, &request, &answer, grpc.ForceCodec(untouched{}))
		return answer, err
	}
	var err error
	switch path.Base(method) {
	case "Connect":
		answer, err = s.renamed(invoke(request))
	case "AllocTimestamp":
		answer, err = s.timestamped(ctx)
	case "ShowPartitions":
		answer, err = partitioned(invoke(request))
	case "Query":
		answer, err = s.asLater(ctx, request, invoke)
	case "Delete":
		s.deleted.Add(1)
		answer, err = invoke(request)
	case "GetPersistentSegmentInfo":
		answer, err = s.leveled(invoke(request))
	default:
		answer, err = invoke(request)
	}
	if err != nil {
		return err
	}
	return stream.SendMsg(&answer)
}

// later reports whether the version is a later one than that of the real server.
func (s *Server) later() bool { return strings.TrimPrefix(s.cfg.Version, "v") >= "2.4" }

// renamed is the answer to Connect with the double's version.
func (s *Server) renamed(answer []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	var hello milvuspb.ConnectResponse
	message := &hello
	if err := proto.Unmarshal(answer, message); err != nil {
		return nil, fmt.Errorf("reading the real server's version: %w", err)
	}
	if hello.ServerInfo == nil { // of a Milvus Lite 2.5
		hello.ServerInfo = &commonpb.ServerInfo{}
	}
	hello.ServerInfo.BuildTags = s.cfg.Version
	return proto.Marshal(message)
}

// leveled are segments as later versions tell of them: of level 1 and, from 2.5 on, sorted. What was deleted is in segments of level 0.
func (s *Server) leveled(answer []byte, err error) ([]byte, error) {
	if err != nil || !s.later() {
		return answer, err
	}
	var list milvuspb.GetPersistentSegmentInfoResponse
	if err := proto.Unmarshal(answer, &list); err != nil {
		return nil, fmt.Errorf("reading the segments: %w", err)
	}
	for _, info := range list.Infos {
		info.Level, info.IsSorted = commonpb.SegmentLevel_L1, strings.TrimPrefix(s.cfg.Version, "v") >= "2.5"
	}
	for id := range s.deleted.Load() {
		list.Infos = append(list.Infos, &milvuspb.PersistentSegmentInfo{
			SegmentID: id + 1, State: commonpb.SegmentState_Flushed, Level: commonpb.SegmentLevel_L0,
		})
	}
	return proto.Marshal(&list)
}

// partitioned is the answer to ShowPartitions, which a Milvus Lite 2.5 does not know.
func partitioned(answer []byte, err error) ([]byte, error) {
	if status.Code(err) != codes.Unimplemented {
		return answer, err
	}
	return proto.Marshal(&milvuspb.ShowPartitionsResponse{Status: &commonpb.Status{}, PartitionNames: []string{"_default"}})
}

// timestamp is the present of the real server, or of the double where that has none.
func (s *Server) timestamp(ctx context.Context) (uint64, error) {
	if s.cfg.Import != nil {
		return uint64(time.Now().UnixMilli()) << 18, nil
	}
	now, err := s.milvus.AllocTimestamp(ctx, &milvuspb.AllocTimestampRequest{})
	return now.GetTimestamp(), err
}

func (s *Server) timestamped(ctx context.Context) ([]byte, error) {
	now, err := s.timestamp(ctx)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(&milvuspb.AllocTimestampResponse{Status: &commonpb.Status{}, Timestamp: now})
}
