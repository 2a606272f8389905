package milvus

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"path"
	"slices"
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
	warnings logLimiter
	watch    func(method string, err error) // told of each call that is made again; nil where nobody wants to know
}

const (
	retryTotal = 2 * time.Minute
	retryRated = 30 * time.Minute // in all, while the server answers that it limits the rate
	retryFirst = 100 * time.Millisecond
	retryMost  = 5 * time.Second
)

// once is an option of calls that are not to be made again: their errors, or their time, are what is looked for.
type once struct{ grpc.EmptyCallOption }

// wasLoaded is an option of calls on a collection that was seen to be loaded: a server that starts again calls it not loaded
// for half a minute, so that can pass.
type wasLoaded struct{ grpc.EmptyCallOption }

// has reports whether a call is made with an option of a type.
func has[O grpc.CallOption](opts []grpc.CallOption) bool {
	return slices.ContainsFunc(opts, func(o grpc.CallOption) bool {
		_, is := o.(O)
		return is
	})
}

// onceOnly names the calls that change rows: they are never repeated behind the caller's back.
var onceOnly = []string{"/Import", "/Insert", "/Upsert", "/Delete"}

func mayRepeat(method string, opts []grpc.CallOption) bool {
	for _, m := range onceOnly {
		if strings.HasSuffix(method, m) {
			return false
		}
	}
	return !has[once](opts)
}

func (r *retrier) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	opts = append(opts, grpcretry.Disable())
	if !mayRepeat(method, opts) {
		return call(ctx, method, req, reply, cc, opts...)
	}
	passes := CanPass
	if has[wasLoaded](opts) {
		passes = func(err error) bool { return CanPass(err) || errors.Is(err, ErrNotLoaded) }
	}
	return r.do(ctx, method, cc.Target(), passes, func() error { return call(ctx, method, req, reply, cc, opts...) })
}

// Again makes a call of this server that is made once otherwise, again and again while its error can pass: it has to be one that may be
// repeated. Who watches retries is told of each.
func (s *Server) Again(ctx context.Context, method string, try func() error) error {
	return s.retry.do(ctx, method, s.Address, CanPass, try)
}

// do calls try, again and again while its error passes.
func (r *retrier) do(ctx context.Context, method, server string, passes func(error) bool, try func() error) error {
	p := &patience{total: cmp.Or(r.total, retryTotal)}
	call := func() error {
		err := try()
		if err != nil && !passes(err) {
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
