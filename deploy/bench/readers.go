package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"migrate/deploy/lab"
)

// reader is one way to read a collection, in a process of its own.
type reader struct {
	name   string
	all    int64   // rows to read
	part   bool    // and there are more: it ends with the page that brings it to so many
	came   int64   // rows, in the last reading
	goal   float64 // how many times as fast migrate is to be; 0 for migrate itself
	read   func(context.Context) (reading, error)
	rounds []time.Duration
	work   []time.Duration // of the server's processors, what they do at rest included
	memory int64           // the most that its process took, in bytes
}

// reading is what came of one.
type reading struct {
	rows   int64
	took   time.Duration
	memory int64
}

// measure reads once. A reader that does not read every row has not been measured.
func (r *reader) measure(ctx context.Context) (time.Duration, error) {
	done, err := r.read(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading with %s: %w", r.name, err)
	}
	if done.rows != r.all && !(r.part && done.rows > r.all) {
		return 0, fmt.Errorf("reading with %s: it read %d of %d rows", r.name, done.rows, r.all)
	}
	r.came, r.memory = done.rows, max(r.memory, done.memory)
	return done.took, nil
}

// round is a measure that counts.
func (r *reader) round(ctx context.Context, l *lab.Lab) error {
	var took time.Duration
	work, err := processors(l, func() (err error) { took, err = r.measure(ctx); return err })
	r.rounds, r.work = append(r.rounds, took), append(r.work, work)
	return err
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
	sdk, err := newAlone("sdk", d, d.rows)
	if err != nil {
		return nil, err
	}
	sdk.goal = sdkGoal
	for _, r := range []*reader{migrate, sdk} {
		if _, err := r.measure(ctx); err != nil {
			return nil, err
		}
	}
	pymilvus, err := newPymilvus(ctx, l, d, d.rows)
	return []*reader{migrate, sdk, pymilvus}, err
}

// newMigrate is the whole command, from the process' start to its end: connect, plan, read, encode, write to a folder.
func newMigrate(binary string, d documents, more ...string) (*reader, error) {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	return &reader{name: "migrate export", all: int64(d.rows), read: func(ctx context.Context) (_ reading, err error) {
		dir, err := os.MkdirTemp("", "migrate-bench-")
		if err != nil {
			return reading{}, err
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
		took, err := runJSON(cmd, &done)
		return reading{done.Content.Rows, took, done.Peak}, err
	}}, nil
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

// told is what a reader says of itself, as JSON.
type told struct {
	Rows    int64   `json:"rows"`
	Seconds float64 `json:"seconds"` // from connecting to the last row, so that a language's start does not count
	Peak    int64   `json:"peak_memory_bytes"`
}

// runTold runs such a reader.
func runTold(cmd *exec.Cmd) (reading, error) {
	var done told
	_, err := runJSON(cmd, &done)
	return reading{done.Rows, time.Duration(done.Seconds * float64(time.Second)), done.Peak}, err
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
