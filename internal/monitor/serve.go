package monitor

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// ErrToken: an address that others can reach wants a token.
var ErrToken = errors.New("a token is needed to listen on an address that others can reach")

// Serve answers requests at an address until its context ends. Where there is a token, each request has to bear it.
func (m *Monitor) Serve(ctx context.Context, address, token string) error {
	listener, err := Listen(ctx, address, token)
	if err != nil {
		return err
	}
	return m.ServeOn(ctx, listener, token)
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

// ServeOn is Serve on an address that is open.
func (m *Monitor) ServeOn(ctx context.Context, listener net.Listener, token string) error {
	server := &http.Server{Handler: guarded(token, m.handler()), ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving metrics: %w", err)
	}
	return nil
}

func (m *Monitor) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", m.ready)
	return mux
}

// ready answers whether the last cycle ended well; /healthz, whether the process is there.
func (m *Monitor) ready(w http.ResponseWriter, _ *http.Request) {
	last := m.report()
	switch {
	case last.Cycle == 0:
		http.Error(w, "no cycle has ended yet", http.StatusServiceUnavailable)
	case last.Err != nil:
		http.Error(w, "the last cycle ended with an error: "+last.Err.Error(), http.StatusServiceUnavailable)
	default:
		fmt.Fprintln(w, "ok")
	}
}

// guarded lets only those through who bear the token, where there is one.
func guarded(token string, next http.Handler) http.Handler {
	if token == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "a bearer token is needed", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
