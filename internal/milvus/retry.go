package milvus

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"path"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
	grpcretry "github.com/grpc-ecosystem/go-grpc-middleware/retry"
	"google.golang.org/grpc"
)

// retrier tries a call again, with exponential backoff and jitter, while its error can pass and the call may be
// repeated. It replaces the SDK's own retries, which also repeat what can't pass.
type retrier struct {
	total    time.Duration
	warnings seldom
	watch    func(method string, err error) // told of each call that is made again; nil where nobody wants to know
}

const (
	retryTotal = 2 * time.Minute
	retryRated = 30 * time.Minute // in all, while the server answers that it limits the rate
	retryFirst = 100 * time.Millisecond
	retryMost  = 5 * time.Second
)

type noRetryKey struct{}

// WithoutRetry marks calls that are not to be made again: their errors, or their time, are what is looked for.
func WithoutRetry(ctx context.Context) context.Context {
	return context.WithValue(ctx, noRetryKey{}, true)
}

type wasLoadedKey struct{}

// WasLoaded marks calls on a collection that was seen to be loaded: a server that starts again calls it not loaded for
// half a minute, so that can pass.
func WasLoaded(ctx context.Context) context.Context {
	return context.WithValue(ctx, wasLoadedKey{}, true)
}

func canPass(ctx context.Context, err error) bool {
	return CanPass(err) || ctx.Value(wasLoadedKey{}) != nil && errors.Is(err, ErrNotLoaded)
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

func (r *retrier) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	opts = append(opts, grpcretry.Disable())
	if !mayRepeat(ctx, method) {
		return call(ctx, method, req, reply, cc, opts...)
	}
	return r.do(ctx, method, cc.Target(), func() error { return call(ctx, method, req, reply, cc, opts...) })
}

// do calls once, again and again while its error can pass.
func (r *retrier) do(ctx context.Context, method, server string, once func() error) error {
	p := &patience{total: cmp.Or(r.total, retryTotal)}
	call := func() error {
		err := once()
		if err != nil && !canPass(ctx, err) {
			return backoff.Permanent(err)
		}
		if rateLimited(err) {
			p.renew()
		}
		return err
	}
	return backoff.RetryNotify(call, backoff.WithContext(p, ctx), func(err error, wait time.Duration) {
		r.tell(method, err)
		r.warnings.do(method, func(leftOut int) {
			slog.WarnContext(ctx, "milvus call will be tried again", "method", method, "server", server,
				"in", wait, "error", err, "left out", leftOut)
		})
	})
}

func (r *retrier) tell(method string, err error) {
	if r.watch != nil {
		r.watch(path.Base(method), err)
	}
}

// patience is how long one call is tried again, and how long each pause is. A server that limits the rate is alive:
// the total begins anew with each such answer, up to retryRated in all.
type patience struct {
	total       time.Duration
	pauses      *backoff.ExponentialBackOff
	until, last time.Time
}

// Reset begins anew; backoff calls it before the first try.
func (p *patience) Reset() {
	p.pauses = backoff.NewExponentialBackOff(backoff.WithInitialInterval(retryFirst),
		backoff.WithMaxInterval(retryMost), backoff.WithMaxElapsedTime(0))
	p.last = time.Now().Add(max(p.total, retryRated))
	p.renew()
}

func (p *patience) renew() {
	p.until = time.Now().Add(p.total)
	if p.until.After(p.last) {
		p.until = p.last
	}
}

// NextBackOff is the next pause, or backoff.Stop.
func (p *patience) NextBackOff() time.Duration {
	pause := p.pauses.NextBackOff()
	if time.Now().Add(pause).After(p.until) {
		return backoff.Stop
	}
	return pause
}

// CanPass reports whether the same call may succeed later: the server was away, starting or overloaded.
func CanPass(err error) bool {
	var p interface{ canPass() bool }
	return errors.As(err, &p) && p.canPass()
}

// rateLimited reports whether a server refused a call because there were too many of them.
func rateLimited(err error) bool {
	var r interface{ rateLimited() bool }
	return errors.As(err, &r) && r.rateLimited()
}
