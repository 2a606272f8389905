// Package milvus is the connection to a Milvus server: login and TLS, typed errors, retries of what can pass, what the
// server can do, and the collections on it. It alone speaks the protocol, through milvus-sdk-go's client, because the SDK
// builds results row by row and hides request fields that paging needs.
package milvus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// Config says how to reach a server. The zero value of everything but Address is a plain, unauthenticated connection
// to the default database.
type Config struct {
	Address  string // host:port, or all that ParseAddress reads
	Username string
	Password string
	Token    string // an API key, instead of Username and Password
	Database string
	TLS      bool
	CAFile   string // PEM of the authority that signed the server's certificate; the system's where empty
	CertFile string // PEM of a client certificate, for a server that asks for one, and its key in KeyFile
	KeyFile  string
	// RESTURL is where the server's REST API is, as http://host:port, where it is not at Address.
	RESTURL string
	// ManagementURL is where it is managed, as http://host:port: the port of its metrics. Its garbage collection is not paused where empty.
	ManagementURL string
	// Bucket: its own storage is known to be a bucket, and no local folder.
	Bucket bool
	// RetryFor bounds how long one call is tried again while the server is away; 2 minutes where zero. It begins anew with
	// each answer that the server limits the rate, up to half an hour in all.
	RetryFor time.Duration
}

// LogValue keeps the secrets out of logs.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(slog.String("address", HostPort(c.Address)), slog.String("database", c.Database),
		slog.Bool("tls", c.TLS), slog.Bool("login", c.Username != "" || c.Token != ""))
}

// String, and GoString for %#v, keep them out of all else that is printed.
func (c Config) String() string { return c.LogValue().String() }

// GoString is what %#v shows.
func (c Config) GoString() string { return c.String() }

// Server is a connection to one Milvus server, to one database of it, safe for use by several goroutines.
type Server struct {
	Address string

	*connection
	jobs     *ImportJobs
	database string
}

// connection is what all databases of a server share.
type connection struct {
	identity
	svc   milvuspb.MilvusServiceClient
	sdk   *client.GrpcClient
	pace  *pace
	retry *retrier
	// bucket: its storage is known to be one.
	bucket  bool
	garbage *GarbageCollection // nil where nobody says where it is managed
}

// Answers of megabytes come without waiting for leave to send more, and in few reads.
const (
	window     = 64 << 20
	readBuffer = 256 << 10
)

// loginTimeout bounds the first contact, so that a wrong address is an error and not a wait.
const loginTimeout = 10 * time.Second

// Connect logs in and asks the server what it is. An unreachable server, a refused login and an unknown database are
// told apart: ErrUnreachable, ErrLogin, ErrNotFound.
func Connect(ctx context.Context, cfg Config) (*Server, error) {
	cfg, err := cfg.Resolve()
	if err != nil {
		return nil, fmt.Errorf("connecting to milvus: %w", err)
	}
	security, err := cfg.tlsConfig()
	if err != nil {
		return nil, err
	}
	p, r := &pace{changes: logLimiter{burst: 5}}, &retrier{total: cfg.RetryFor}
	s := &Server{Address: cfg.Address, connection: &connection{pace: p, retry: r, bucket: cfg.Bucket, garbage: newGarbageCollection(cfg, security)}, database: cfg.Database, jobs: newImportJobs(cfg, security)}
	creds := insecure.NewCredentials()
	if cfg.TLS {
		creds = credentials.NewTLS(security)
	}
	c, err := client.NewClient(ctx, client.Config{
		Address:        cfg.Address,
		Username:       cfg.Username,
		Password:       cfg.Password,
		APIKey:         cfg.Token,
		DBName:         cfg.Database,
		DisableConn:    true, // asked below, with this package's own retries and errors
		RetryRateLimit: &client.RetryRateLimitOption{},
		DialOptions: []grpc.DialOption{
			grpc.WithTransportCredentials(creds),
			grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 20 * time.Second}),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)),
			grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window), grpc.WithReadBufferSize(readBuffer),
			grpc.WithStatsHandler(&s.connections),
			grpc.WithChainUnaryInterceptor(s.recognize, p.hold, r.intercept, p.watch, checkStatus, uncancelled),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("connecting to milvus at %s: %w", cfg.Address, err)
	}
	s.sdk = c.(*client.GrpcClient)
	s.svc = s.sdk.Service
	if err := s.hello(ctx); err != nil {
		if cfg.TLS && errors.Is(err, ErrUnreachable) {
			err = cmp.Or(alert(ctx, cfg.Address, security), err)
		}
		return nil, errors.Join(fmt.Errorf("connecting to milvus at %s: %w", cfg.Address, err), s.sdk.Close())
	}
	return s, nil
}

