package sinks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
)

// Local stores objects as files of a folder. Symbolic links to files are followed, and links to folders are not
// listed.
//
// A Put takes as long after its context's end as the filesystem takes for an fsync that is under way.
type Local struct {
	root   string // absolute
	create func(path string) (*os.File, error)
}

var (
	_ Sink    = (*Local)(nil)
	_ Sweeper = (*Local)(nil)
	_ Swapper = (*Local)(nil)
)

// NewLocal returns a sink in the folder root, which the first Put makes where it does not exist.
func NewLocal(root string) (*Local, error) {
	if root == "" {
		return nil, errors.New("opening local sink: the folder's path is empty")
	}
	absolute, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("opening local sink %s: %w", root, err)
	}
	info, err := os.Stat(absolute)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("opening local sink: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("opening local sink %s: it is a file; give a folder", absolute)
	}
	return &Local{root: absolute, create: createNew}, nil
}

func createNew(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

// Put implements Sink: a partial file beside the object is written, synced, and renamed.
func (l *Local) Put(ctx context.Context, name string, write func(io.Writer) error) (Info, error) {
	if err := begin(ctx, name); err != nil {
		return Info{}, fmt.Errorf("putting into %s: %w", l.root, err)
	}
	target := l.path(name)
	size, err := l.put(ctx, newPartial(target), target, existing(l.root), write)
	if err != nil {
		l.prune(filepath.Dir(target))
		return Info{}, fmt.Errorf("putting %s: %w", target, err)
	}
	return Info{Name: name, Size: size}, nil
}

// put makes target by way of partial, a file beside it, and durable every folder down from known, which was there before any was made
// for it.
func (l *Local) put(ctx context.Context, partial, target, known string, write func(io.Writer) error) (int64, error) {
	file, err := createIn(ctx, filepath.Dir(partial), func() (*os.File, error) { return l.create(partial) })
	if err != nil {
		return 0, err
	}
	size, err := store(ctx, file, write)
	if err == nil {
		err = os.Rename(file.Name(), target)
	}
	if err != nil {
		return 0, errors.Join(err, os.Remove(file.Name()))
	}
	return size, syncFolders(filepath.Dir(target), known)
}

// createIn has create make a file in folder. It makes the folder again where a Delete has just removed it for being
// empty, which it no longer is once the file is there.
func createIn(ctx context.Context, folder string, create func() (*os.File, error)) (file *os.File, err error) {
	const attempts = 1000
	for range attempts {
		if err = os.MkdirAll(folder, 0o777); err == nil {
			file, err = create()
		}
		if !errors.Is(err, fs.ErrNotExist) || ctx.Err() != nil {
			break
		}
	}
	return file, nameFull(err)
}

// store fills file and makes it durable. It closes it in any case.
func store(ctx context.Context, file *os.File, write func(io.Writer) error) (int64, error) {
	w := &writer{ctx: ctx, to: &disk{file: file}}
	err := w.fill(write)
	if err == nil {
		err = nameFull(file.Sync())
	}
	if closeErr := file.Close(); err == nil {
		err = nameFull(closeErr)
	}
	if err == nil {
		err = ctx.Err()
	}
	return w.size, err
}

// disk is a file whose errors tell of a full disk, before whatever writes to it has wrapped them. What was written goes to
// the disk while more is on its way, so that the sync at the end has little left to wait for.
type disk struct {
	file    *os.File
	written int64
	begun   int64 // bytes that are on their way to the disk
}

// writeBackBytes are few enough to leave little for the end, and as many as a disk likes to take at once.
const writeBackBytes = 8 << 20

func (d *disk) Write(p []byte) (int, error) {
	n, err := d.file.Write(p)
	d.written += int64(n)
	if fresh := d.written - d.begun; fresh >= writeBackBytes && err == nil {
		beginWriteBack(d.file, d.begun, fresh)
		d.begun = d.written
	}
	return n, nameFull(err)
}

func nameFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w; make room there and start again", ErrNoSpace, err)
	}
	return err
}

