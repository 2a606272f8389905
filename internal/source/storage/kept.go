package storage

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"migrate/internal/clock"
)

// Garbage is the garbage collection of a server. A pause holds until it is over, and no longer: what ends with a crash needs no end.
type Garbage interface {
	Pause(ctx context.Context, lease time.Duration) error
}

const (
	pauseLease = time.Minute
	renewEvery = pauseLease / 3
	// keptFor is how long a server keeps what a compaction has replaced, unless it is set otherwise (dataCoord.gc.dropTolerance).
	keptFor = 3 * time.Hour
	// slowest is a rate in bytes a second that an export stays above.
	slowest = 8 << 20
)

// keep has garbage collection pause until the source is closed, where it can be paused, and says so once the logs may be taken away.
func (s *Source) keep(ctx context.Context) {
	if s.release != nil {
		return
	}
	s.paused = s.pause(ctx, true)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var keeping errgroup.Group
	s.release = func() {
		cancel()
		_ = keeping.Wait() // it returns no error
	}
	paused := s.paused
	keeping.Go(func() error {
		began, every := time.Now(), cmp.Or(s.opts.RenewEvery, renewEvery)
		for clock.Sleep(ctx, every) == nil {
			paused = s.pause(ctx, paused)
			if !paused && time.Since(began) > s.keptFor() {
				s.tell(s.mayGo("it has taken longer than"))
				began = time.Now()
			}
		}
		return nil
	})
}

// pause pauses garbage collection, and tells why not where it was paused so far.
func (s *Source) pause(ctx context.Context, sofar bool) bool {
	if s.opts.Garbage == nil {
		return false
	}
	err := s.opts.Garbage.Pause(ctx, pauseLease)
	if err != nil && sofar && ctx.Err() == nil {
		s.tell(err.Error())
	}
	return err == nil
}

// mayGo is what is told of an export that is longer than what is replaced stays.
func (s *Source) mayGo(takes string) string {
	return fmt.Sprintf("reading %q from the storage: %s the %v for which the server keeps what a compaction replaces (dataCoord.gc.dropTolerance), "+
		"and its garbage collection is not paused: where a log is gone, the export begins anew; --source-management-url has it paused",
		s.coll.Name, takes, s.keptFor())
}

func (s *Source) keptFor() time.Duration { return cmp.Or(s.opts.KeptFor, keptFor) }

func (s *Source) tell(what string) {
	if s.opts.Told != nil {
		s.opts.Told(what)
	}
}
