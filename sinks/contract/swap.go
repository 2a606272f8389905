package contract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"migrate/internal/clock"
	"migrate/sinks"
)

// swapFolder is a folder whose sink can swap.
type swapFolder struct {
	folder
	swapper sinks.Swapper
}

func swapCheck(name string, run func(context.Context, swapFolder) error) Check {
	return check(name, func(ctx context.Context, f folder) error {
		swapper, ok := sinks.As[sinks.Swapper](f.sink)
		if !ok {
			return errors.New("the sink has no compare and swap")
		}
		return run(ctx, swapFolder{f, swapper})
	})
}

func (f swapFolder) swap(ctx context.Context, name string, old sinks.Version, data []byte) (sinks.Version, error) {
	return f.swapper.Swap(ctx, f.root+name, old, data)
}

func (f swapFolder) load(ctx context.Context, name string) ([]byte, sinks.Version, error) {
	return f.swapper.Load(ctx, f.root+name)
}

// loads tells whether the object has exactly these bytes in this version.
func (f swapFolder) loads(ctx context.Context, name string, version sinks.Version, want []byte) error {
	got, there, err := f.load(ctx, name)
	if err != nil {
		return err
	}
	if there != version || there == "" {
		return fmt.Errorf("%q loads as version %q, not %q", name, there, version)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%q loads with other bytes than were swapped in", name)
	}
	return f.holds(ctx, name, want)
}

// loadsNothing tells whether no method shows the object.
func (f swapFolder) loadsNothing(ctx context.Context, name string) error {
	if _, version, err := f.load(ctx, name); !errors.Is(err, sinks.ErrNotExist) || version != "" {
		return fmt.Errorf("load of the absent %q: version %q, %w", name, version, unexpected(err))
	}
	return f.lacks(ctx, name)
}

// isRefused tells whether a swap of a version that is not there returns ErrChanged.
func (f swapFolder) isRefused(ctx context.Context, name string, old sinks.Version) error {
	version, err := f.swap(ctx, name, old, []byte("not to be stored"))
	if !errors.Is(err, sinks.ErrChanged) || version != "" {
		return fmt.Errorf("swap of version %q of %q, which is not there: version %q, %w", old, name, version, unexpected(err))
	}
	return nil
}

func swapThenLoad(ctx context.Context, f swapFolder) error {
	var version sinks.Version
	for seed, size := range []int{0, 1, small, large, 2} {
		data := randomBytes(uint64(seed), size)
		next, err := f.swap(ctx, "deep/object", version, data)
		if err != nil {
			return fmt.Errorf("swap of %d bytes: %w", size, err)
		}
		if next == version {
			return fmt.Errorf("%d other bytes have the same version %q", size, next)
		}
		if err := f.loads(ctx, "deep/object", next, data); err != nil {
			return fmt.Errorf("object of %d bytes: %w", size, err)
		}
		version = next
	}
	return nil
}

func swapCreates(ctx context.Context, f swapFolder) error {
	if err := f.loadsNothing(ctx, "deep/object"); err != nil {
		return err
	}
	data := randomBytes(1, 100)
	version, err := f.swap(ctx, "deep/object", "", data)
	if err != nil {
		return err
	}
	return errors.Join(f.isRefused(ctx, "deep/object", ""), f.loads(ctx, "deep/object", version, data))
}

// swapReplaces begins with an object that was put, and ends with one that was deleted.
func swapReplaces(ctx context.Context, f swapFolder) error {
	if err := f.put(ctx, "object", randomBytes(1, 100)); err != nil {
		return err
	}
	_, first, err := f.load(ctx, "object")
	if err != nil {
		return err
	}
	data := randomBytes(2, 100)
	second, err := f.swap(ctx, "object", first, data)
	if err != nil {
		return err
	}
	if err := errors.Join(f.isRefused(ctx, "object", first), f.loads(ctx, "object", second, data)); err != nil {
		return err
	}
	if err := f.sink.Delete(ctx, f.root+"object"); err != nil {
		return err
	}
	return errors.Join(f.isRefused(ctx, "object", second), f.loadsNothing(ctx, "object"))
}

func swapFails(ctx context.Context, f swapFolder) error {
	data := randomBytes(1, small)
	version, err := f.swap(ctx, "object", "", data)
	if err != nil {
		return err
	}
	return errors.Join(f.endsWithContext(ctx, version), f.refusesBadName(ctx), f.isRefused(ctx, "deep/new", version),
		f.loads(ctx, "object", version, data), f.loadsNothing(ctx, "deep/new"))
}

