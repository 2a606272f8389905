//go:build lab && faults

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"golang.org/x/sync/errgroup"

	"migrate/internal/labtest"
	"migrate/internal/labtest/double"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// TestManyReleased plans and compares a thousand released collections of real servers, by at most six calls to each of them for a collection, and
// in the memory that a hundred take.
func TestManyReleased(t *testing.T) {
	const few, many, calls, more = 100, 1000, 6, 16 << 20 // bytes
	name, from, to := database(t)
	if err := labtest.Target(t).CreateDatabase(t.Context(), model.Database{Name: name}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	makeReleased(t, many, from, to)
	t.Logf("made %d on each in %v", many, time.Since(began).Round(time.Second))
	source, target := tally(t, from), tally(t, to)
	both := args("--source-address", source.Address, "--target-address", target.Address, "--database", name, "--json")
	for _, command := range [][]string{{"plan", "--load"}, {"diff"}} {
		tells := func(n int, pattern string) (peak int64) {
			t.Helper()
			r := migrate(t, nil, args(command, both, "--collection", pattern)...)
			r.want(t, exitOK)
			told := released{}
			if err := json.Unmarshal([]byte(r.stdout), &told); err != nil || told.many(t) != n {
				t.Fatalf("%s of %d: %.200s, %v", command[0], n, r.stdout, err)
			}
			ofSource, ofTarget := source.calls.Swap(0), target.calls.Swap(0)
			t.Logf("%s of %d in %.1f s: %d and %d calls, peak memory %s", command[0], n, told.Seconds, ofSource, ofTarget, humanize.IBytes(uint64(told.Peak)))
			if most := int64(calls*n + 40); ofSource > most || ofTarget > most || ofSource < int64(n) || ofTarget < int64(n) {
				t.Errorf("%s of %d: %d calls to the source, and %d to the target", command[0], n, ofSource, ofTarget)
			}
			return told.Peak
		}
		if least, most := tells(few, "c00*"), tells(many, "c*"); most > least+more {
			t.Errorf("%s takes %d bytes of %d collections, and %d of %d", command[0], least, few, most, many)
		}
	}
}

// released is what a command tells of such collections.
type released struct {
	Collections json.RawMessage // a list, or their number
	Seconds     float64
	Peak        int64 `json:"peak_memory_bytes"`
}

func (r released) many(t *testing.T) (n int) {
	t.Helper()
	var all []json.RawMessage
	if json.Unmarshal(r.Collections, &all) == nil {
		return len(all)
	}
	if err := json.Unmarshal(r.Collections, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// tallied is a real server behind one that passes all on, and counts the calls but for the first one of each connection.
type tallied struct {
	*double.Server
	calls atomic.Int64
}

func tally(t *testing.T, server *milvus.Server) *tallied {
	t.Helper()
	c := &tallied{}
	c.Server = double.Start(t, double.Config{Version: server.Version(), Upstream: server.Address, Watch: func(_ context.Context, method string) {
		if method != "Connect" {
			c.calls.Add(1)
		}
	}})
	return c
}

// makeReleased makes collections with an index on each server, that nobody loads.
func makeReleased(t *testing.T, many int, servers ...*milvus.Server) {
	t.Helper()
	making, ctx := errgroup.WithContext(t.Context())
	making.SetLimit(16)
	for i := range many {
		for _, server := range servers {
			making.Go(func() error {
				c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, dim)))
				c.Name, c.Shards = fmt.Sprintf("c%04d", i), 1
				if err := server.Create(ctx, c); err != nil {
					return err
				}
				return server.CreateIndexes(ctx, c)
			})
		}
	}
	if err := making.Wait(); err != nil {
		t.Fatal(err)
	}
}
