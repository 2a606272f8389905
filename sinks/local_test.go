package sinks_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"migrate/sinks"
)

// files lists all files and folders under root.
func files(t *testing.T, root string) []string {
	t.Helper()
	var found []string
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, _ fs.DirEntry, err error) error {
		if path != "." {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestNewLocalRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for root, says := range map[string]string{"": "empty", file: "give a folder", filepath.Join(file, "below"): "not a directory"} {
		if _, err := sinks.NewLocal(root); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("root %q: %v, want an error that says %q", root, err, says)
		}
	}
}

func TestTheFirstPutMakesTheRoot(t *testing.T) {
	root := filepath.Join(t.TempDir(), "not", "there")
	sink := openLocal(t, root)
	if got := names(t, sink, ""); len(got) > 0 {
		t.Errorf("listed %q where there is no root", got)
	}
	put(t, sink, "a/b", []byte("x"))
	if got, want := files(t, root), []string{"a", "a/b"}; !slices.Equal(got, want) {
		t.Errorf("root holds %q, want %q", got, want)
	}
}

func TestARelativeRootStaysWhereItWas(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	sink := openLocal(t, "exports")
	t.Chdir(t.TempDir())
	put(t, sink, "a", nil)
	if got := files(t, folder); !slices.Equal(got, []string{"exports", "exports/a"}) {
		t.Errorf("folder holds %q", got)
	}
}

// Not even an empty folder is left of a put that failed, or of an object that was deleted.
func TestNothingIsLeftBehind(t *testing.T) {
	root := t.TempDir()
	sink := openLocal(t, root)
	_, err := sink.Put(t.Context(), "a/b/failed", func(w io.Writer) error {
		if got := files(t, root); len(got) != 3 || !strings.HasSuffix(got[2], ".partial") {
			t.Errorf("while putting, root holds %q", got)
		}
		return errors.Join(writes([]byte("x"))(w), errEncode)
	})
	if !errors.Is(err, errEncode) {
		t.Errorf("error %v, want %v", err, errEncode)
	}
	put(t, sink, "a/c/deleted", nil)
	if err := sink.Delete(t.Context(), "a/c/deleted"); err != nil {
		t.Error(err)
	}
	if got := files(t, root); len(got) > 0 {
		t.Errorf("root still holds %q", got)
	}
}

func TestNamesThatAreFolders(t *testing.T) {
	sink := openLocal(t, t.TempDir())
	put(t, sink, "folder/object", []byte("x"))
	for _, name := range []string{"folder", "folder/object/below"} {
		if _, err := sink.Put(t.Context(), name, writes(nil)); err == nil {
			t.Errorf("put of %q beside folder/object succeeded", name)
		}
	}
	if got, want := names(t, sink, ""), []string{"folder/object"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	if got := files(t, strings.TrimPrefix(sink.URL(""), "file://")); len(got) != 2 {
		t.Errorf("root holds %q", got)
	}
}

func TestLinks(t *testing.T) {
	root, elsewhere := t.TempDir(), t.TempDir()
	sink := openLocal(t, root)
	if err := os.WriteFile(filepath.Join(elsewhere, "file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"file": filepath.Join(elsewhere, "file"), "folder": elsewhere, "loop": root, "broken": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := names(t, sink, ""), []string{"file"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	if got := string(read(t, sink, "file")); got != "x" {
		t.Errorf("read %q through a link", got)
	}
}

func TestNamesAsLongAsTheFilesystemTakes(t *testing.T) {
	sink := openLocal(t, t.TempDir())
	name := strings.Repeat("n", 255)
	put(t, sink, name, []byte("x"))
	if got := names(t, sink, ""); !slices.Equal(got, []string{name}) {
		t.Errorf("listed %q", got)
	}
	if _, err := sink.Put(t.Context(), name+"n", writes(nil)); err == nil {
		t.Error("a file name of 256 bytes was taken")
	}
}

func TestAReaderKeepsTheObjectThatItOpened(t *testing.T) {
	sink := openLocal(t, t.TempDir())
	put(t, sink, "object", []byte("before"))
	object, err := sink.Open(t.Context(), "object")
	if err != nil {
		t.Fatal(err)
	}
	defer object.Close()
	put(t, sink, "object", []byte("after it was replaced"))
	if got, err := io.ReadAll(object); err != nil || string(got) != "before" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestAListBesideDeletes(t *testing.T) {
	sink := openLocal(t, t.TempDir())
	group, ctx := errgroup.WithContext(t.Context())
	group.Go(func() error {
		for range 200 {
			if _, err := sink.Put(ctx, "a/b/object", writes(nil)); err != nil {
				return err
			}
			if err := sink.Delete(ctx, "a/b/object"); err != nil {
				return err
			}
		}
		return nil
	})
	group.Go(func() error {
		for range 200 {
			for _, err := range sink.List(ctx, "") {
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

func TestPutOnAFullDisk(t *testing.T) {
	sink := fullLocal(t)
	put(t, sink, "before", []byte("x"))
	wrapped := errors.New("writing the row group")
	_, err := sink.Put(t.Context(), "deep/object", func(w io.Writer) error {
		if err := writes(bytesOf(2 * mib))(w); err != nil {
			return errors.Join(wrapped, err)
		}
		return nil
	})
	if !errors.Is(err, sinks.ErrNoSpace) || !errors.Is(err, wrapped) || !strings.Contains(err.Error(), "deep/object") {
		t.Errorf("error %v, want %v with the path", err, sinks.ErrNoSpace)
	}
	if got := files(t, strings.TrimPrefix(sink.URL(""), "file://")); !slices.Equal(got, []string{"before"}) {
		t.Errorf("root holds %q", got)
	}
	put(t, sink, "after", []byte("x")) // what failed takes no space
}

// A full disk elsewhere is not this sink's.
func TestAnotherDiskThatIsFull(t *testing.T) {
	_, err := openLocal(t, t.TempDir()).Put(t.Context(), "object", func(io.Writer) error {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = full.Write([]byte("x"))
		return errors.Join(err, full.Close())
	})
	if err == nil || errors.Is(err, sinks.ErrNoSpace) {
		t.Errorf("error %v, want the other disk's own", err)
	}
}

func TestURLs(t *testing.T) {
	for _, root := range []string{"/exports", "/with space/100%/a?b#c", "/日本"} {
		sink := openLocal(t, root)
		for name, want := range map[string]string{"": root, "job/part 1.parquet": root + "/job/part 1.parquet"} {
			folder, _, _, err := sinks.Parse(sink.URL(name))
			if err != nil || folder != want {
				t.Errorf("URL %s leads to %q, %v; want %q", sink.URL(name), folder, err, want)
			}
		}
	}
}

func TestTheWriterFailsFromTheContextsEndOn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := openLocal(t, t.TempDir()).Put(ctx, "object", func(w io.Writer) error {
		for range 100 {
			if _, err := w.Write([]byte("x")); err != nil {
				return err
			}
			cancel()
		}
		t.Error("100 writes after the context's end succeeded")
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
