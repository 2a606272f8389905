package sinks_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"migrate/sinks"
)

// of job/document
const (
	lockFile = "job/.document.lock.partial"
	swapFile = "job/.document.swap.partial"
)

func swap(t *testing.T, sink sinks.Swapper, name string, old sinks.Version, data string) sinks.Version {
	t.Helper()
	version, err := sink.Swap(t.Context(), name, old, []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return version
}

// holdLock locks the lock file as another process does, and returns what gives it up.
func holdLock(t *testing.T, path string) (giveUp func()) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}
}

// An earlier version left a lock file beside each object, and a Swap that is killed leaves one still, with its partial file: they are
// not listed, and go with the next Swap.
func TestASwapLeavesNothingBesideItsObject(t *testing.T) {
	root := t.TempDir()
	sink := openLocal(t, root)
	holdLock(t, filepath.Join(root, lockFile))()
	if err := os.WriteFile(filepath.Join(root, swapFile), []byte("hal"), 0o666); err != nil {
		t.Fatal(err)
	}
	if got := names(t, sink, ""); len(got) > 0 {
		t.Errorf("listed %q", got)
	}
	version := swap(t, sink, "job/document", "", "one")
	if got, want := files(t, root), []string{"job", "job/document"}; !slices.Equal(got, want) {
		t.Errorf("root holds %q, want %q", got, want)
	}
	if got := names(t, sink, ""); !slices.Equal(got, []string{"job/document"}) {
		t.Errorf("listed %q", got)
	}
	for _, name := range []string{lockFile, swapFile} {
		if sinks.CheckName(name) == nil {
			t.Errorf("an object may be called %q", name)
		}
	}
	if err := sink.Sweep(t.Context(), "job/document"); err != nil {
		t.Error(err)
	}
	swap(t, sink, "job/document", version, "two")
	if err := sink.Delete(t.Context(), "job/document"); err != nil {
		t.Error(err)
	}
	if got := files(t, root); len(got) > 0 {
		t.Errorf("root still holds %q", got)
	}
}

// Each of these leaves nothing in a folder that was not there.
func TestASwapThatStoresNothingLeavesNothing(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	sink := openLocal(t, root)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name string
		call func() error
		want error // nil: any
	}{
		{"changed", func() error { _, err := sink.Swap(t.Context(), "job/document", "x", nil); return err }, sinks.ErrChanged},
		{"ended", func() error { _, err := sink.Swap(ended, "job/document", "", nil); return err }, context.Canceled},
		{"too long", func() error {
			_, err := sink.Swap(t.Context(), "job/"+strings.Repeat("n", 256), "", nil)
			return err
		}, nil},
		{"load", func() error { _, _, err := sink.Load(t.Context(), "job/document"); return err }, sinks.ErrNotExist},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.call(); err == nil || (test.want != nil && !errors.Is(err, test.want)) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if got := left(t, root); len(got) > 0 {
				t.Errorf("root holds %q", got)
			}
		})
	}
}

// left lists what is under root, which may be missing.
func left(t *testing.T, root string) []string {
	t.Helper()
	if _, err := os.Stat(root); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return files(t, root)
}

func TestASwapOfAFolder(t *testing.T) {
	root := t.TempDir()
	sink := openLocal(t, root)
	put(t, sink, "job/document", nil)
	if _, err := sink.Swap(t.Context(), "job", "", nil); err == nil {
		t.Error("a folder was replaced")
	}
	if got, want := files(t, root), []string{"job", "job/document"}; !slices.Equal(got, want) {
		t.Errorf("root holds %q, want %q", got, want)
	}
}

func TestASwapOnAFullDisk(t *testing.T) {
	sink := fullLocal(t)
	version := swap(t, sink, "document", "", "before")
	if _, err := sink.Swap(t.Context(), "deep/document", "", bytesOf(2*mib)); !errors.Is(err, sinks.ErrNoSpace) {
		t.Errorf("error %v, want %v", err, sinks.ErrNoSpace)
	}
	root := strings.TrimPrefix(sink.URL(""), "file://")
	if got, want := files(t, root), []string{"document"}; !slices.Equal(got, want) {
		t.Errorf("root holds %q, want %q", got, want)
	}
	swap(t, sink, "document", version, "after") // what failed takes no space
}

