package main

import (
	"context"
	_ "embed"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"migrate/deploy/lab"
)

//go:embed query_iterator.py
var queryIterator string

// pymilvusBatches are the batch sizes of pymilvus' iterator: its own, and what one would try, up to the most that a server
// allows.
var pymilvusBatches = []int{1000, 4000, 8000, 16384}

// newPymilvus is pymilvus' iterator over all fields of the first rows, with the batch size that is the fastest here, each tried once on a
// quarter of them.
func newPymilvus(ctx context.Context, l *lab.Lab, d documents, rows int) (*reader, error) {
	python, err := l.Python(ctx)
	if err != nil {
		return nil, err
	}
	version, err := exec.CommandContext(ctx, python, "-c", "import pymilvus; print(pymilvus.__version__)").Output()
	if err != nil {
		return nil, fmt.Errorf("asking pymilvus for its version: %w", err)
	}
	var fastest int
	var most float64
	for _, size := range pymilvusBatches {
		r := pymilvus(python, strings.TrimSpace(string(version)), size, d, rows/4)
		done, err := r.read(ctx)
		if err != nil {
			return nil, fmt.Errorf("trying %s: %w", r.name, err)
		}
		rate := float64(done.rows) / done.took.Seconds()
		fmt.Printf("trying   %s: %.0f rows/s\n", r.name, rate)
		if rate > most {
			fastest, most = size, rate
		}
	}
	return pymilvus(python, strings.TrimSpace(string(version)), fastest, d, rows), nil
}

// pymilvus reads from connecting to the last row, only counting them; Python's start and imports don't count. It ends with the
// batch that brings it to so many rows.
func pymilvus(python, version string, batchSize int, d documents, rows int) *reader {
	name := fmt.Sprintf("pymilvus %s query_iterator, batches of %d", version, batchSize)
	return &reader{name: name, goal: pymilvusGoal, all: int64(rows), part: rows < d.rows, read: func(ctx context.Context) (reading, error) {
		args := append([]string{"-", lab.Standalone, d.collection, strconv.Itoa(batchSize), strconv.Itoa(rows)}, fields...)
		cmd := exec.CommandContext(ctx, python, args...)
		cmd.Stdin = strings.NewReader(queryIterator)
		return runTold(cmd)
	}}
}
