package faults

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Fault is what happens to one call of a method.
type Fault struct {
	what string
	on   string // part of the names that it is for

	before func(ctx context.Context) error
	// damage gives, for the bytes p of an object that begin at offset, those that are stored, whether that is where
	// the fault strikes, and the error that the writer then gets.
	damage func(p []byte, offset int64) (stored []byte, struck bool, err error)
	after  error
}

// On returns the fault, meant only for objects (for List: prefixes) whose name contains part.
func (f Fault) On(part string) Fault {
	f.on = part
	return f
}

// Error has the call of any method return err, with nothing done.
func Error(err error) Fault {
	return Fault{what: fmt.Sprintf("error %q", err), before: func(context.Context) error { return err }}
}

// Delay has the call of any method begin after d, or return when its context ends before.
func Delay(d time.Duration) Fault {
	return Fault{what: fmt.Sprintf("delay of %v", d), before: func(ctx context.Context) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
}

// Call has any method call do first, and return its error with nothing done where there is one: to hold a call, to
// end a context, to kill a process.
func Call(do func(ctx context.Context) error) Fault {
	return Fault{what: "call", before: do}
}

// ErrorAfter has a Put store n bytes and fail with err at the next one.
func ErrorAfter(n int64, err error) Fault {
	return Fault{what: fmt.Sprintf("error %q after %d bytes", err, n), damage: func(p []byte, offset int64) ([]byte, bool, error) {
		if offset+int64(len(p)) <= n {
			return p, false, nil
		}
		return p[:max(0, n-offset)], true, err
	}}
}

// Truncate has a Put store only the first n bytes and report success.
func Truncate(n int64) Fault {
	return Fault{what: fmt.Sprintf("truncation to %d bytes", n), damage: func(p []byte, offset int64) ([]byte, bool, error) {
		if offset+int64(len(p)) <= n {
			return p, false, nil
		}
		return p[:max(0, n-offset)], true, nil
	}}
}

// FlipBit has a Put store the byte at offset at with its lowest bit flipped and report success.
func FlipBit(at int64) Fault {
	return Fault{what: fmt.Sprintf("bit flip at %d", at), damage: func(p []byte, offset int64) ([]byte, bool, error) {
		if at < offset || at >= offset+int64(len(p)) {
			return p, false, nil
		}
		flipped := slices.Clone(p)
		flipped[at-offset] ^= 1
		return flipped, true, nil
	}}
}

// LoseAnswer has a Put, Swap, Delete or CopyFrom do its work and yet return err, as when the connection breaks before the
// store's answer.
func LoseAnswer(err error) Fault {
	return Fault{what: fmt.Sprintf("answer lost to %q", err), after: err}
}
