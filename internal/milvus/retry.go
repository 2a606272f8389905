package milvus

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
	grpcretry "github.com/grpc-ecosystem/go-grpc-middleware/retry"
	"google.golang.org/grpc"
)

// retrier tries a call again, with exponential backoff and jitter, while its error can pass and the call may be
// repeated. It replaces the SDK's own retries, which also repeat what can't pass.
type retrier struct {
	total time.Duration
}

const (
	retryTotal = 2 * time.Minute
	retryFirst = 100 * time.Millisecond
	retryMost  = 5 * time.Second
)

type noRetryKey struct{}

func withoutRetry(ctx context.Context) context.Context {
	return context.WithValue(ctx, noRetryKey{}, true)
}

// onceOnly names the calls that change rows: they are never repeated behind the caller's back.
var onceOnly = []string{"/Import", "/Insert", "/Upsert", "/Delete"}

func mayRepeat(ctx context.Context, method string) bool {
	for _, m := range onceOnly {
		if strings.HasSuffix(method, m) {
			return false
		}
	}
	return ctx.Value(noRetryKey{}) == nil
}

func (r retrier) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	opts = append(opts, grpcretry.Disable())
	if !mayRepeat(ctx, method) {
		return call(ctx, method, req, reply, cc, opts...)
	}
	return r.do(ctx, method, cc.Target(), func() error { return call(ctx, method, req, reply, cc, opts...) })
}

// do calls once, again and again while its error can pass.
func (r retrier) do(ctx context.Context, method, server string, once func() error) error {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.MaxElapsedTime = retryFirst, retryMost, r.total
	if r.total == 0 {
		b.MaxElapsedTime = retryTotal
	}
	call := func() error {
		err := once()
		if err != nil && !CanPass(err) {
			return backoff.Permanent(err)
		}
		return err
	}
	return backoff.RetryNotify(call, backoff.WithContext(b, ctx), func(err error, wait time.Duration) {
		slog.WarnContext(ctx, "milvus call will be tried again", "method", method, "server", server, "in", wait, "error", err)
	})
}

// CanPass reports whether the same call may succeed later: the server was away, starting or overloaded.
func CanPass(err error) bool {
	var p interface{ canPass() bool }
	return errors.As(err, &p) && p.canPass()
}
