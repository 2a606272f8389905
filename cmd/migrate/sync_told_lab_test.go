//go:build lab

package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/labtest/memory"
)

// TestToldSyncKilled kills a sync that is told by the storage of a real source, again and again while rows are written. The same command goes on
// each time, and is still told; in the end the target is the source.
func TestToldSyncKilled(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "sync told by the storage: kill -9 at a random instant, while rows are written", kills(t), "one pass brings the target in step")
	from, target := labtest.Source(t), memory.Start(t, "v2.3.5")
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, dim)))
	labtest.Create(t, from, c)
	labtest.CompactWhenTold(t, labtest.Protocol(t, from), c.Name)
	c.Properties = labtest.Describe(t, from, c.Name).Properties
	target.Add(t, c)
	both := args("--source-address", from.Address, "--target-address", target.Address, "--collection", c.Name)
	told := args("sync", "--log-level", "error", both, sink, t.TempDir(), "--source-storage-url", labtest.SourceStorage(t).URL(""))
	next := 0
	var mu sync.Mutex
	write := func() {
		mu.Lock()
		defer mu.Unlock()
		labtest.Insert(t, from, c.Name, "", documentRows(next, next+200))
		if next > 0 {
			labtest.Upsert(t, from, c.Name, documentRows(next-100, next-90))
			labtest.Delete(t, from, c.Name, fmt.Sprintf("id in [%d, %d]", next-1, next-2))
		}
		next += 200
	}
	for range 2 { // all is compared, and then told
		write()
		migrate(t, nil, args(told, "--once", "--base-done")...).want(t, exitOK)
	}
	write()
	migrate(t, nil, args(told, "--once")...).want(t, exitOK, "told by the storage; 200 rows inserted")
	k := newKiller(t, 8*time.Second) // some cycles of a daemon
	var calls atomic.Int64
	target.Watch(func(context.Context, string) {
		if calls.Add(1)%10 == 0 {
			write()
		}
	})
	for range kills(t) {
		write()
		k.strike(t, args(told, "--interval", "100ms", "--flush-every", "500ms", "--listen", ""))
	}
	target.Watch(nil)
	migrate(t, nil, args(told, "--once")...).want(t, exitOK)
	migrate(t, nil, args("verify", both)...).want(t, exitOK, "equal")
	write()
	migrate(t, nil, args(told, "--once")...).want(t, exitOK, "told by the storage; 200 rows inserted")
	migrate(t, nil, args("verify", both)...).want(t, exitOK, "equal")
}
