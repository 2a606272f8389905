package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/milvus-io/milvus-sdk-go/v2/client"

	"migrate/deploy/lab"
)

// reader is one way to read the whole collection.
type reader struct {
	name   string
	all    int64   // rows to read
	goal   float64 // how many times as fast migrate is to be; 0 for migrate itself
	read   func(context.Context) (rows int64, took time.Duration, err error)
	rounds []time.Duration
	memory int64 // the most that a migrate took, in bytes
}

// measure reads once. A reader that does not read every row has not been measured.
func (r *reader) measure(ctx context.Context) (time.Duration, error) {
	rows, took, err := r.read(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading with %s: %w", r.name, err)
	}
	if rows != r.all {
		return 0, fmt.Errorf("reading with %s: it read %d of %d rows", r.name, rows, r.all)
	}
	return took, nil
}

const (
	pymilvusGoal = 10
	sdkGoal      = 2
)

// newReaders makes the readers, and has each read once without being measured: files, caches and the server's own memory
// are warm for all of them.
func newReaders(ctx context.Context, l *lab.Lab, binary string, d documents) ([]*reader, error) {
	migrate, err := newMigrate(binary, d)
	if err != nil {
		return nil, err
	}
	sdk := newSDK(d)
	for _, r := range []*reader{migrate, sdk} {
		if _, err := r.measure(ctx); err != nil {
			return nil, err
		}
	}
	pymilvus, err := newPymilvus(ctx, l, d)
	return []*reader{migrate, sdk, pymilvus}, err
}

// newMigrate is the whole command, from the process' start to its end: connect, plan, read, encode, write to a folder.
func newMigrate(binary string, d documents, more ...string) (*reader, error) {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	r := &reader{name: "migrate export", all: int64(d.rows)}
	r.read = func(ctx context.Context) (rows int64, took time.Duration, err error) {
		dir, err := os.MkdirTemp("", "migrate-bench-")
		if err != nil {
			return 0, 0, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		cmd := exec.CommandContext(ctx, binary, "export", "--source-address", lab.Standalone, "--collection", d.collection,
			"--sink-url", dir, "--json")
		cmd.Args = append(cmd.Args, more...)
		cmd.Dir, cmd.Env = dir, withoutSettings(os.Environ()) // neither migrate.yaml nor the environment counts
		var done struct {
			Content struct{ Rows int64 }
			Peak    int64 `json:"peak_memory_bytes"`
		}
		took, err = runJSON(cmd, &done)
		r.memory = max(r.memory, done.Peak)
		return done.Content.Rows, took, err
	}
	return r, nil
}

func withoutSettings(environ []string) []string {
	var kept []string
	for _, kv := range environ {
		if !strings.HasPrefix(kv, "MIGRATE_") {
			kept = append(kept, kv)
		}
	}
	return kept
}

// runJSON runs a command and decodes what it prints.
func runJSON(cmd *exec.Cmd, result any) (time.Duration, error) {
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("running %s: %w: %s", filepath.Base(cmd.Path), err, bytes.TrimSpace(complaint.Bytes()))
	}
	took := time.Since(began)
	if err := json.Unmarshal(out.Bytes(), result); err != nil {
		return 0, fmt.Errorf("running %s: it printed no JSON: %w", filepath.Base(cmd.Path), err)
	}
	return took, nil
}

// sdkPage is the page size of the SDK's iterator: its default.
const sdkPage = 1000

// newSDK is the Go SDK's iterator over all fields, from connecting to the last page, only counting rows.
func newSDK(d documents) *reader {
	name := fmt.Sprintf("milvus-sdk-go %s QueryIterator, pages of %d", sdkVersion(), sdkPage)
	return &reader{name: name, goal: sdkGoal, all: int64(d.rows), read: func(ctx context.Context) (int64, time.Duration, error) {
		began := time.Now()
		c, err := client.NewClient(ctx, client.Config{Address: lab.Standalone})
		if err != nil {
			return 0, 0, err
		}
		rows, err := iterate(ctx, c, d.collection)
		took := time.Since(began)
		return rows, took, errors.Join(err, c.Close())
	}}
}

func iterate(ctx context.Context, c client.Client, collection string) (rows int64, err error) {
	pages, err := c.QueryIterator(ctx, client.NewQueryIteratorOption(collection).WithOutputFields("*").WithBatchSize(sdkPage))
	for err == nil {
		var page client.ResultSet
		if page, err = pages.Next(ctx); err != nil {
			break
		}
		if len(page) != len(fields)+1 {
			return rows, fmt.Errorf("a page has %d columns; want %d and the dynamic one", len(page), len(fields))
		}
		rows += int64(page.Len())
	}
	if errors.Is(err, io.EOF) {
		return rows, nil
	}
	return rows, err
}

// sdkVersion is the version of the SDK that this program is built with.
func sdkVersion() string {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if dep.Path == "github.com/milvus-io/milvus-sdk-go/v2" {
			return dep.Version
		}
	}
	return "unknown"
}
