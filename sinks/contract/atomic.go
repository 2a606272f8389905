package contract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"
)

// unseen looks from within a put, before and after it has filled a part.
func unseen(ctx context.Context, f folder) error {
	data := randomBytes(1, large)
	_, err := f.sink.Put(ctx, f.root+"deep/object", func(w io.Writer) error {
		if err := writeInPieces(w, data[:small]); err != nil {
			return err
		}
		if err := f.lacks(ctx, "deep/object"); err != nil {
			return err
		}
		if err := writeInPieces(w, data[small:]); err != nil {
			return err
		}
		return f.lacks(ctx, "deep/object")
	})
	if err != nil {
		return err
	}
	return f.holds(ctx, "deep/object", data)
}

var errWrite = errors.New("write's own error")

func atomicOnWriteError(ctx context.Context, f folder) error {
	return f.staysAsItWas(ctx, func(name string, size int) error {
		_, err := f.sink.Put(ctx, f.root+name, func(w io.Writer) error {
			return errors.Join(writeInPieces(w, randomBytes(9, size)), errWrite)
		})
		if !errors.Is(err, errWrite) {
			return fmt.Errorf("put returned another error than write did: %w", unexpected(err))
		}
		return nil
	})
}

func atomicOnCancel(ctx context.Context, f folder) error {
	return f.staysAsItWas(ctx, func(name string, size int) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var canceled time.Time
		_, err := f.sink.Put(ctx, f.root+name, func(w io.Writer) error {
			err := writeInPieces(w, randomBytes(9, size))
			cancel()
			canceled = time.Now()
			return err
		})
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("put returned another error than its context's: %w", unexpected(err))
		}
		return soon(canceled)
	})
}

// staysAsItWas tells whether a put that fails after any number of bytes leaves a new name absent and an old object as
// it was.
func (f folder) staysAsItWas(ctx context.Context, failingPut func(name string, size int) error) error {
	before := randomBytes(1, small)
	if err := f.put(ctx, "old", before); err != nil {
		return err
	}
	for _, size := range []int{0, 1, small, large} {
		if err := errors.Join(failingPut("old", size), failingPut("deep/new", size)); err != nil {
			return fmt.Errorf("after %d bytes: %w", size, err)
		}
		if err := errors.Join(f.holds(ctx, "old", before), f.lacks(ctx, "deep/new")); err != nil {
			return fmt.Errorf("after a put that failed at %d bytes: %w", size, err)
		}
	}
	return nil
}

// soon tells whether it is less than a second since.
func soon(since time.Time) error {
	if took := time.Since(since); took > time.Second {
		return fmt.Errorf("took %v after the context's end", took)
	}
	return nil
}

func ended(ctx context.Context, f folder) error {
	if err := f.put(ctx, "object", randomBytes(1, small)); err != nil {
		return err
	}
	ended, cancel := context.WithCancel(ctx)
	object, err := f.open(ended, "object")
	cancel()
	if err != nil {
		return err
	}
	_, readErr := object.ReadAt(make([]byte, 1), 0)
	_, openErr := f.open(ended, "object")
	closeErr := object.Close()
	begun := time.Now()
	for method, err := range map[string]error{
		"put": f.put(ended, "object", nil), "delete": f.sink.Delete(ended, f.root+"object"), "open": openErr,
		"list": f.lists(ended), "read": readErr,
	} {
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("%s after the context's end: %w", method, unexpected(err))
		}
	}
	return errors.Join(closeErr, soon(begun), f.holds(ctx, "object", randomBytes(1, small)))
}

func (f folder) lists(ctx context.Context) error {
	_, err := f.names(ctx, "")
	return err
}

func concurrentPuts(ctx context.Context, f folder) error {
	const objects, atOnce = 64, 8
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := range objects {
		group.Go(func() error {
			return f.put(groupCtx, fmt.Sprintf("folder-%d/%d", i%4, i), randomBytes(uint64(i), small))
		})
		group.Go(func() error { return f.put(groupCtx, "contended", randomBytes(100, small)) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i := range objects {
		if err := f.holds(ctx, fmt.Sprintf("folder-%d/%d", i%4, i), randomBytes(uint64(i), small)); err != nil {
			return err
		}
	}
	return f.holds(ctx, "contended", randomBytes(100, small))
}

// deletesBesidePuts has a folder come and go, as one worker removes its last object while another puts the next.
func deletesBesidePuts(ctx context.Context, f folder) error {
	const workers, rounds = 4, 25
	group, groupCtx := errgroup.WithContext(ctx)
	for worker := range workers {
		group.Go(func() error {
			name := fmt.Sprintf("a/b/%d", worker)
			for round := range rounds {
				data := randomBytes(uint64(round), 10)
				if err := f.put(groupCtx, name, data); err != nil {
					return err
				}
				if err := f.holds(groupCtx, name, data); err != nil {
					return err
				}
				if err := f.sink.Delete(groupCtx, f.root+name); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return f.lacks(ctx, "a/b/0")
}
