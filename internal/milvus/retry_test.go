package milvus

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
)

var (
	errAway     = &callError{code: codes.Unavailable, msg: "away"}
	errUnloaded = &StatusError{Code: codeNotLoaded}
	errFinal    = &StatusError{Code: 1100, Reason: "cannot parse"}
)

// server is one that fails fails times with err, each time after takes.
type server struct {
	calls int
	fails int
	err   error
	takes time.Duration
}

func (s *server) call(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
	s.calls++
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		return &callError{code: codes.Canceled, err: ctx.Err()}
	}
	if s.calls <= s.fails {
		return s.err
	}
	return nil
}

const forever = 1 << 30

// nowhere is a connection that is never used, but for its name.
func nowhere(t *testing.T) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient("passthrough:///nowhere", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return cc
}

func TestRetrier(t *testing.T) {
	const service = "/milvus.proto.milvus.MilvusService/"
	cc := nowhere(t)
	for name, test := range map[string]struct {
		method string
		server server
		once   bool
		loaded bool
		calls  int
		want   error
	}{
		"answers at once":         {method: "Query", calls: 1},
		"comes back":              {method: "Query", server: server{fails: 4, err: errAway}, calls: 5},
		"overloaded for a while":  {method: "Query", server: server{fails: 1, err: &StatusError{Code: 8}}, calls: 2},
		"refuses":                 {method: "Query", server: server{fails: forever, err: errFinal}, calls: 1, want: errFinal},
		"an error of others":      {method: "Query", server: server{fails: forever, err: context.Canceled}, calls: 1, want: context.Canceled},
		"import is not repeated":  {method: "Import", server: server{fails: 1, err: errAway}, calls: 1, want: ErrUnreachable},
		"insert is not repeated":  {method: "Insert", server: server{fails: 1, err: errAway}, calls: 1, want: ErrUnreachable},
		"upsert is not repeated":  {method: "Upsert", server: server{fails: 1, err: errAway}, calls: 1, want: ErrUnreachable},
		"delete is not repeated":  {method: "Delete", server: server{fails: 1, err: errAway}, calls: 1, want: ErrUnreachable},
		"import's state may be":   {method: "GetImportState", server: server{fails: 1, err: errAway}, calls: 2},
		"not loaded":              {method: "Query", server: server{fails: 1, err: errUnloaded}, calls: 1, want: ErrNotLoaded},
		"not loaded again yet":    {method: "Query", server: server{fails: 3, err: errUnloaded}, loaded: true, calls: 4},
		"without retry":           {method: "Query", server: server{fails: 1, err: errAway}, once: true, calls: 1, want: ErrUnreachable},
		"an import without retry": {method: "Import", once: true, calls: 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			var opts []grpc.CallOption
			if test.once {
				opts = append(opts, once{})
			}
			if test.loaded {
				opts = append(opts, wasLoaded{})
			}
			s, told := test.server, 0
			r := &retrier{watch: func(method string, err error) {
				if told++; method != test.method || !errors.Is(err, test.server.err) {
					t.Errorf("%s: told of %s: %v", name, method, err)
				}
			}}
			err := r.intercept(t.Context(), service+test.method, nil, nil, cc, s.call, opts...)
			if !errors.Is(err, test.want) || s.calls != test.calls {
				t.Errorf("%s: %d calls, %v; want %d, %v", name, s.calls, err, test.calls, test.want)
			}
			if told != test.calls-1 {
				t.Errorf("%s: told of %d calls that were made again, want %d", name, told, test.calls-1)
			}
		})
	}
}

// A server that stays away is given up after a while, with its own error; pauses grow, up to five seconds.
func TestRetrierGivesUp(t *testing.T) {
	cc := nowhere(t)
	for _, test := range []struct{ total, most time.Duration }{
		{0, retryTotal}, {time.Second, time.Second}, {10 * time.Minute, 10 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, started := server{fails: forever, err: errAway}, time.Now()
			err := (&retrier{total: test.total}).intercept(t.Context(), queryMethod, nil, nil, cc, s.call)
			took := time.Since(started)
			if !errors.Is(err, ErrUnreachable) || took > test.most || took < test.most/4 {
				t.Errorf("given up after %v of %v: %v", took, test.most, err)
			}
			if least := int(took / (2 * retryMost)); s.calls < least {
				t.Errorf("%d calls in %v, want at least %d", s.calls, took, least)
			}
		})
	}
}

// A server that limits the rate is alive: its calls go on for half an hour, and the two minutes in which it may be away
// count from its last answer.
func TestRetrierOfALimitedServer(t *testing.T) {
	cc := nowhere(t)
	for name, test := range map[string]struct {
		limited, away time.Duration // one after the other; then it answers
		total         time.Duration
		want          error
		least, most   time.Duration
	}{
		"for a quarter of an hour":      {limited: 15 * time.Minute, least: 15 * time.Minute, most: 16 * time.Minute},
		"then away for a minute":        {limited: 15 * time.Minute, away: time.Minute, least: 16 * time.Minute, most: 17 * time.Minute},
		"then away":                     {limited: 15 * time.Minute, away: time.Hour, want: ErrUnreachable, least: 16 * time.Minute, most: 17 * time.Minute},
		"for ever":                      {limited: time.Hour, want: errLimited, least: 29 * time.Minute, most: retryRated},
		"for ever, and longer patience": {limited: 2 * time.Hour, total: time.Hour, want: errLimited, least: 59 * time.Minute, most: time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			started := time.Now()
			call := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
				switch since := time.Since(started); {
				case since < test.limited:
					return errLimited
				case since < test.limited+test.away:
					return errAway
				}
				return nil
			}
			err := (&retrier{total: test.total}).intercept(t.Context(), queryMethod, nil, nil, cc, call)
			if took := time.Since(started); !errors.Is(err, test.want) || took < test.least || took > test.most {
				t.Errorf("%s: %v after %v, want %v after %v to %v", name, err, took, test.want, test.least, test.most)
			}
		})
	}
}

// The end of the context ends a pause and a call.
func TestRetrierEndsWithItsContext(t *testing.T) {
	cc := nowhere(t)
	for name, s := range map[string]server{
		"pause": {fails: forever, err: errAway}, "call": {fails: forever, err: errAway, takes: time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			started := time.Now()
			time.AfterFunc(20*time.Second, cancel)
			err := (&retrier{}).intercept(ctx, queryMethod, nil, nil, cc, s.call)
			if took := time.Since(started); !errors.Is(err, context.Canceled) || took < 20*time.Second || took > 21*time.Second {
				t.Errorf("%s: ended after %v with %v, want 20s and context canceled", name, took, err)
			}
		})
	}
}
