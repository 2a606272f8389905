package milvus

import (
	"context"
	"log/slog"
	"path"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	"migrate/internal/clock"
)

// pace limits how many data calls of one connection are under way at once: by one more after a round of good answers,
// by half when the server refuses a call for its rate or takes much longer than it used to. A call keeps its place while
// it waits to be tried again, so that the others wait behind it instead of being refused as well. Where a server is slow with
// one call at a time, each waits as long as one takes, and up to five seconds. The zero value lets through as many calls as
// come, until the server gives a reason not to.
type pace struct {
	changes logLimiter

	mu      sync.Mutex
	limit   int             // calls that may be under way; what is above it after a decrease runs out
	most    int             // calls that were ever wanted at once: the limit's maximum
	running int             // calls under way
	waiting []chan struct{} // calls in the order in which they came; closed when it is their turn
	good    int             // good answers of this round
	rest    time.Duration   // before each call, where fewer at once are not to be had
	lowered int             // how often the limit was lowered
	usual   map[kind]*usual
}

// Bounds of the rest before a call.
const (
	leastRest = 50 * time.Millisecond
	mostRest  = 5 * time.Second
)

// round is how many good answers in a row raise a limit, unless the limit itself is more.
const round = 8

// paced names the calls that make the load of a server.
var paced = []string{"Query", "Insert", "Upsert", "Delete"}

func isPaced(method string) bool { return slices.Contains(paced, path.Base(method)) }

// hold makes a call wait for its turn, and keeps its place until it has ended, however often it is tried again.
func (p *pace) hold(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if isPaced(method) {
		if err := p.enter(ctx); err != nil {
			return err
		}
		defer p.leave()
		if mayRepeat(method, opts) { // what may be done once only was asked for just before, and is not put off
			if err := clock.Sleep(ctx, p.resting()); err != nil {
				return err
			}
		}
	}
	return call(ctx, method, req, reply, cc, opts...)
}

// watch learns from each try of a call.
func (p *pace) watch(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if !isPaced(method) {
		return call(ctx, method, req, reply, cc, opts...)
	}
	begun, since := p.lowerings(), time.Now()
	err := call(ctx, method, req, reply, cc, opts...)
	took := time.Since(since)
	if limit, why := p.learn(begun, kindOf(req, reply, err), took, err); why != "" {
		p.changes.do("", func(leftOut int) {
			slog.InfoContext(ctx, "milvus calls at once", "limit", limit, "rest", p.resting(), "because", why, "server", cc.Target(),
				"left out", leftOut)
		})
	}
	return err
}

// enter waits until a call may begin, or the context ends.
func (p *pace) enter(ctx context.Context) error {
	turn := p.queue()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		p.abandon(turn)
		return context.Cause(ctx)
	}
}

// queue takes a place, and returns what is closed when it is this call's turn.
func (p *pace) queue() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	turn := make(chan struct{})
	p.waiting = append(p.waiting, turn)
	if wanted := p.running + len(p.waiting); wanted > p.most {
		if p.limit == p.most {
			p.limit = wanted
		}
		p.most = wanted
	}
	p.admit()
	return turn
}

// abandon gives up a place, be it in the queue or among the calls under way.
func (p *pace) abandon(turn chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, turn); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
		return
	}
	p.running--
	p.admit()
}

func (p *pace) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running--
	p.admit()
}

// admit begins as many of the waiting calls as may be under way.
func (p *pace) admit() {
	for p.running < p.limit && len(p.waiting) > 0 {
		close(p.waiting[0])
		p.waiting = p.waiting[1:]
		p.running++
	}
}

func (p *pace) state() (limit, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limit, p.most
}

func (p *pace) resting() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rest
}

func (p *pace) lowerings() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lowered
}

// learn takes what came of one try that began after so many lowerings. Where that changes the limit, it says why. What
// began under a higher limit tells nothing of this one: calls that were refused together lower it once.
func (p *pace) learn(begun int, k kind, took time.Duration, err error) (limit int, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before, rested := p.limit, p.rest
	switch {
	case begun != p.lowered:
	case rateLimited(err):
		why = "the server limits the rate"
		p.lower()
	case err == nil:
		why = p.answered(k, took)
	}
	if p.limit == before && p.rest == rested {
		why = ""
	}
	return p.limit, why
}

// answered takes the time of a good answer.
func (p *pace) answered(k kind, took time.Duration) (why string) {
	slow, lasting := p.usualOf(k).add(took)
	switch {
	case lasting:
		if p.limit == 1 {
			p.rest = min(max(took, 2*p.rest), mostRest)
		}
		p.lower()
		return "the server takes much longer than it did"
	case k == counts && took > slowLeast:
	case !slow:
		p.raise()
	}
	return "a round of good answers"
}

func (p *pace) lower() {
	p.limit = max(p.limit/2, 1)
	p.lowered++
	p.good = 0
}

func (p *pace) raise() {
	if p.good++; p.good < max(round, p.limit) {
		return
	}
	p.good = 0
	if p.rest > 0 {
		if p.rest /= 2; p.rest < leastRest {
			p.rest = 0
		}
		return
	}
	p.limit = min(p.limit+1, p.most)
	p.admit()
}

// usualOf is nil where a call's time tells nothing.
func (p *pace) usualOf(k kind) *usual {
	if k == (kind{}) || k == counts {
		return nil
	}
	if p.usual == nil {
		p.usual = map[kind]*usual{}
	}
	if p.usual[k] == nil {
		p.usual[k] = &usual{}
	}
	return p.usual[k]
}
