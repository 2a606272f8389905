package milvus

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// ErrNotPaused: the garbage collection of a server was not paused.
var ErrNotPaused = errors.New("its garbage collection is not paused")

// GarbageCollection removes from the storage of a server what nothing needs any more, such as the logs that a compaction has replaced. It is
// paused where the server is managed, at the port of its metrics (PauseDatacoordGC of internal/proxy/management.go in milvus-io/milvus). Servers up to 2.3.5 know
// no such call (seen: HTTP 404), and later ones ask for no login.
type GarbageCollection struct {
	pause  string // URL
	client *http.Client
}

func newGarbageCollection(cfg Config, security *tls.Config) *GarbageCollection {
	if cfg.ManagementURL == "" {
		return nil
	}
	return &GarbageCollection{pause: cfg.ManagementURL + "/management/datacoord/garbage_collection/pause", client: newHTTPClient(security)}
}

// Garbage is the garbage collection of the server; nil where nobody says where it is managed.
func (s *Server) Garbage() *GarbageCollection { return s.garbage }

// Pause keeps it from its work for a while, in whole seconds. Of several pauses that which ends last holds, whoever called for it; up to 2.5 the
// call that ends one ends those of all others too, so there is none here. ErrNotPaused.
func (g *GarbageCollection) Pause(ctx context.Context, lease time.Duration) error {
	url := fmt.Sprintf("%s?pause_seconds=%d", g.pause, int64(lease.Seconds()))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("calling %s: %w: %w", g.pause, ErrNotPaused, err)
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotPaused, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w: %w", g.pause, ErrNotPaused, err)
	}
	var answer struct{ Msg string }
	if resp.StatusCode != http.StatusOK || json.Unmarshal(text, &answer) != nil || answer.Msg != "OK" {
		return fmt.Errorf("calling %s: %w: HTTP %d, %s", g.pause, ErrNotPaused, resp.StatusCode, beginning(text))
	}
	return nil
}