// In is another database of the same server, over the same connection, so that Close of one closes both, and one pace holds for both.
// "" is the default one. Nobody looks whether it is there.
func (s *Server) In(database string) *Server {
	there, jobs := *s, *s.jobs
	there.database, jobs.database = database, database
	there.jobs = &jobs
	return &there
}

// Close ends the connection.
func (s *Server) Close() error {
	s.jobs.client.CloseIdleConnections()
	return s.sdk.Close()
}

// Pace is how many data calls (queries, inserts, upserts, deletes) may be under way at once, and how many were ever
// wanted. It is less while the server limits the rate or has become slow; further calls wait then.
func (s *Server) Pace() (limit, wanted int) { return s.pace.state() }

// Rest is how long each call that may be repeated waits before it begins: where the server is slow with one call at a time.
func (s *Server) Rest() time.Duration { return s.pace.resting() }

// Database is the database that was connected to; "" is the default one.
func (s *Server) Database() string { return s.database }

// LoggedIn reports whether calls bear a login: without one a server either lets everybody do everything, or nobody anything.
func (s *Server) LoggedIn() bool { return s.jobs.login != "" }

// ImportJobs is the server's REST API for bulk insert, where Capabilities.RESTImport says that it has one.
func (s *Server) ImportJobs() *ImportJobs { return s.jobs }

// WatchRetries has watch told of each call that is made again, by its method and by what went wrong. Calls come from several
// goroutines. It is to be said before the server is put to use.
func (s *Server) WatchRetries(watch func(method string, err error)) {
	s.retry.watch, s.jobs.retry.watch = watch, watch
}

func (s *Server) hello(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	if err := s.ask(ctx, s.svc); err != nil {
		return err
	}
	can := s.Capabilities()
	s.jobs.idempotent, s.jobs.twoPhases = can.IdempotentImport, can.ImportCommit
	if s.database != "" && s.database != DefaultDatabase && !can.Databases {
		return fmt.Errorf("database %q: %w; this server takes all names for the one that it has", s.database, ErrNotFound)
	}
	// Connect answers before the login is checked; this does not.
	_, err := s.svc.ShowCollections(ctx, &milvuspb.ShowCollectionsRequest{DbName: s.database}, once{})
	return err
}

// DefaultDatabase is what servers call the database of those who name none.
const DefaultDatabase = "default"

// Now returns the server's present timestamp: as a read's guarantee timestamp it makes the read see every write that
// was acknowledged before this call. It is 0 where the server has no clock, whose reads see them in any case.
func (s *Server) Now(ctx context.Context) (uint64, error) {
	if !s.Capabilities().Clock {
		return 0, nil
	}
	resp, err := s.svc.AllocTimestamp(ctx, &milvuspb.AllocTimestampRequest{})
	if err != nil {
		return 0, fmt.Errorf("asking for the server's timestamp: %w", err)
	}
	return resp.GetTimestamp(), nil
}

// Time is the wall clock of a timestamp: its upper 46 bits are milliseconds since 1970 (Milvus' hybrid timestamps).
func Time(ts uint64) time.Time { return time.UnixMilli(int64(ts >> 18)) }
