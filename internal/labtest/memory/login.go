package memory

import (
	"context"
	"encoding/base64"
	"path"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// admit refuses calls without the login that the server wants, all but Connect, which Milvus answers before it looks.
func admit(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	s, ok := info.Server.(*Server)
	if !ok || s.Login == "" || path.Base(info.FullMethod) == "Connect" {
		return handle(ctx, req)
	}
	sent, _ := metadata.FromIncomingContext(ctx)
	switch given := sent.Get("authorization"); {
	case len(given) == 0:
		return nil, status.Error(codes.Unauthenticated, "missing authorization in header")
	case given[0] != base64.StdEncoding.EncodeToString([]byte(s.Login)):
		return nil, status.Error(codes.Unauthenticated, "auth check failure, please check username and password are correct")
	}
	return handle(ctx, req)
}
