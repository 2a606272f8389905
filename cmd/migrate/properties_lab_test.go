//go:build lab

package main

import (
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/deploy/lab"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/model"
)

// TestDatabaseProperties moves a database with properties out of a real Milvus Lite 3.2.2, the only server here that keeps any, into a 2.5 in memory
// and back, and compares both by `migrate diff`.
func TestDatabaseProperties(t *testing.T) {
	t.Parallel()
	lite, between, name, ctx := labtest.Lite3(t), memory.Start(t, "v2.5.10"), labtest.Name(), t.Context()
	properties := []*commonpb.KeyValuePair{{Key: "database.replica.number", Value: "1"}, {Key: "database.max.collections", Value: "10"}}
	if err := lite.CreateDatabase(ctx, model.Database{Name: name, Properties: properties}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropDatabase(t, lite, name) })
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, dim)))
	c.Name, c.Shards = "docs", 1
	labtest.Create(t, lite.In(name), c)
	labtest.Insert(t, lite.In(name), c.Name, "", documentRows(0, 100))
	move := func(command, from, to string, more ...string) result {
		return migrate(t, nil, args(command, "--source-address", from, "--target-address", to, "--database", name, more)...)
	}
	for _, pair := range [][2]string{{lab.Lite3, between.Address}, {between.Address, lab.Lite3}} {
		if pair[1] == lab.Lite3 {
			dropDatabase(t, lite, name)
		}
		move("run", pair[0], pair[1], sink, t.TempDir(), "--via", "insert", "--listen", "").want(t, exitOK, "1 done; 100 rows")
		if d := move("diff", pair[0], pair[1]); d.code != exitOK || d.stdout != "" {
			t.Errorf("after the move to %s: %+v", pair[1], d)
		}
	}
	is, err := labtest.Protocol(t, lite).DescribeDatabase(ctx, &milvuspb.DescribeDatabaseRequest{DbName: name})
	if got := model.ToMap(is.GetProperties()); err != nil || len(got) != 2 || got["database.max.collections"] != "10" {
		t.Errorf("it came back with %v, %v", got, err)
	}
}
