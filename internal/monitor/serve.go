package monitor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// ErrToken: an address that others can reach wants a token.
var ErrToken = errors.New("a token is needed to listen on an address that others can reach")

// Options of serving.
type Options struct {
	Token string // that each request has to bear; none is needed where empty
	Pprof bool   // serve profiles of the process
}

// Listen opens an address. ErrToken where others can reach it and there is no token.
func Listen(ctx context.Context, address, token string) (net.Listener, error) {
	if token == "" && !loopback(address) {
		return nil, fmt.Errorf("listening on %s: %w", address, ErrToken)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for metrics: %w", err)
	}
	return listener, nil
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback())
}

// Serve answers requests until its context ends.
func (m *Monitor) Serve(ctx context.Context, listener net.Listener, opts Options) error {
	server := &http.Server{Handler: m.Handler(opts), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving metrics: %w", err)
	}
	return nil
}

// Handler answers the requests of those who may ask.
func (m *Monitor) Handler(opts Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", m.servePage(opts))
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", m.ready)
	if opts.Pprof {
		serveProfiles(mux)
	}
	if opts.Token == "" {
		return called(loopbackNames, mux)
	}
	return guarded(opts.Token, mux)
}

// serveProfiles leaves out the command line, in which a secret may stand. The package also puts its handlers into
// http.DefaultServeMux, which nothing here serves.
func serveProfiles(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}

// ready answers whether the last cycle ended well; /healthz, whether the process is there.
func (m *Monitor) ready(w http.ResponseWriter, _ *http.Request) {
	switch last, doing := m.present(); {
	case doing != "":
		http.Error(w, "no cycle has ended yet; "+doing, http.StatusServiceUnavailable)
	case last.Cycle == 0:
		http.Error(w, "no cycle has ended yet", http.StatusServiceUnavailable)
	case last.Err != nil:
		http.Error(w, "the last cycle ended with an error: "+last.Err.Error(), http.StatusServiceUnavailable)
	default:
		fmt.Fprintln(w, "ok")
	}
}
