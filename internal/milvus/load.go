package milvus

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"

	"migrate/internal/clock"
)

const pollEvery = 200 * time.Millisecond

func (s *Server) loaded(ctx context.Context, name string) (bool, error) {
	state, err := s.loadState(ctx, name)
	return state == commonpb.LoadState_LoadStateLoaded, err
}

// loadState is that of a whole collection: one of which only some partitions are loaded counts as not loaded.
func (s *Server) loadState(ctx context.Context, name string) (commonpb.LoadState, error) {
	state, err := s.stateOf(ctx, name)
	if err != nil || state != commonpb.LoadState_LoadStateLoaded {
		return state, err
	}
	if whole, err := s.whollyLoaded(ctx, name); !whole {
		return commonpb.LoadState_LoadStateNotLoad, err
	}
	return commonpb.LoadState_LoadStateLoaded, nil
}

// whollyLoaded tells a loaded collection from one of which only some partitions are loaded: reads of that one would
// silently leave the others out.
func (s *Server) whollyLoaded(ctx context.Context, name string) (bool, error) {
	partitions, err := s.partitions(ctx, name)
	if err != nil {
		return false, err
	}
	for _, p := range partitions {
		if state, err := s.stateOf(ctx, name, p); err != nil || state != commonpb.LoadState_LoadStateLoaded {
			return false, err
		}
	}
	return true, nil
}

// stateOf is the load state that the server gives partitions; that of a collection is the best that one of them has.
func (s *Server) stateOf(ctx context.Context, name string, partitions ...string) (commonpb.LoadState, error) {
	req := &milvuspb.GetLoadStateRequest{DbName: s.database, CollectionName: name, PartitionNames: partitions}
	resp, err := s.svc.GetLoadState(ctx, req)
	if err != nil {
		return commonpb.LoadState_LoadStateNotLoad, fmt.Errorf("asking whether %q is loaded on %s: %w", strings.Join(append([]string{name}, partitions...), "/"), s.Address, err)
	}
	return resp.GetState(), nil
}

// Load loads a whole collection and waits until the server says that it is loaded. One that is loaded, or being loaded, is
// left as it is: 2.3 refuses to load it again if it has other replicas, or a new index, and later servers would change it.
// ErrLoad where the server gives it up.
func (s *Server) Load(ctx context.Context, name string) error {
	_, err := s.load(ctx, name)
	return err
}

// Refresh has a loaded collection take in what was bulk-inserted into it, which it does by itself some time later, and waits for
// that.
func (s *Server) Refresh(ctx context.Context, name string) error {
	req := &milvuspb.LoadCollectionRequest{DbName: s.database, CollectionName: name, Refresh: true}
	if _, err := s.svc.LoadCollection(ctx, req); err != nil {
		return fmt.Errorf("refreshing %q on %s: %w", name, s.Address, err)
	}
	return s.Load(ctx, name)
}

// LoadTemporarily loads a collection, and returns what releases it again. What others have loaded, or are loading, stays theirs.
// ErrPartly where only some partitions are loaded, which a release would take from those who did; ErrLoad as for Load.
func (s *Server) LoadTemporarily(ctx context.Context, name string) (release func(), err error) {
	some, err := s.stateOf(ctx, name)
	if err != nil {
		return nil, err
	}
	if whole, err := s.loaded(ctx, name); err != nil || !whole && some == commonpb.LoadState_LoadStateLoaded {
		return nil, cmp.Or(err, fmt.Errorf("loading %q on %s: %w", name, s.Address, ErrPartly))
	}
	asked, err := s.load(ctx, name)
	release = func() {
		if asked {
			s.releaseUncancelled(ctx, name)
		}
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// releaseUncancelled releases a collection also where the context has ended.
func (s *Server) releaseUncancelled(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := s.Release(ctx, name); err != nil {
		slog.WarnContext(ctx, "a collection that was loaded for the time being stays loaded", "collection", name, "error", err)
	}
}

const releaseTimeout = 10 * time.Second

// load reports whether the server had to be asked.
func (s *Server) load(ctx context.Context, name string) (asked bool, err error) {
	left := newHope()
	for {
		state, err := s.loadState(ctx, name)
		if err != nil || state == commonpb.LoadState_LoadStateLoaded {
			return asked, err
		}
		if state != commonpb.LoadState_LoadStateLoading && !asked {
			asked = true
			if err := s.askToLoad(ctx, name); err != nil {
				return asked, err
			}
		}
		if err := left.lost(s.loadProgress(ctx, name)); err != nil {
			return asked, fmt.Errorf("loading %q on %s: %w", name, s.Address, err)
		}
		if err := clock.Sleep(ctx, pollEvery); err != nil {
			return asked, fmt.Errorf("waiting for %q to be loaded on %s: %w", name, s.Address, err)
		}
	}
}

// askToLoad leaves to the server how many replicas there are to be: one, unless somebody has configured another number.
func (s *Server) askToLoad(ctx context.Context, name string) error {
	if _, err := s.svc.LoadCollection(ctx, &milvuspb.LoadCollectionRequest{DbName: s.database, CollectionName: name}); err != nil {
		return fmt.Errorf("loading %q on %s: %w", name, s.Address, err)
	}
	return nil
}

const (
	loadStall = 20 * time.Minute // without progress
	notLoaded = time.Minute      // a query coordinator that starts again may call it so for a while

	unknownPercent int64 = -1
)

// hope that a load comes to its end: it was at percent when it last moved.
type hope struct {
	percent int64
	moved   time.Time
}

func newHope() hope { return hope{unknownPercent, time.Now()} }

// lost is ErrLoad where a load has stood for too long at what loadProgress says.
func (h *hope) lost(percent int64, why error) error {
	if percent != h.percent {
		h.percent, h.moved = percent, time.Now()
	}
	switch stood := time.Since(h.moved); {
	case why != nil && stood > notLoaded:
		return fmt.Errorf("%w: %v", ErrLoad, why)
	case stood > loadStall:
		return fmt.Errorf("%w: at %d%% since %s", ErrLoad, percent, h.moved.Format(time.TimeOnly))
	}
	return nil
}

// loadProgress is how far the load of a collection is. Of one that is not being loaded the error says why, as the state that
// GetLoadState gives does not: to 2.3 anything that goes wrong is "not loaded".
func (s *Server) loadProgress(ctx context.Context, name string) (percent int64, err error) {
	resp, err := s.svc.GetLoadingProgress(ctx, &milvuspb.GetLoadingProgressRequest{DbName: s.database, CollectionName: name})
	if err != nil {
		return unknownPercent, err
	}
	return resp.GetProgress(), nil
}

// Release releases a loaded collection.
func (s *Server) Release(ctx context.Context, name string) error {
	if _, err := s.svc.ReleaseCollection(ctx, &milvuspb.ReleaseCollectionRequest{DbName: s.database, CollectionName: name}); err != nil {
		return fmt.Errorf("releasing %q on %s: %w", name, s.Address, err)
	}
	return nil
}