func (f swapFolder) endsWithContext(ctx context.Context, version sinks.Version) error {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	begun := time.Now()
	_, oldErr := f.swap(ended, "object", version, randomBytes(2, small))
	_, newErr := f.swap(ended, "deep/new", "", randomBytes(2, small))
	_, _, loadErr := f.load(ended, "object")
	for method, err := range map[string]error{"swap of a version": oldErr, "swap of nothing": newErr, "load": loadErr} {
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("%s after the context's end: %w", method, unexpected(err))
		}
	}
	return soon(begun)
}

func (f swapFolder) refusesBadName(ctx context.Context) error {
	_, swapErr := f.swap(ctx, "a//b", "", nil)
	_, _, loadErr := f.load(ctx, "a//b")
	if swapErr == nil || loadErr == nil || errors.Is(loadErr, sinks.ErrNotExist) {
		return fmt.Errorf(`swap and load don't refuse the name "a//b": %w, %w`, unexpected(swapErr), unexpected(loadErr))
	}
	return nil
}

// swapAgain swaps as one does whose first try was stored without an answer.
func swapAgain(ctx context.Context, f swapFolder) error {
	var version sinks.Version
	for seed := range uint64(2) {
		data := randomBytes(seed, 100)
		stored, err := f.swap(ctx, "object", version, data)
		if err != nil {
			return err
		}
		again, err := f.swap(ctx, "object", version, data)
		if err != nil {
			return fmt.Errorf("the same swap again: %w", err)
		}
		if err := f.loads(ctx, "object", again, data); err != nil {
			return fmt.Errorf("after the same swap again, which was version %q first: %w", stored, err)
		}
		version = again
	}
	return nil
}

// oneSwapWins has many swap one version at once, first that of no object.
func oneSwapWins(ctx context.Context, f swapFolder) error {
	const rounds = 5
	var version sinks.Version
	for round := range rounds {
		next, data, err := f.race(ctx, version)
		if err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
		if err := f.loads(ctx, "object", next, data); err != nil {
			return fmt.Errorf("after round %d: %w", round+1, err)
		}
		version = next
	}
	return nil
}

// race returns what the one winner of a race to swap old has stored.
func (f swapFolder) race(ctx context.Context, old sinks.Version) (version sinks.Version, data []byte, err error) {
	const swappers = 16
	versions, errs := make([]sinks.Version, swappers), make([]error, swappers)
	var group errgroup.Group
	for i := range swappers {
		group.Go(func() error {
			versions[i], errs[i] = f.swap(ctx, "object", old, fmt.Appendf(nil, "%d after %q", i, old))
			if errors.Is(errs[i], sinks.ErrChanged) {
				return nil
			}
			return errs[i]
		})
	}
	if err := group.Wait(); err != nil {
		return "", nil, err
	}
	winners := 0
	for i, err := range errs {
		if err == nil {
			winners++
			version, data = versions[i], fmt.Appendf(nil, "%d after %q", i, old)
		}
	}
	if winners != 1 {
		return "", nil, fmt.Errorf("%d of %d swaps of one version won", winners, swappers)
	}
	return version, data, nil
}

// oneOwner has workers own an object in turn: one creates it, and deletes it when it is done.
func oneOwner(ctx context.Context, f swapFolder) error {
	const workers, turns = 4, 10
	var owners atomic.Int32
	group, groupCtx := errgroup.WithContext(ctx)
	for worker := range workers {
		group.Go(func() error {
			for turn := range turns {
				if err := f.own(groupCtx, &owners, fmt.Appendf(nil, "worker %d turn %d", worker, turn)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return f.loadsNothing(ctx, "deep/owner")
}

func (f swapFolder) own(ctx context.Context, owners *atomic.Int32, mark []byte) error {
	const pause = 5 * time.Millisecond
	version, err := f.swap(ctx, "deep/owner", "", mark)
	for errors.Is(err, sinks.ErrChanged) {
		if err := clock.Sleep(ctx, pause); err != nil {
			return err
		}
		version, err = f.swap(ctx, "deep/owner", "", mark)
	}
	if err != nil {
		return err
	}
	if n := owners.Add(1); n != 1 {
		return fmt.Errorf("%d own one object at once", n)
	}
	if err := f.loads(ctx, "deep/owner", version, mark); err != nil {
		return err
	}
	owners.Add(-1)
	return f.sink.Delete(ctx, f.root+"deep/owner")
}
