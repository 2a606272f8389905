package sinks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"
	"syscall"
)

// Open implements Sink.
func (l *Local) Open(ctx context.Context, name string) (Object, error) {
	if _, err := l.Stat(ctx, name); err != nil {
		return nil, err
	}
	object, err := openLocal(ctx, l.path(name))
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", l.path(name), nameMissing(err))
	}
	return object, nil
}

// Stat implements Sink.
func (l *Local) Stat(ctx context.Context, name string) (Info, error) {
	if err := begin(ctx, name); err != nil {
		return Info{}, fmt.Errorf("looking at %s: %w", l.root, err)
	}
	info, err := os.Stat(l.path(name))
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist // a folder is no object
	}
	if err != nil {
		return Info{}, fmt.Errorf("looking at %s: %w", l.path(name), nameMissing(err))
	}
	return Info{Name: name, Size: info.Size(), ModTime: info.ModTime()}, nil
}

func nameMissing(err error) error {
	if isMissing(err) {
		return ErrNotExist
	}
	return err
}

// isMissing is also true where an element of the path is a file.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// List implements Sink.
func (l *Local) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := checkPrefix(prefix); err != nil {
			yield(Info{}, fmt.Errorf("listing %s: %w", l.root, err))
			return
		}
		w := walk{l: l, ctx: ctx, prefix: prefix, yield: yield}
		w.folder(folderOf(prefix))
	}
}

// walk yields the objects that begin with prefix. Its methods report whether to go on.
type walk struct {
	l      *Local
	ctx    context.Context
	prefix string
	yield  func(Info, error) bool
}

// folder walks one folder, whose name is empty or ends in a slash.
func (w *walk) folder(name string) bool {
	path := w.l.path(name)
	entries, err := os.ReadDir(path)
	if err != nil && !isMissing(err) {
		return w.fail(path, err)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(sortKey(a), sortKey(b)) })
	for _, entry := range entries {
		if err := w.ctx.Err(); err != nil {
			return w.fail(path, err)
		}
		if strings.HasPrefix(name+sortKey(entry), w.prefix) && !w.entry(name+entry.Name(), entry.IsDir()) {
			return false
		}
	}
	return true
}

// sortKey is what an entry's place among the full names is decided by: "a-b" comes before "a/b".
func sortKey(entry fs.DirEntry) string {
	if entry.IsDir() {
		return entry.Name() + "/"
	}
	return entry.Name()
}

func (w *walk) entry(name string, isFolder bool) bool {
	if isFolder {
		return w.folder(name + "/")
	}
	if CheckName(name) != nil {
		return true // a partial or lock file, or none of ours
	}
	info, err := w.l.Stat(w.ctx, name)
	if errors.Is(err, ErrNotExist) {
		return true // deleted since, or no file
	}
	return w.yield(info, err) && err == nil
}

func (w *walk) fail(path string, err error) bool {
	w.yield(Info{}, fmt.Errorf("listing %s: %w", path, err))
	return false
}

// localObject reads the file that had the object's name when it was opened, also after it has been replaced.
type localObject struct {
	*io.SectionReader
	file *os.File
}

func openLocal(ctx context.Context, path string) (*localObject, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &localObject{io.NewSectionReader(readerAt{ctx, file}, 0, info.Size()), file}, nil
}

func (o *localObject) Close() error { return o.file.Close() }

// readerAt reads a file until ctx ends.
type readerAt struct {
	ctx  context.Context
	file *os.File
}

func (r readerAt) ReadAt(p []byte, offset int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.file.ReadAt(p, offset)
}
