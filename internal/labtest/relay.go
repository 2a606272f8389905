package labtest

import (
	"context"
	"net"
	"path"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Relay passes calls on to a server until the test ends, as pass gives them back, which may hold one. It returns its address.
func Relay(t testing.TB, to string, pass func(ctx context.Context, method string, request []byte) ([]byte, error)) (address string) {
	t.Helper()
	upstream, err := grpc.NewClient(to, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(AsSent{}), grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodec(AsSent{}), grpc.MaxRecvMsgSize(64<<20), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		var request, answer []byte
		if err := stream.RecvMsg(&request); err != nil {
			return err
		}
		if request, err := pass(stream.Context(), path.Base(method), request); err != nil {
			return err
		} else if err := upstream.Invoke(context.WithoutCancel(stream.Context()), method, &request, &answer); err != nil {
			return err
		}
		return stream.SendMsg(&answer)
	}))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		<-ended
		upstream.Close()
	})
	return listener.Addr().String()
}

// AsSent is a codec that leaves messages as they are.
type AsSent struct{}

// Name is none.
func (AsSent) Name() string { return "" }

// Marshal gives the bytes.
func (AsSent) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

// Unmarshal copies the bytes.
func (AsSent) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte{}, data...)
	return nil
}
