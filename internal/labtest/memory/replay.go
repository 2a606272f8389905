package memory

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"migrate/internal/milvus"
)

// recording is one call to a real server: its messages as they were sent.
type recording struct {
	Method      string          `json:"method"`
	Request     json.RawMessage `json:"request"`
	AnswerBytes []byte          `json:"answer_bytes"`
}

// player answers queries with what a real server answered to the same ones.
type player struct {
	milvuspb.UnimplementedMilvusServiceServer
	t       testing.TB
	hello   *milvuspb.ConnectResponse
	queries []recorded
}

type recorded struct {
	request *milvuspb.QueryRequest
	answer  *milvuspb.QueryResults
}

// Replay is a connection to a server that answers with the recordings of a folder, byte for byte. Queries are told by their filter,
// fields and flags, whatever their limit; one that was not recorded is refused.
func Replay(t testing.TB, folder string) *milvus.Server {
	t.Helper()
	p := &player{t: t}
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings in %s: %v", folder, err)
	}
	for _, file := range files {
		p.load(file)
	}
	listener := listen(t)
	serve(t, listener, p)
	server, err := milvus.Connect(context.WithoutCancel(t.Context()), milvus.Config{Address: listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

func (p *player) load(file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	var r recording
	if err := json.Unmarshal(text, &r); err != nil {
		p.t.Fatalf("%s: %v", file, err)
	}
	read := func(into proto.Message) {
		if err := proto.Unmarshal(r.AnswerBytes, into); err != nil {
			p.t.Fatalf("%s: %v", file, err)
		}
	}
	switch r.Method {
	case "Connect":
		p.hello = &milvuspb.ConnectResponse{}
		read(p.hello)
	case "Query":
		q := recorded{&milvuspb.QueryRequest{}, &milvuspb.QueryResults{}}
		read(q.answer)
		if err := protojson.Unmarshal(r.Request, q.request); err != nil {
			p.t.Fatalf("%s: %v", file, err)
		}
		p.queries = append(p.queries, q)
	}
}

// Connect tells the version.
func (p *player) Connect(context.Context, *milvuspb.ConnectRequest) (*milvuspb.ConnectResponse, error) {
	return p.hello, nil
}

// ShowCollections lets everybody in.
func (p *player) ShowCollections(context.Context, *milvuspb.ShowCollectionsRequest) (*milvuspb.ShowCollectionsResponse, error) {
	return &milvuspb.ShowCollectionsResponse{Status: &commonpb.Status{}}, nil
}

// AllocTimestamp is some time, as of which nothing was recorded.
func (p *player) AllocTimestamp(context.Context, *milvuspb.AllocTimestampRequest) (*milvuspb.AllocTimestampResponse, error) {
	return &milvuspb.AllocTimestampResponse{Status: &commonpb.Status{}, Timestamp: 1}, nil
}

// Query looks for the same one. A first one, which names no instant, is any first one.
func (p *player) Query(_ context.Context, q *milvuspb.QueryRequest) (*milvuspb.QueryResults, error) {
	for _, r := range p.queries {
		if flags(r.request) == flags(q) && (q.GuaranteeTimestamp == 0 || r.request.Expr == q.Expr && slices.Equal(r.request.OutputFields, q.OutputFields)) {
			return r.answer, nil
		}
	}
	return nil, status.Errorf(codes.InvalidArgument, "not recorded: %v", q)
}

// flags are what decides how a query is answered, beside its filter.
func flags(q *milvuspb.QueryRequest) string {
	first := ""
	if q.GuaranteeTimestamp == 0 {
		first = "first"
	}
	return strings.Join([]string{first, param(q, "iterator"), param(q, "ignore_growing")}, " ")
}
