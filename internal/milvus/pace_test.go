package milvus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"pgregory.net/rapid"
)

var (
	errLimited = &StatusError{Code: codeRateLimit, Reason: "rate limit exceeded"}
	errGRPC    = &callError{code: codes.ResourceExhausted, msg: "too many requests"}
	errLarge   = &callError{code: codes.ResourceExhausted, msg: "message larger than max"}
)

// pages is the kind of an answer whose time tells something.
var pages = kind{collection: "c", fields: "id,v", size: 23}

// wanted is a pace that so many calls were under way of at once, and have ended.
func wanted(calls int) *pace {
	p := &pace{}
	for range calls {
		p.queue()
	}
	for range calls {
		p.leave()
	}
	return p
}

// answers are so many equal answers, each begun when the one before had ended.
func (p *pace) answers(n int, k kind, took time.Duration, err error) {
	for range n {
		p.learn(p.lowerings(), k, took, err)
	}
}

func TestPace(t *testing.T) {
	const usually, slowly = 100 * time.Millisecond, 2 * time.Second
	good := func(n int) func(*pace) { return func(p *pace) { p.answers(n, pages, usually, nil) } }
	slow := func(n int) func(*pace) { return func(p *pace) { p.answers(n, pages, slowly, nil) } }
	fails := func(n int, err error) func(*pace) {
		return func(p *pace) { p.answers(n, kind{}, time.Millisecond, err) }
	}
	counting := func(n int, took time.Duration) func(*pace) { return func(p *pace) { p.answers(n, counts, took, nil) } }
	together := func(n int) func(*pace) {
		return func(p *pace) {
			for begun := p.lowerings(); n > 0; n-- {
				p.learn(begun, kind{}, time.Millisecond, errLimited)
			}
		}
	}
	for name, test := range map[string]struct {
		calls  int
		events []func(*pace)
		limit  int
	}{
		"no reason":                      {16, []func(*pace){good(1000)}, 16},
		"refused":                        {16, []func(*pace){fails(1, errLimited)}, 8},
		"refused by gRPC":                {16, []func(*pace){fails(1, errGRPC)}, 8},
		"refused again":                  {16, []func(*pace){fails(2, errLimited)}, 4},
		"refused for ever":               {16, []func(*pace){fails(1000, errLimited)}, 1},
		"several refused together":       {16, []func(*pace){together(16)}, 8},
		"too large an answer":            {16, []func(*pace){fails(100, errLarge)}, 16},
		"away":                           {16, []func(*pace){fails(100, errAway)}, 16},
		"a round of good answers":        {4, []func(*pace){fails(3, errLimited), good(round)}, 2},
		"less than a round":              {4, []func(*pace){fails(3, errLimited), good(round - 1)}, 1},
		"a round, but not in a row":      {4, []func(*pace){fails(3, errLimited), good(round - 1), fails(1, errLimited), good(1)}, 1},
		"a round of many calls is large": {64, []func(*pace){fails(1, errLimited), good(31)}, 32},
		"and raises by one":              {64, []func(*pace){fails(1, errLimited), good(32)}, 33},
		"never above what is wanted":     {4, []func(*pace){fails(3, errLimited), good(1000)}, 4},
		"a round of quick counts":        {4, []func(*pace){fails(3, errLimited), counting(round, usually)}, 2},
		"slow counts tell nothing":       {4, []func(*pace){fails(3, errLimited), counting(1000, slowly)}, 1},
		"neither of slowness":            {16, []func(*pace){counting(round, usually), counting(1000, slowly)}, 16},
		"slow":                           {16, []func(*pace){good(round), slow(round)}, 8},
		"slow for less than a round":     {16, []func(*pace){good(round), slow(round - 1), good(1)}, 16},
		"slow from the start":            {16, []func(*pace){slow(1000)}, 16},
		"slow for ever is usual in time": {16, []func(*pace){good(round), slow(1000)}, 16},
	} {
		p := wanted(test.calls)
		for _, event := range test.events {
			event(p)
		}
		if limit, most := p.state(); limit != test.limit || most != test.calls {
			t.Errorf("%s: %d of %d calls at once, want %d of %d", name, limit, most, test.limit, test.calls)
		}
	}
}

