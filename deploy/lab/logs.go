package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// tailLines is how many lines of a log stand in the error of a part that did not start.
const tailLines = 20

// tail returns the last lines of the file at path, at most n and at most 64 KiB of them.
func tail(path string, n int) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	const window = 64 << 10
	text, err := io.ReadAll(io.NewSectionReader(file, max(0, info.Size()-window), window))
	if err != nil {
		return "", err
	}
	lines := bytes.Split(bytes.TrimRight(text, "\n"), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n"))), nil
}

// keepOlder moves the log at path aside, so that a new start has one of its own and the last one can still be read.
func keepOlder(path string) error {
	if err := os.Rename(path, path+".1"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("moving the older log aside: %w", err)
	}
	return nil
}

// withTail adds the end of the log at path to err.
func withTail(err error, path string) error {
	text, readErr := tail(path, tailLines)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	return fmt.Errorf("%w\nthe end of %s:\n  %s", err, path, strings.ReplaceAll(text, "\n", "\n  "))
}

// Log returns the last lines, at most n, of what the named part wrote since it was last started.
func (l *Lab) Log(name string, n int) (string, error) {
	p, err := l.part(name)
	if err != nil {
		return "", err
	}
	text, err := tail(l.logPath(p), n)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%s has no log: it was not started yet", name)
	}
	if err != nil {
		return "", fmt.Errorf("reading the log of %s: %w", name, err)
	}
	return text, nil
}
