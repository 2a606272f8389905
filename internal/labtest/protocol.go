package labtest

import (
	"context"
	"fmt"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"migrate/deploy/lab"
	"migrate/internal/milvus"
)

// Protocol is the raw protocol of a server, for what migrate itself never asks for.
func Protocol(t testing.TB, server *milvus.Server) milvuspb.MilvusServiceClient {
	t.Helper()
	return protocol(t, client.Config{Address: server.Address})
}

// SecureProtocol is that of the server of Secure, as its root.
func SecureProtocol(t testing.TB, caFile string) milvuspb.MilvusServiceClient {
	t.Helper()
	security, err := credentials.NewClientTLSFromFile(caFile, "")
	if err != nil {
		t.Fatal(err)
	}
	return protocol(t, client.Config{
		Address: lab.SecureStandalone, Username: lab.SecureUser, Password: lab.SecurePassword,
		DialOptions: []grpc.DialOption{grpc.WithTransportCredentials(security)},
	})
}

func protocol(t testing.TB, cfg client.Config) milvuspb.MilvusServiceClient {
	t.Helper()
	cfg.DialOptions = append(cfg.DialOptions, grpc.WithChainUnaryInterceptor(refusals))
	c, err := client.NewClient(context.WithoutCancel(t.Context()), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*client.GrpcClient).Service
}

// refusals makes errors of those that Milvus puts into its answers.
func refusals(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if err := call(ctx, method, req, reply, cc, opts...); err != nil {
		return err
	}
	st, is := reply.(*commonpb.Status)
	if r, has := reply.(interface{ GetStatus() *commonpb.Status }); has {
		st, is = r.GetStatus(), true
	}
	//lint:ignore SA1019 servers of 2.3 tell some errors by these codes alone
	if is && (st.GetCode() != 0 || st.GetErrorCode() != commonpb.ErrorCode_Success) {
		return fmt.Errorf("%s: %s (code %d)", method, st.GetReason(), st.GetCode())
	}
	return nil
}
