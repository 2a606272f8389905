// Package double is a test's stand-in for a Milvus of 2.4 or later, in front of a real one of 2.3. On one port it
// passes gRPC through, but for the version that it gives, and serves the import jobs of REST v2 as those versions do.
// Their files are really imported, by tasks of the 2.3 behind it or as it is told, so that rows arrive and can be verified. From 2.5 on it
// answers queries as recordings of a real 2.5.10 show: with the iterator flag in the order of the keys, and not to the end;
// without it in no order. As a 2.3 it passes all through, and can but be watched.
//
//	server := double.Start(t, double.Config{Version: "v2.4.15", Upstream: lab.Proxy1})
//	server.Queue(double.Create, double.LoseAnswer())
//
// A queued fault strikes once. One that never struck fails the test, since it tested nothing.
package double

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"migrate/internal/columns"
)

// Config says what the double is. The zero value of everything but Version, Upstream and Rows is useful.
type Config struct {
	Version    string
	Upstream   string        // host:port of the real server
	Success    int           // code of an answer without error: 200 for 2.4.0, 0 for later versions
	Idempotent bool          // it remembers Idempotency-Key
	Late       time.Duration // so long after a job has ended its rows are not counted
	Commit     bool          // it knows auto_commit=false, commit and abort
	Pending    time.Duration // so long a job names no files
	Keep       time.Duration // so long an ended job is known; 3 hours where zero
	Poll       time.Duration // so often the real server is asked for its tasks; 100 ms where zero
	Login      string        // user:password or token that REST wants, where not empty
	Elsewhere  bool          // REST is at RESTURL, and not at Address
	Frozen     string        // collection that a query of a snapshot reads instead of the one that it names
	// Watch is called as each call of gRPC arrives, by its method, before it is passed on. Its context ends with its caller.
	Watch func(ctx context.Context, method string)
	// Rows counts those of a file, of a path in the cluster's bucket. A job with one that is not there fails.
	Rows func(ctx context.Context, file string) (rows int64, there bool, err error)
	// Import has a file imported into a collection of the real server, which then need not be of 2.3: it may be a Milvus Lite, whose clock is
	// the double's. Nil: by a task of that server.
	Import func(ctx context.Context, collection, partition, file string) (rows int64, err error)
}

// Server is a double that runs.
type Server struct {
	Address string // host:port of gRPC
	RESTURL string // of REST

	t        *testing.T
	cfg      Config
	upstream *grpc.ClientConn
	milvus   milvuspb.MilvusServiceClient
	servers  []*http.Server
	faults   queue
	running  sync.WaitGroup
	ctx      context.Context // of the jobs

	first   atomic.Uint64 // snapshot's timestamp
	deleted atomic.Int64  // calls to Delete that were passed on

	mu      sync.Mutex
	jobs    []*job
	keys    map[string]int64
	layouts map[string]*columns.Layout // by collection
}

// Start starts a double that stops when the test ends.
func Start(t *testing.T, cfg Config) *Server {
	t.Helper()
	cfg.Keep, cfg.Poll = cmp.Or(cfg.Keep, 3*time.Hour), cmp.Or(cfg.Poll, 100*time.Millisecond)
	upstream, err := grpc.NewClient(cfg.Upstream, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	s := &Server{t: t, cfg: cfg, upstream: upstream, milvus: milvuspb.NewMilvusServiceClient(upstream), ctx: ctx, keys: map[string]int64{}, layouts: map[string]*columns.Layout{}}
	passing := grpc.NewServer(grpc.ForceServerCodec(untouched{}), grpc.UnknownServiceHandler(s.pass), grpc.MaxRecvMsgSize(math.MaxInt32))
	rest := s.rest()
	both := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc"):
			passing.ServeHTTP(w, r)
		case cfg.Elsewhere:
			http.NotFound(w, r)
		default:
			rest.ServeHTTP(w, r)
		}
	})
	s.Address = s.serve(both)
	s.RESTURL = "http://" + s.Address
	if cfg.Elsewhere {
		s.RESTURL = "http://" + s.serve(rest)
	}
	t.Cleanup(func() {
		stop()
		for _, server := range s.servers {
			server.Close()
		}
		s.running.Wait()
		upstream.Close()
		for _, unused := range s.faults.unused() {
			t.Errorf("a fault of the double never struck: %s", unused)
		}
	})
	return s
}

func (s *Server) serve(handler http.Handler) (address string) {
	s.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	server := &http.Server{Handler: handler, Protocols: &http.Protocols{}}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	s.running.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.t.Errorf("the double ended: %v", err)
		}
	})
	s.servers = append(s.servers, server)
	return listener.Addr().String()
}

// Queue has coming calls, or jobs, meet the faults, one each, in this order.
func (s *Server) Queue(step Step, faults ...Fault) { s.faults.add(step, faults) }

// Jobs are the files of each job that was made, in the order of the calls.
func (s *Server) Jobs() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	made := make([][]string, len(s.jobs))
	for i, j := range s.jobs {
		made[i] = slices.Clone(j.files)
	}
	return made
}

// Forget waits for all jobs to end, and then knows none of them any more.
func (s *Server) Forget() {
	for _, j := range s.all() {
		<-j.ended
	}
	s.Vanish()
}

// Vanish has the double know none of its jobs any more. Those that a Stuck holds are never done.
func (s *Server) Vanish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.jobs {
		j.forgotten = true
	}
}

// Free lets the jobs go on that a Stuck holds.
func (s *Server) Free() {
	for _, j := range s.all() {
		j.free()
	}
}

func (s *Server) all() []*job {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.jobs)
}
