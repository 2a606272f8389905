//go:build lab

package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"golang.org/x/sync/errgroup"

	"migrate/deploy/lab"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// database makes one of its own on both servers, and drops it when the test ends: the first is the source's.
func database(t *testing.T) (name string, source, target *milvus.Server) {
	t.Helper()
	name = labtest.Name()
	from, to := labtest.Source(t), labtest.Target(t)
	if err := from.CreateDatabase(t.Context(), model.Database{Name: name}); err != nil {
		t.Fatal(err)
	}
	for _, server := range []*milvus.Server{from, to} {
		t.Cleanup(func() { dropDatabase(t, server, name) })
	}
	return name, from.In(name), to.In(name)
}

func dropDatabase(t *testing.T, server *milvus.Server, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 15*time.Minute)
	defer cancel()
	collections, err := server.In(name).Collections(ctx)
	if err != nil {
		t.Log(err) // it was never made
		return
	}
	var dropping errgroup.Group
	dropping.SetLimit(8)
	for _, c := range collections {
		dropping.Go(func() error { return server.In(name).Drop(ctx, c) })
	}
	if err := dropping.Wait(); err != nil {
		t.Error(err)
	}
	if err := server.DropDatabase(ctx, name); err != nil {
		t.Error(err)
	}
}

// TestRunManyKilled moves the collections of a database by one command, which is killed again and again: the same command ends it, every row is
// there once, and nothing is done again once all is done.
func TestRunManyKilled(t *testing.T) {
	t.Parallel()
	name, source, target := database(t)
	for i, rows := range []int{800, 300, 0} {
		c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, dim)))
		c.Name = fmt.Sprintf("c%d", i)
		labtest.Create(t, source, c)
		if rows > 0 {
			labtest.Insert(t, source, c.Name, "", documentRows(0, rows))
		}
	}
	folder := t.TempDir()
	run := args("run", toSource, "--target-address", closingLate(t, lab.Proxy1), toStaging, sink, folder, "--database", name, "--listen", "", "--workers", "2")
	verify := args("verify", toSource, toTarget, sink, folder, "--database", name)
	k := newKiller(t, 8*time.Second)
	faulttable.Tried(t, "a move of many: kill -9 at a random instant", kills(t), "the same command ends it: every row of every collection once")
	for strikes := 0; strikes < kills(t); {
		r, killed := k.strike(t, run)
		if killed {
			strikes++
			continue
		}
		r.want(t, exitOK, "3 done")
		migrate(t, nil, verify...).want(t, exitOK, "3 done")
		for i := range 3 {
			if err := target.Drop(t.Context(), fmt.Sprintf("c%d", i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	migrate(t, nil, run...).want(t, exitOK, "3 done", "1,100 rows")
	migrate(t, nil, verify...).want(t, exitOK, "3 done")
	migrate(t, nil, args("status", sink, folder)...).want(t, exitOK, name+".c0")
	started := time.Now()
	migrate(t, nil, run...).want(t, exitOK, "3 done")
	t.Logf("again, when all is done: %v", time.Since(started))
}
