package sinks

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
)

// Load implements Swapper. A Local's version is the SHA-256 of the content.
func (l *Local) Load(ctx context.Context, name string) ([]byte, Version, error) {
	object, err := l.Open(ctx, name)
	if err != nil {
		return nil, "", err
	}
	data, err := io.ReadAll(object)
	if err := errors.Join(err, object.Close()); err != nil {
		return nil, "", fmt.Errorf("loading %s: %w", l.path(name), err)
	}
	return data, contentVersion(data), nil
}

func contentVersion(data []byte) Version {
	return Version(fmt.Sprintf("%x", sha256.Sum256(data)))
}

// Swap implements Swapper, for processes of one machine or of several that share a filesystem with locks (NFS has
// them). While one is under way there are two hidden files beside the object: its lock, and what it is to become.
func (l *Local) Swap(ctx context.Context, name string, old Version, data []byte) (Version, error) {
	if err := begin(ctx, name); err != nil {
		return "", fmt.Errorf("swapping in %s: %w", l.root, err)
	}
	if err := l.swap(ctx, name, old, data); err != nil {
		l.prune(filepath.Dir(l.path(name)))
		return "", fmt.Errorf("swapping %s: %w", l.path(name), err)
	}
	return contentVersion(data), nil
}

func (l *Local) swap(ctx context.Context, name string, old Version, data []byte) error {
	target, known := l.path(name), existing(l.root)
	lock, err := lockObject(ctx, target)
	if err != nil {
		return err
	}
	defer lock.release()
	_, there, err := l.Load(ctx, name)
	if err != nil && !errors.Is(err, ErrNotExist) {
		return err
	}
	if there != old && there != contentVersion(data) {
		return ErrChanged
	}
	partial := swapPartial(target)
	if err := removeFile(partial); err != nil { // of one that was killed
		return err
	}
	_, err = l.put(ctx, partial, target, known, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	return err
}

// swapPartial is the partial file of the one who holds the lock of the object at target.
func swapPartial(target string) string {
	folder, base := filepath.Split(target)
	return filepath.Join(folder, swapName(base))
}
