package storage_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"migrate/internal/source"
	"migrate/internal/source/sourcetest"
	"migrate/internal/source/storage"
)

// garbage is the garbage collection of a server.
type garbage struct {
	called chan time.Duration // the last lease that nobody took yet
	away   error
}

func (g *garbage) Pause(_ context.Context, lease time.Duration) error {
	select {
	case g.called <- lease:
	default:
	}
	return g.away
}

// TestPaused has garbage collection paused from before the segments are listed until the source is closed, also one that could not be read.
func TestPaused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*fake)
		want  error
	}{
		"a whole export": {func(*fake) {}, nil},
		"one that fails": {func(f *fake) { f.segments[0].Rows++ }, storage.ErrContradiction},
	} {
		t.Run(name, func(t *testing.T) {
			f, g := newFake(sourcetest.Collection()), &garbage{called: make(chan time.Duration, 1)}
			f.insert(10, 1, 2)
			f.flush(nil)
			c.spoil(f)
			s, err := storage.Opener(f, &f.bucket, storage.Options{Garbage: g, RenewEvery: time.Microsecond})(t.Context(), f.coll, nil)
			if err != nil {
				t.Fatal(err)
			}
			paused := false
			f.flushing = func(int) { paused = paused || len(g.called) == 1 }
			if _, err := s.Plan(t.Context(), source.Size{}); !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if !paused {
				t.Error("not paused when it was flushed")
			}
			for range 3 { // it is renewed
				if lease := <-g.called; lease != time.Minute {
					t.Errorf("paused for %v", lease)
				}
			}
			if err := s.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
			for len(g.called) > 0 {
				<-g.called
			}
			select {
			case <-g.called:
				t.Error("paused after the source was closed")
			default:
			}
		})
	}
}

// TestNotPaused says so where garbage collection can't be paused, and that logs may go, once the export takes longer than they stay.
func TestNotPaused(t *testing.T) {
	for name, c := range map[string]struct {
		garbage storage.Garbage
		says    []string
	}{
		"nobody said where": {nil, []string{"it may take longer than", "it has taken longer than"}},
		"it is refused":     {&garbage{away: errors.New("HTTP 404")}, []string{"HTTP 404", "it may take longer than", "it has taken longer than"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(sourcetest.Collection())
			f.insert(10, 1, 2)
			told, planned := make(chan string), make(chan struct{})
			tell := func(what string) {
				select {
				case told <- what:
				case <-t.Context().Done():
				}
			}
			opts := storage.Options{Garbage: c.garbage, RenewEvery: time.Microsecond, KeptFor: time.Nanosecond, Told: tell}
			s, err := storage.Opener(f, &f.bucket, opts)(t.Context(), f.coll, nil)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				defer close(planned)
				if _, err := s.Plan(context.WithoutCancel(t.Context()), source.Size{}); err != nil {
					t.Error(err)
				}
			}()
			t.Cleanup(func() {
				<-planned
				_ = s.Close(context.Background()) // it never fails
			})
			for _, what := range c.says {
				for said := range told {
					if strings.Contains(said, what) {
						break
					}
				}
			}
		})
	}
}
