package milvus_test

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/model"
)

// TestLoadOf tells a whole collection, a part of one and a released one apart, with replicas in resource groups.
func TestLoadOf(t *testing.T) {
	srv := memory.Start(t, "v2.5.10")
	srv.ResourceGroups = []string{"rg1", "rg2"}
	coll := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)), "_default", "p1", "p2")
	srv.Add(t, coll)
	ctx, server := t.Context(), srv.Client(t)
	holds := func(want model.Load) {
		t.Helper()
		c, err := server.DescribeWhole(ctx, coll.Name)
		if err != nil || !reflect.DeepEqual(*c.Load, want) || c.Loaded != (len(want.Partitions) == 3) {
			t.Errorf("%+v, %v; want %+v", c.Load, err, want)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	holds(model.Load{Partitions: []string{"_default", "p1", "p2"}, Replicas: 1})
	must(server.ReleasePartitions(ctx, coll.Name, []string{"p1"}))
	holds(model.Load{Partitions: []string{"_default", "p2"}, Replicas: 1})
	must(server.Release(ctx, coll.Name))
	holds(model.Load{})
	two := model.Load{Replicas: 2, Groups: []string{"rg1", "rg2"}}
	must(server.LoadPartitions(ctx, coll.Name, []string{"p1"}, two))
	holds(model.Load{Partitions: []string{"p1"}, Replicas: 2, Groups: []string{"rg1", "rg2"}})
	must(server.Release(ctx, coll.Name))
	must(server.LoadLike(ctx, coll.Name, two))
	holds(model.Load{Partitions: []string{"_default", "p1", "p2"}, Replicas: 2, Groups: []string{"rg1", "rg2"}})
	must(server.Release(ctx, coll.Name))
	if err := server.LoadLike(ctx, coll.Name, model.Load{Replicas: 1, Groups: []string{"nobody's"}}); err == nil {
		t.Error("loaded into a resource group that is not there")
	}
	groups, err := server.ResourceGroups(ctx)
	if err != nil || !slices.Equal(groups, []string{model.DefaultGroup, "rg1", "rg2"}) {
		t.Errorf("resource groups: %v, %v", groups, err)
	}
}

// TestDescribeWholeCalls holds the calls of a description to six, however many partitions there are.
func TestDescribeWholeCalls(t *testing.T) {
	for _, version := range []string{"v2.3.5", "v2.5.10"} {
		srv := memory.Start(t, version)
		coll := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)),
			"_default", "p1", "p2", "p3", "p4", "p5", "p6", "p7")
		srv.Add(t, coll)
		server := srv.Client(t)
		var mu sync.Mutex
		calls := 0
		srv.Watch(func(context.Context, string) {
			mu.Lock()
			defer mu.Unlock()
			calls++
		})
		if _, err := server.DescribeWhole(t.Context(), coll.Name); err != nil || calls > 6 {
			t.Errorf("%s: %d calls, %v", version, calls, err)
		}
	}
}

// TestDatabases makes one with properties, which a server before 2.4 keeps none of.
func TestDatabases(t *testing.T) {
	for version, kept := range map[string]int{"v2.3.5": 0, "v2.5.10": 1} {
		srv := memory.Start(t, version)
		server := srv.Client(t)
		made := model.Database{Name: "news", Properties: []*commonpb.KeyValuePair{
			{Key: "database.replica.number", Value: "2"}, {Key: "timezone", Value: "UTC"}, {Key: "cipher.key", Value: "secret"},
		}}
		if err := server.CreateDatabase(t.Context(), made); err != nil {
			t.Fatal(err)
		}
		got, err := server.DescribeDatabase(t.Context(), "news")
		if err != nil || len(got.Properties) != kept {
			t.Errorf("%s: %v, %v", version, got, err)
		}
	}
}