// existing is folder, or the nearest one above it that exists.
func existing(folder string) string {
	for {
		_, err := os.Stat(folder)
		if err == nil || folder == filepath.Dir(folder) {
			return folder
		}
		folder = filepath.Dir(folder)
	}
}

// syncFolders makes the entries of folder and of those above it durable, up to top. Those in between may have been
// made by a Put that has not synced them yet.
func syncFolders(folder, top string) error {
	for {
		if err := syncFolder(folder); err != nil {
			return err
		}
		if folder == top || folder == filepath.Dir(folder) {
			return nil
		}
		folder = filepath.Dir(folder)
	}
}

// syncFolder passes over a folder that somebody has removed, with what was in it, and filesystems that have no such
// call.
func syncFolder(folder string) error {
	file, err := os.Open(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = file.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, file.Close())
}

// Delete implements Sink. It also removes the folders that become empty, below the root, and what a Swap that was killed has left
// beside the object.
func (l *Local) Delete(ctx context.Context, name string) error {
	if err := begin(ctx, name); err != nil {
		return fmt.Errorf("deleting from %s: %w", l.root, err)
	}
	target := l.path(name)
	if info, err := os.Lstat(target); err == nil && info.IsDir() {
		return nil // a folder is no object
	}
	if err := remove(ctx, target); err != nil {
		return fmt.Errorf("deleting %s: %w", target, err)
	}
	l.prune(filepath.Dir(target))
	return nil
}

// remove removes the object at target, between two Swaps of it.
func remove(ctx context.Context, target string) error {
	if _, err := os.Lstat(target); isMissing(err) {
		return removeLeft(ctx, target)
	}
	lock, err := lockObject(ctx, target)
	if errors.Is(err, ErrNoSpace) { // for which reason it may be that this is removed
		return removeFile(target)
	}
	if err != nil {
		return err
	}
	defer lock.release()
	return errors.Join(removeFile(target), removeFile(swapPartial(target)))
}

// removeLeft removes what a Swap that was killed has left beside target. It makes no file for that.
func removeLeft(ctx context.Context, target string) error {
	lock, err := lockLeft(ctx, target)
	if lock == nil {
		return err
	}
	defer lock.release()
	return removeFile(swapPartial(target))
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !isMissing(err) {
		return err
	}
	return nil
}

// prune removes folder and those above it, below the root, as far as they are empty.
func (l *Local) prune(folder string) {
	for len(folder) > len(l.root) {
		if err := syscall.Rmdir(folder); err != nil && !isMissing(err) {
			return
		}
		folder = filepath.Dir(folder)
	}
}

// Sweep implements Sweeper. It waits for a Swap that is under way.
func (l *Local) Sweep(ctx context.Context, name string) error {
	if err := begin(ctx, name); err != nil {
		return fmt.Errorf("sweeping %s: %w", l.root, err)
	}
	target := l.path(name)
	if err := errors.Join(removeLeft(ctx, target), removePartials(target)); err != nil {
		return fmt.Errorf("sweeping %s: %w", filepath.Dir(target), err)
	}
	l.prune(filepath.Dir(target))
	return nil
}

// removePartials removes the partial files of Puts of the object at target.
func removePartials(target string) error {
	folder, base := filepath.Split(target)
	entries, err := os.ReadDir(folder)
	if err != nil && !isMissing(err) {
		return err
	}
	for _, entry := range entries {
		if !isPartialOf(base, entry.Name()) {
			continue
		}
		if err := removeFile(filepath.Join(folder, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// URL implements Sink.
func (l *Local) URL(name string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(l.path(name))}).String()
}

// path is where an object or a folder is.
func (l *Local) path(name string) string {
	return filepath.Join(l.root, filepath.FromSlash(name))
}
