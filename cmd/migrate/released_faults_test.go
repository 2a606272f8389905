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
	"migrate/internal/model"
)

// TestManyReleased plans and compares two hundred released collections of real servers.
func TestManyReleased(t *testing.T) {
	const many = 200
	name, source, target := database(t)
	if err := labtest.Target(t).CreateDatabase(t.Context(), model.Database{Name: name}); err != nil {
		t.Fatal(err)
	}
	making, ctx := errgroup.WithContext(t.Context())
	making.SetLimit(8)
	for _, server := range []*milvus.Server{source, target} {
		for i := range many {
			making.Go(func() error {
				c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, dim)))
				c.Name, c.Shards = fmt.Sprintf("c%03d", i), 1
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
	began := time.Now()
	migrate(t, nil, args("plan", toSource, toTarget, "--database", name, "--load")...).want(t, exitOK, "200 collections")
	t.Logf("planned in %v", time.Since(began))
	began = time.Now()
	migrate(t, nil, args("diff", toSource, toTarget, "--database", name)...).want(t, exitOK)
	t.Logf("compared in %v", time.Since(began))
}
