package faults_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"migrate/sinks"
	"migrate/sinks/faults"
)

var errFault = errors.New("the test's error")

func wrapped(t *testing.T) *faults.Faults {
	t.Helper()
	sink, err := sinks.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return faults.Watch(t, sink)
}

// put writes abc, def and ghi.
func put(ctx context.Context, sink sinks.Sink, name string) (sinks.Info, error) {
	return sink.Put(ctx, name, func(w io.Writer) error {
		for _, piece := range []string{"abc", "def", "ghi"} {
			if n, err := io.WriteString(w, piece); err != nil || n != len(piece) {
				return fmt.Errorf("wrote %d bytes: %w", n, err)
			}
		}
		return nil
	})
}

// read is what is stored, or "" where nothing is.
func read(t *testing.T, sink sinks.Sink, name string) string {
	t.Helper()
	object, err := sink.Open(t.Context(), name)
	if errors.Is(err, sinks.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(object)
	if err := errors.Join(err, object.Close()); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestPutFaults(t *testing.T) {
	for _, test := range []struct {
		name   string
		fault  faults.Fault
		err    error
		stored string
	}{
		{"error", faults.Error(errFault), errFault, ""},
		{"error at once", faults.ErrorAfter(0, errFault), errFault, ""},
		{"error between writes", faults.ErrorAfter(3, errFault), errFault, ""},
		{"error within a write", faults.ErrorAfter(8, errFault), errFault, ""},
		{"truncated to nothing", faults.Truncate(0), nil, ""},
		{"truncated within a write", faults.Truncate(4), nil, "abcd"},
		{"flipped bit", faults.FlipBit(3), nil, "abceefghi"},
		{"flipped last bit", faults.FlipBit(8), nil, "abcdefghh"},
		{"answer lost", faults.LoseAnswer(errFault), errFault, "abcdefghi"},
		{"delay", faults.Delay(time.Microsecond), nil, "abcdefghi"},
		{"call", faults.Call(func(context.Context) error { return nil }), nil, "abcdefghi"},
	} {
		t.Run(test.name, func(t *testing.T) {
			sink := wrapped(t)
			sink.Queue(faults.Put, test.fault)
			info, err := put(t.Context(), sink, "object")
			if !errors.Is(err, test.err) || (err == nil && info.Size != 9) {
				t.Errorf("put %+v, %v; want 9 bytes or %v", info, err, test.err)
			}
			if got := read(t, sink.Unwrap(), "object"); got != test.stored {
				t.Errorf("stored %q, want %q", got, test.stored)
			}
			if _, err := put(t.Context(), sink, "object"); err != nil || read(t, sink, "object") != "abcdefghi" {
				t.Errorf("the put after it: %v", err)
			}
		})
	}
}

func TestFaultsOfEveryMethod(t *testing.T) {
	sink := wrapped(t)
	calls := map[faults.Method]func() error{
		faults.Put:    func() error { _, err := put(t.Context(), sink, "object"); return err },
		faults.Open:   func() error { _, err := sink.Open(t.Context(), "object"); return err },
		faults.Delete: func() error { return sink.Delete(t.Context(), "object") },
		faults.List: func() error {
			for _, err := range sink.List(t.Context(), "object") {
				return err
			}
			return nil
		},
	}
	for method, call := range calls {
		sink.Queue(method, faults.Error(errFault))
		if err := call(); !errors.Is(err, errFault) {
			t.Errorf("%s: %v, want %v", method, err, errFault)
		}
		if err := call(); errors.Is(err, errFault) {
			t.Errorf("%s: the fault struck twice", method)
		}
	}
}

func TestCopyFaults(t *testing.T) {
	if copied, err := wrapped(t).CopyFrom(t.Context(), "to", nil, "from"); copied || err != nil {
		t.Errorf("a sink that cannot copy: %t, %v", copied, err)
	}
	copier := &copier{}
	sink := faults.Watch(t, copier)
	sink.Queue(faults.Copy, faults.Error(errFault), faults.LoseAnswer(errFault))
	for want := range 3 {
		_, err := sink.CopyFrom(t.Context(), "to", nil, "from")
		if copier.copies != want || errors.Is(err, errFault) != (want < 2) {
			t.Errorf("copy %d: %d were made, error %v", want+1, copier.copies, err)
		}
	}
}

func TestSwapFaults(t *testing.T) {
	for _, test := range []struct {
		name   string
		method faults.Method
		fault  faults.Fault
		err    error
		stored string
	}{
		{"error", faults.Swap, faults.Error(errFault), errFault, ""},
		{"answer lost", faults.Swap, faults.LoseAnswer(errFault), errFault, "data"},
		{"delay", faults.Swap, faults.Delay(time.Microsecond), nil, "data"},
		{"load error", faults.Load, faults.Error(errFault), errFault, "data"},
		{"loaded answer lost", faults.Load, faults.LoseAnswer(errFault), errFault, "data"},
	} {
		t.Run(test.name, func(t *testing.T) {
			sink := wrapped(t)
			sink.Queue(test.method, test.fault.On("obj"))
			swapper, ok := sinks.As[sinks.Swapper](sink)
			if !ok {
				t.Fatal("is no swapper")
			}
			_, err := swapper.Swap(t.Context(), "object", "", []byte("data"))
			if err == nil {
				_, _, err = swapper.Load(t.Context(), "object")
			}
			if !errors.Is(err, test.err) {
				t.Errorf("error %v, want %v", err, test.err)
			}
			if got := read(t, sink.Unwrap(), "object"); got != test.stored {
				t.Errorf("stored %q, want %q", got, test.stored)
			}
			if _, err := swapper.Swap(t.Context(), "object", "", []byte("data")); err != nil {
				t.Errorf("the same swap again: %v", err)
			}
		})
	}
}

func TestASinkThatCannotSwap(t *testing.T) {
	sink := faults.Wrap(struct{ sinks.Sink }{wrapped(t)})
	_, swapErr := sink.Swap(t.Context(), "object", "", nil)
	_, _, loadErr := sink.Load(t.Context(), "object")
	for _, err := range []error{swapErr, loadErr} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("error %v", err)
		}
	}
}