// TestRest has a server that is slow with one call at a time be called more seldom, until it is well again.
func TestRest(t *testing.T) {
	p := wanted(1)
	for _, step := range []struct {
		what  string
		calls int
		kind  kind
		took  time.Duration
		want  time.Duration
	}{
		{"usual", round, pages, 100 * time.Millisecond, 0},
		{"slow", round, pages, 2 * time.Second, 2 * time.Second},
		{"slow again", round, pages, 2 * time.Second, 4 * time.Second},
		{"slow counts", 10 * round, counts, 2 * time.Second, 4 * time.Second},
		{"slower", round, pages, 8 * time.Second, 5 * time.Second},
		{"well", round, pages, 100 * time.Millisecond, 2500 * time.Millisecond},
		{"well for long", 6 * round, pages, 100 * time.Millisecond, 0},
	} {
		p.answers(step.calls, step.kind, step.took, nil)
		if got := p.resting(); got != step.want {
			t.Errorf("%s: a rest of %v, want %v", step.what, got, step.want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		p, began := &pace{rest: 2 * time.Second}, time.Now()
		err := p.hold(t.Context(), "/Query", nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return nil })
		if took := time.Since(began); err != nil || took != 2*time.Second {
			t.Errorf("the call began after %v, %v", took, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.hold(ctx, "/Query", nil, nil, nil, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

// TestPaceHolds runs any calls under any answers: the limit stays between one and what was wanted at once, nobody begins
// above it, nobody waits below it, calls begin in the order in which they came, and in the end all have begun.
func TestPaceHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &paceModel{}
		t.Repeat(map[string]func(*rapid.T){
			"":        m.check,
			"call":    m.call,
			"end":     m.end,
			"abandon": m.abandon,
			"answer":  m.answer,
		})
		for len(m.begun) > 0 {
			m.end(t)
			m.check(t)
		}
		if len(m.waiting) > 0 {
			t.Fatalf("%d calls wait for ever", len(m.waiting))
		}
	})
}

type paceModel struct {
	pace
	begun, waiting []chan struct{} // as the model has it
}

func (m *paceModel) call(*rapid.T) { m.waiting = append(m.waiting, m.queue()) }

func (m *paceModel) end(*rapid.T) {
	if len(m.begun) > 0 {
		m.leave()
		m.begun = m.begun[1:]
	}
}

// abandon takes any call, also one whose turn came in the moment in which its context ended.
func (m *paceModel) abandon(t *rapid.T) {
	calls := slices.Concat(m.begun, m.waiting)
	if len(calls) == 0 {
		return
	}
	turn := rapid.SampledFrom(calls).Draw(t, "who")
	m.pace.abandon(turn)
	gone := func(c chan struct{}) bool { return c == turn }
	m.begun, m.waiting = slices.DeleteFunc(m.begun, gone), slices.DeleteFunc(m.waiting, gone)
}

func (m *paceModel) answer(t *rapid.T) {
	if m.most == 0 {
		return
	}
	before, began := m.limit, m.lowered-rapid.IntRange(0, min(m.lowered, 2)).Draw(t, "lowerings ago")
	took := time.Duration(rapid.IntRange(1, 10_000).Draw(t, "ms")) * time.Millisecond
	err := rapid.SampledFrom([]error{nil, nil, nil, errLimited, errGRPC, errLarge, errAway}).Draw(t, "error")
	current := began == m.lowered
	for range rapid.IntRange(1, 3*round).Draw(t, "times") {
		m.learn(began, pages, took, err)
	}
	if refused := err == errLimited || err == errGRPC; refused && current && m.limit != max(before/2, 1) {
		t.Fatalf("refused at a limit of %d, which is %d now", before, m.limit)
	}
	if !current && m.limit != before {
		t.Fatalf("a call that began before the last decrease changed the limit from %d to %d", before, m.limit)
	}
}

func (m *paceModel) check(t *rapid.T) {
	for len(m.waiting) > 0 && isClosed(m.waiting[0]) {
		m.begun, m.waiting = append(m.begun, m.waiting[0]), m.waiting[1:]
	}
	for _, turn := range m.waiting {
		if isClosed(turn) {
			t.Fatal("a call overtook another")
		}
	}
	switch {
	case m.most > 0 && m.limit < 1 || m.limit > m.most:
		t.Fatalf("a limit of %d, and at most %d were wanted", m.limit, m.most)
	case m.running != len(m.begun):
		t.Fatalf("%d calls are under way, and it counts %d", len(m.begun), m.running)
	case len(m.waiting) > 0 && m.running < m.limit:
		t.Fatalf("%d calls wait, and only %d of %d are under way", len(m.waiting), m.running, m.limit)
	}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// TestPaceRecovers: whatever happened before, good answers end it.
func TestPaceRecovers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &paceModel{}
		t.Repeat(map[string]func(*rapid.T){"": m.check, "call": m.call, "answer": m.answer})
		const halvings = 8 // of the longest rest
		m.answers(max(round, m.most)*(m.most+1+halvings), kind{}, time.Millisecond, nil)
		if m.limit != m.most || m.rest != 0 {
			t.Fatalf("the limit stays at %d of %d, with a rest of %v", m.limit, m.most, m.rest)
		}
	})
}

// TestPaceUndisturbed: times that differ as those of an undisturbed server do, single ones that are very slow, calls that
// fail for other reasons, and calls of other kinds in between never slow anything.
func TestPaceUndisturbed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := wanted(8)
		usually := rapid.IntRange(1, 5000).Draw(t, "usual ms")
		for n := range rapid.IntRange(0, 500).Draw(t, "answers") {
			ms := rapid.IntRange(usually, 4*usually).Draw(t, "ms")
			if n%(round-1) == 0 {
				ms = rapid.IntRange(usually, 100*usually).Draw(t, "odd ms")
			}
			p.learn(p.lowerings(), pages, time.Duration(ms)*time.Millisecond, nil)
			p.learn(p.lowerings(), kind{fields: "id"}, time.Minute, nil)
			p.learn(p.lowerings(), kind{}, time.Duration(n)*time.Second, nil)
			p.learn(p.lowerings(), kind{}, time.Minute, errAway)
		}
		if limit, most := p.state(); limit != most {
			t.Fatalf("slowed down to %d of %d calls", limit, most)
		}
	})
}