// While another process has the lock, whoever needs it waits, and no longer than its context lasts.
func TestWaitingForALockEndsWithTheContext(t *testing.T) {
	root := t.TempDir()
	sink := openLocal(t, root)
	version := swap(t, sink, "job/document", "", "one")
	giveUp := holdLock(t, filepath.Join(root, lockFile))
	for name, call := range map[string]func(ctx context.Context) error{
		"swap":   func(ctx context.Context) error { _, err := sink.Swap(ctx, "job/document", version, nil); return err },
		"delete": func(ctx context.Context) error { return sink.Delete(ctx, "job/document") },
		"sweep":  func(ctx context.Context) error { return sink.Sweep(ctx, "job/document") },
	} {
		t.Run(name, func(t *testing.T) {
			const patience = 50 * time.Millisecond
			begun := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
			if took := time.Since(begun); took < patience || took > patience+time.Minute {
				t.Errorf("waited %v, not %v", took, patience)
			}
		})
	}
	if data, there, err := sink.Load(t.Context(), "job/document"); err != nil || there != version || string(data) != "one" {
		t.Errorf("load needs the lock: %q, %v", data, err)
	}
	giveUp()
	swap(t, sink, "job/document", version, "two")
}

// Those that wait for a lock whose holder removes its file are as exclusive as the others.
func TestALockFileRemovedUnderThoseWhoWait(t *testing.T) {
	const rounds, swappers = 20, 8
	root := t.TempDir()
	sink := openLocal(t, root)
	for range rounds {
		path := filepath.Join(root, lockFile)
		giveUp := holdLock(t, path)
		var started, won atomic.Int32
		group, ctx := errgroup.WithContext(t.Context())
		for i := range swappers {
			group.Go(func() error {
				started.Add(1)
				_, err := sink.Swap(ctx, "job/document", "", []byte{byte(i)})
				if err == nil {
					won.Add(1)
				}
				if errors.Is(err, sinks.ErrChanged) {
					return nil
				}
				return err
			})
		}
		waitFor(t, func() bool { return started.Load() == swappers })
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		giveUp()
		if err := group.Wait(); err != nil || won.Load() != 1 {
			t.Errorf("%d swaps created the object, %v", won.Load(), err)
		}
		if err := sink.Delete(t.Context(), "job/document"); err != nil {
			t.Fatal(err)
		}
		if got := files(t, root); len(got) > 0 {
			t.Fatalf("root holds %q", got)
		}
	}
}

func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

// The lock file of one object looks almost like a partial file of another.
func TestSweepLeavesTheLockFilesOfOthers(t *testing.T) {
	root := t.TempDir()
	sink := openLocal(t, root)
	other := "a." + strings.Repeat("B", 26-len(".lock"))
	want := []string{"." + other + ".lock.partial", "." + other + ".swap.partial"}
	for _, name := range want {
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := sink.Sweep(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if got := files(t, root); !slices.Equal(got, want) {
		t.Errorf("root holds %q, want %q", got, want)
	}
}

// What a Swap that was killed has left goes with its object, or where that was never made; what a Put is writing stays.
func TestADeleteTakesWhatAKilledSwapLeft(t *testing.T) {
	for _, there := range []string{"", "job/document"} {
		root := t.TempDir()
		sink := openLocal(t, root)
		if there != "" {
			put(t, sink, there, nil)
		}
		holdLock(t, filepath.Join(root, lockFile))()
		writing := "job/.document." + strings.Repeat("A", 26) + ".partial"
		for _, name := range []string{swapFile, writing} {
			if err := os.WriteFile(filepath.Join(root, name), nil, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if err := sink.Delete(t.Context(), "job/document"); err != nil {
			t.Error(err)
		}
		if got, want := files(t, root), []string{"job", writing}; !slices.Equal(got, want) {
			t.Errorf("root holds %q, want %q", got, want)
		}
	}
}

// What NFS keeps of a removed file that somebody has open is no object.
func TestRemovedFilesOfNFSAreNotListed(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, ".nfs000000000001"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if got := names(t, openLocal(t, root), ""); len(got) > 0 {
		t.Errorf("listed %q", got)
	}
}
