//go:build lab && faults

package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"golang.org/x/sync/errgroup"

	"migrate/internal/labtest"
	"migrate/internal/milvus"
)

// TestManySmall moves a hundred small collections by one command, in no more time than so many moves of one take: some of them are moved one
// by one before and after it, so that a server that grows slower or quicker counts for both.
func TestManySmall(t *testing.T) {
	const many, rows, singly = 100, 500, 10 // of these before, and as many after
	name, source, target := database(t)
	fill(t, source, many, rows)
	took := func(folder string, does string, selection ...string) time.Duration {
		t.Helper()
		began := time.Now()
		migrate(t, nil, args("run", toSource, toTarget, toStaging, sink, folder, "--listen", "", "--database", name, selection)...).want(t, exitOK, does)
		return time.Since(began)
	}
	one := func(folder string, from int) (all time.Duration) {
		for i := from; i < from+singly; i++ {
			c := fmt.Sprintf("c%03d", i)
			all += took(folder, "1 done", "--collection", c, "--move", c)
			if err := target.Drop(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		return all
	}
	before := one(t.TempDir(), 0)
	folder := t.TempDir()
	whole := took(folder, fmt.Sprintf("%d done", many)) / many
	migrate(t, nil, args("verify", toSource, toTarget, sink, folder, "--database", name)...).want(t, exitOK, fmt.Sprintf("%d done", many))
	for i := range many {
		if err := target.Drop(t.Context(), fmt.Sprintf("c%03d", i)); err != nil {
			t.Fatal(err)
		}
	}
	single := (before + one(t.TempDir(), many-singly)) / (2 * singly)
	ratio := float64(whole) / float64(single)
	t.Logf("a collection of %d rows took %v of %d moved as one, and %v moved by itself: %.2f times", rows, whole, many, single, ratio)
	if ratio > 1.1 {
		t.Errorf("a collection takes %.2f times as long in a move of many as by itself", ratio)
	}
}

// fill makes small collections with as many rows each, which are loaded.
func fill(t *testing.T, server *milvus.Server, many, rows int) {
	t.Helper()
	var making errgroup.Group
	making.SetLimit(8)
	for i := range many {
		making.Go(func() error {
			c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, dim)))
			c.Name, c.Shards = fmt.Sprintf("c%03d", i), 1
			if err := server.Create(t.Context(), c); err != nil {
				return err
			}
			if err := labtest.TryInsert(t.Context(), server, c.Name, documentRows(0, rows)); err != nil {
				return err
			}
			if err := server.CreateIndexes(t.Context(), c); err != nil {
				return err
			}
			return server.Load(t.Context(), c.Name)
		})
	}
	if err := making.Wait(); err != nil {
		t.Fatal(err)
	}
}
