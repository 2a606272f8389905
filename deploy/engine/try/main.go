// Command try says whether a Docker engine can be had here: it installs what that takes, starts an engine in a new folder
// below one that is given, runs a container of itself in it, and leaves neither. Where that fails it says why in one line, and
// ends with 1.
//
//	CGO_ENABLED=0 go run ./deploy/engine/try FOLDER
package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"migrate/deploy/engine"
)

// inside is what the program is told in the container.
const inside = "inside"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: try FOLDER")
		os.Exit(2)
	}
	if os.Args[1] == inside {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := try(ctx, os.Args[1])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, strings.Join(strings.Fields(err.Error()), " "))
		os.Exit(1)
	}
}

func try(ctx context.Context, below string) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("a Docker engine takes root")
	}
	if err := engine.Install(ctx); err != nil {
		return err
	}
	if below, err = filepath.Abs(below); err != nil {
		return err
	}
	if err := os.MkdirAll(below, 0o777); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(below, "try-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	e, err := engine.Start(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Stop()) }()
	image, err := self()
	if err != nil {
		return err
	}
	if _, err := e.Docker(ctx, image, "import", "-", "try"); err != nil {
		return err
	}
	_, err = e.Docker(ctx, nil, "run", "--rm", "--publish", "127.0.0.1::1", "try", "/try", inside)
	return err
}

// self is the file system of an image that holds this program.
func self() (*bytes.Buffer, error) {
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("reading the program itself: %w", err)
	}
	var image bytes.Buffer
	w := tar.NewWriter(&image)
	err = w.WriteHeader(&tar.Header{Name: "try", Mode: 0o755, Size: int64(len(program))})
	if err == nil {
		_, err = w.Write(program)
	}
	return &image, errors.Join(err, w.Close())
}
