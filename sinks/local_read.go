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
	if err := begin(ctx, name); err != nil {
		return nil, fmt.Errorf("opening in %s: %w", l.root, err)
	}
	object, err := openLocal(ctx, l.path(name))
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", l.path(name), nameMissing(err))
	}
	return object, nil
}

// statRegular is os.Stat of files that are objects: a folder is none.
func statRegular(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	return info, err
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

// Level implements Leveler.
func (l *Local) Level(ctx context.Context, folder string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := checkPrefix(folder); err != nil {
			yield(Info{}, fmt.Errorf("listing %s: %w", l.root, err))
			return
		}
		w := walk{l: l, ctx: ctx, prefix: folder, yield: yield, flat: true}
		w.folder(folder)
	}
}

// walk yields the objects that begin with prefix. Its methods report whether to go on.
type walk struct {
	l      *Local
	ctx    context.Context
	prefix string
	yield  func(Info, error) bool
	flat   bool // folders are yielded, and not walked
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
	if isFolder && !w.flat {
		return w.folder(name + "/")
	}
	if CheckName(name) != nil || isRemoved(name) {
		return true // a partial or lock file, or none of ours
	}
	if isFolder {
		return w.yield(Info{Name: name + "/"}, nil)
	}
	info, err := statRegular(w.l.path(name))
	switch {
	case isMissing(err):
		return true // deleted since, or no file
	case err != nil:
		return w.fail(w.l.path(name), err)
	}
	return w.yield(Info{Name: name, Size: info.Size(), ModTime: info.ModTime(), Tag: tagOf(info)}, nil)
}

// tagOf tells one file from the next under its name: each is made anew. Two that come and go within a tick of the filesystem's clock
// may be taken for one.
func tagOf(info fs.FileInfo) string {
	tag := fmt.Sprintf("%x-%x", info.ModTime().UnixNano(), info.Size())
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		tag += fmt.Sprintf("-%x", stat.Ino)
	}
	return tag
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
	if _, err := statRegular(path); err != nil { // opening a pipe would wait
		return nil, err
	}
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
