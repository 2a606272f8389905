package sinks

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// writer is what the write function of a Put writes to. It counts, refuses to go on after ctx has ended, and keeps its
// first error, because an encoder between may lose it.
type writer struct {
	ctx  context.Context
	to   io.Writer
	size int64 // bytes written
	err  error
}

func (w *writer) Write(p []byte) (int, error) {
	if w.err == nil {
		w.err = w.ctx.Err()
	}
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.to.Write(p)
	w.size += int64(n)
	w.err = err
	return n, err
}

// fill runs write. Its error is write's own as it is, with the writer's added where write hid it.
func (w *writer) fill(write func(io.Writer) error) error {
	err := write(w)
	switch {
	case w.err == nil && err == nil:
		return w.ctx.Err()
	case w.err == nil || errors.Is(err, w.err):
		return err
	case err == nil:
		return w.err
	}
	return fmt.Errorf("%w: %w", err, w.err)
}
