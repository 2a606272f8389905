package milvus

import (
	"context"
	"log/slog"
	"path"
	"sync"
	"sync/atomic"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"

	"migrate/internal/model"
)

// identity is what a server said that it is. It is asked again on each new connection: what ran for weeks may have been upgraded
// meanwhile, and be read in another way from then on.
type identity struct {
	said        atomic.Pointer[said]
	asking      sync.Mutex
	connections connections
}

// said is one answer.
type said struct {
	version string
	can     model.Capabilities
	filters Filters
	over    int64 // the number of the connection
}

// Version is the server's as it gives it, e.g. "v2.3.5-lite".
func (i *identity) Version() string { return i.said.Load().version }

// Capabilities is what such a server can do.
func (i *identity) Capabilities() model.Capabilities { return i.said.Load().can }

// Filters are the filters of such a server.
func (i *identity) Filters() Filters { return i.said.Load().filters }

// ask asks once.
func (i *identity) ask(ctx context.Context, svc milvuspb.MilvusServiceClient) error {
	over := i.connections.made.Load()
	resp, err := svc.Connect(ctx, &milvuspb.ConnectRequest{ClientInfo: &commonpb.ClientInfo{SdkType: "Golang", SdkVersion: "migrate"}}, once{})
	if err != nil {
		return err
	}
	version := resp.GetServerInfo().GetBuildTags()
	answer := &said{version: version, can: capabilitiesOf(version)}
	if isLite(ctx, svc) {
		answer = askLite(ctx, svc)
	}
	answer.over = max(over, 1)
	i.said.Store(answer)
	return nil
}

// recognize asks a server what it is after the first call over a new connection. Where that fails, the next call asks again.
func (s *Server) recognize(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := call(ctx, method, req, reply, cc, opts...)
	before := s.said.Load()
	if err != nil || before == nil || before.over == s.connections.made.Load() || path.Base(method) == "Connect" || !s.asking.TryLock() {
		return err
	}
	defer s.asking.Unlock()
	if asked := s.ask(ctx, s.svc); asked != nil {
		slog.DebugContext(ctx, "milvus did not say what it is", "server", s.Address, "error", asked)
		return nil
	}
	if now := s.Version(); now != before.version {
		slog.InfoContext(ctx, "milvus is of another version since it was connected to again", "server", s.Address, "was", before.version, "is", now)
	}
	return nil
}

// connections counts the connections that were made.
type connections struct{ made atomic.Int64 }

// HandleConn counts one.
func (c *connections) HandleConn(_ context.Context, s stats.ConnStats) {
	if _, begins := s.(*stats.ConnBegin); begins {
		c.made.Add(1)
	}
}

// TagConn, TagRPC and HandleRPC are of no interest here.
func (c *connections) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (c *connections) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (c *connections) HandleRPC(context.Context, stats.RPCStats)                         {}