// copier counts its copies, and does nothing else.
type copier struct {
	sinks.Sink
	copies int
}

func (c *copier) CopyFrom(context.Context, string, sinks.Sink, string) (bool, error) {
	c.copies++
	return true, nil
}

func TestDelayEndsWithItsContext(t *testing.T) {
	sink := wrapped(t)
	sink.Queue(faults.Open, faults.Delay(time.Hour))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sink.Open(ctx, "object"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestFaultsWaitForTheirObject(t *testing.T) {
	sink := wrapped(t)
	sink.Queue(faults.Put, faults.Error(errFault).On("part-00002"), faults.Error(io.ErrUnexpectedEOF))
	for name, want := range map[string]error{"job/part-00002.parquet": errFault, "job/part-00001.parquet": io.ErrUnexpectedEOF} {
		if _, err := put(t.Context(), sink, name); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

func TestEachFaultStrikesOneOfManyCalls(t *testing.T) {
	const queued, calls = 20, 100
	sink := wrapped(t)
	for range queued {
		sink.Queue(faults.Open, faults.Error(errFault))
	}
	struck := make(chan bool, calls)
	var group errgroup.Group
	for range calls {
		group.Go(func() error {
			_, err := sink.Open(t.Context(), "object")
			struck <- errors.Is(err, errFault)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	close(struck)
	n := 0
	for s := range struck {
		if s {
			n++
		}
	}
	if n != queued {
		t.Errorf("%d faults struck, want %d", n, queued)
	}
}

// A test whose fault never struck has tested nothing, and fails.
func TestUnusedFaultsAreReported(t *testing.T) {
	sink, err := sinks.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	test := &recorder{}
	watched := faults.Watch(test, sink)
	watched.Queue(faults.Put, faults.ErrorAfter(9, errFault), faults.Error(errFault).On("other"))
	watched.Queue(faults.Open, faults.Truncate(1))
	if _, err := put(t.Context(), watched, "object"); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`put: error "the test's error" after 9 bytes, whose call came but never got there`,
		`put: error "the test's error" on "other"`,
		`open: truncation to 1 bytes`,
	}
	if got := watched.Unused(); !slices.Equal(got, want) {
		t.Errorf("unused %q, want %q", got, want)
	}
	test.cleanup()
	if !strings.Contains(test.failure, want[0]) {
		t.Errorf("the test failed with %q", test.failure)
	}
}

// recorder is a test that notes its failure.
type recorder struct {
	cleanup func()
	failure string
}

func (r *recorder) Helper()                           {}
func (r *recorder) Cleanup(f func())                  { r.cleanup = f }
func (r *recorder) Errorf(format string, args ...any) { r.failure = fmt.Sprintf(format, args...) }
