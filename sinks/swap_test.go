package sinks_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"migrate/sinks"
)

const (
	counter = "job/counter"
	turns   = 100 // of one process
)

// count adds one to the counter. What it stores is told from what any other stores by a random word.
func count(ctx context.Context, sink sinks.Sink) error {
	swapper, ok := sinks.As[sinks.Swapper](sink)
	if !ok {
		return errors.New("not a swapper")
	}
	for {
		text, version, err := swapper.Load(ctx, counter)
		if err != nil && !errors.Is(err, sinks.ErrNotExist) {
			return err
		}
		n, err := countIn(text)
		if err != nil {
			return err
		}
		_, err = swapper.Swap(ctx, counter, version, fmt.Appendf(nil, "%d %s", n+1, rand.Text()))
		if !errors.Is(err, sinks.ErrChanged) {
			return err
		}
	}
}

func countIn(text []byte) (int, error) {
	if len(text) == 0 {
		return 0, nil
	}
	number, _, _ := strings.Cut(string(text), " ")
	return strconv.Atoi(number)
}

func countTurns(ctx context.Context, url string) error {
	sink, err := sinks.Open(ctx, url, labKeys())
	if err != nil {
		return err
	}
	for range turns {
		if err := count(ctx, sink); err != nil {
			return err
		}
	}
	return nil
}

// countForEver says when it has begun.
func countForEver(ctx context.Context, url string) error {
	sink, err := sinks.Open(ctx, url, labKeys())
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if err := count(ctx, sink); err != nil {
			return err
		}
		if n == 10 {
			fmt.Println("counting")
		}
	}
}

// kind is a kind of sink that tests run with.
type kind struct {
	open func(t *testing.T) (sink sinks.Sink, root string)    // root of a Local, else ""
	left func(t *testing.T, sink sinks.Sink, root string) int // of puts of job/object that were killed
}

// kinds are those that there are: Local, and on the lab S3 too.
var kinds = map[string]kind{"local": {
	open: func(t *testing.T) (sinks.Sink, string) {
		root := t.TempDir()
		return openLocal(t, root), root
	},
	left: func(t *testing.T, _ sinks.Sink, root string) int { return len(files(t, root)) - 2 },
}}

// each runs a test with each kind.
func each(t *testing.T, run func(t *testing.T, sink sinks.Sink, root string)) {
	t.Helper()
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			sink, root := kind.open(t)
			run(t, sink, root)
		})
	}
}

func TestTwoProcessesLoseNoCount(t *testing.T) {
	each(t, func(t *testing.T, sink sinks.Sink, _ string) {
		var processes errgroup.Group
		for range 2 {
			child := work{counting, sink.URL("")}.command(t)
			processes.Go(func() error {
				if says, err := child.CombinedOutput(); err != nil {
					return fmt.Errorf("%w: %s", err, says)
				}
				return nil
			})
		}
		if err := processes.Wait(); err != nil {
			t.Fatal(err)
		}
		if n, err := countIn(read(t, sink, counter)); err != nil || n != 2*turns {
			t.Errorf("counted %d, %v; want %d", n, err, 2*turns)
		}
	})
}

// Whenever a process is killed, the next goes on from a whole object, and what was left goes with the object.
func TestKilledSwaps(t *testing.T) {
	each(t, func(t *testing.T, sink sinks.Sink, root string) {
		for range 5 {
			before, err := countIn(readIfThere(t, sink))
			if err != nil {
				t.Fatal(err)
			}
			work{swapping, sink.URL("")}.kill(t, "counting\n")
			if err := count(t.Context(), sink); err != nil {
				t.Fatal(err)
			}
			if n, err := countIn(read(t, sink, counter)); err != nil || n < before+12 {
				t.Errorf("counted %d, %v, after %d and 12 more", n, err, before)
			}
		}
		if got := names(t, sink, ""); !slices.Equal(got, []string{counter}) {
			t.Errorf("listed %q", got)
		}
		if err := sink.Delete(t.Context(), counter); err != nil {
			t.Error(err)
		}
		if got := names(t, sink, ""); len(got) > 0 {
			t.Errorf("listed %q after the delete", got)
		}
		if root != "" && len(files(t, root)) > 0 {
			t.Errorf("root still holds %q", files(t, root))
		}
	})
}

func readIfThere(t *testing.T, sink sinks.Sink) []byte {
	t.Helper()
	if len(names(t, sink, counter)) == 0 {
		return nil
	}
	return read(t, sink, counter)
}