// quota is a server that answers one call in a while, and refuses the others.
type quota struct {
	every time.Duration

	mu            sync.Mutex
	next          time.Time
	good, refused int
}

func (q *quota) call(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if time.Now().Before(q.next) {
		q.refused++
		return errLimited
	}
	q.next = time.Now().Add(q.every)
	q.good++
	return nil
}

// chain is the interceptors as Connect has them, before a server.
func chain(p *pace, r *retrier, cc *grpc.ClientConn, call grpc.UnaryInvoker) func(ctx context.Context) error {
	watched := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, opts ...grpc.CallOption) error {
		return p.watch(ctx, method, req, reply, cc, call, opts...)
	}
	retried := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, opts ...grpc.CallOption) error {
		return r.intercept(ctx, method, req, reply, cc, watched, opts...)
	}
	return func(ctx context.Context) error { return p.hold(ctx, queryMethod, nil, nil, cc, retried) }
}

// TestWorkersOfALimitedServer: sixteen workers end their work, though it takes an hour longer than one call is retried.
func TestWorkersOfALimitedServer(t *testing.T) {
	cc := nowhere(t)
	synctest.Test(t, func(t *testing.T) {
		const workers, each = 16, 20
		q, p, started := &quota{every: 20 * time.Second}, &pace{}, time.Now()
		query := chain(p, &retrier{}, cc, q.call)
		g, ctx := errgroup.WithContext(t.Context())
		for range workers {
			g.Go(func() error {
				for n := range each {
					if err := query(ctx); err != nil {
						return fmt.Errorf("call %d, after %v: %w", n, time.Since(started), err)
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil || q.good != workers*each {
			t.Errorf("%d calls of %d answered: %v", q.good, workers*each, err)
		}
		if most := 20 * workers * each; q.refused > most { // three times as many where all of them ask all the time
			t.Errorf("%d calls were refused, at most %d would do", q.refused, most)
		}
	})
}

// TestWaitingForATurnEndsWithItsContext, and the place is another's.
func TestWaitingForATurnEndsWithItsContext(t *testing.T) {
	cc := nowhere(t)
	synctest.Test(t, func(t *testing.T) {
		p := wanted(1)
		s := &server{takes: time.Minute}
		query := chain(p, &retrier{}, cc, s.call)
		var others errgroup.Group
		others.Go(func() error { return query(t.Context()) })
		synctest.Wait()
		p.most++ // as if a second was wanted before, so that the limit stays
		ctx, cancel := context.WithCancel(t.Context())
		started := time.Now()
		time.AfterFunc(10*time.Second, cancel)
		others.Go(func() error { return query(t.Context()) })
		if err := query(ctx); !errors.Is(err, context.Canceled) || time.Since(started) != 10*time.Second {
			t.Errorf("ended after %v: %v", time.Since(started), err)
		}
		if err := others.Wait(); err != nil || s.calls != 2 {
			t.Errorf("%d calls, want those of the others: %v", s.calls, err)
		}
	})
}
