package milvus

import (
	"context"
	"path"
	"slices"
	"time"

	"google.golang.org/grpc"
)

// uncancellable names the calls that are let finish when their context ends: the proxy of 2.3.5 was seen to break down, by a
// nil pointer, when such a call was cancelled while it asked the root coordinator.
var uncancellable = []string{"GetImportState", "ListImportTasks"}

// answerTime is how long an uncancellable call is waited for after its context's end. It takes a few milliseconds as a rule.
const answerTime = 800 * time.Millisecond

// uncancelled lets a call finish when its context ends. One that takes too long is left to itself, and not cancelled either.
func uncancelled(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if !slices.Contains(uncancellable, path.Base(method)) {
		return call(ctx, method, req, reply, cc, opts...)
	}
	done := make(chan error, 1)
	go func() { done <- call(context.WithoutCancel(ctx), method, req, reply, cc, opts...) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case <-done:
	case <-time.After(answerTime):
	}
	return context.Cause(ctx)
}
