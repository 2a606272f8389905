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
	"migrate/internal/milvus"
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

// TestLoadOfChanging describes a collection that somebody begins to load, or releases, while it is looked at.
func TestLoadOfChanging(t *testing.T) {
	srv := memory.Start(t, "v2.3.5")
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
	srv.Add(t, c)
	server, other := srv.Client(t), srv.Client(t)
	srv.Loading(3)
	if is, err := server.DescribeWhole(t.Context(), c.Name); err != nil || is.Load.Replicas != 1 {
		t.Errorf("being loaded: %+v, %v", is, err)
	}
	srv.Loading(2)
	if is, err := milvus.NewCatalog(server).Describe(t.Context(), "", c.Name); err != nil || is.Load.Replicas != 1 {
		t.Errorf("being loaded, as one of many: %+v, %v", is, err)
	}
	srv.Watch(func(ctx context.Context, method string) {
		if method != "GetReplicas" {
			return
		}
		if err := other.Release(ctx, c.Name); err != nil {
			t.Error(err)
		}
	})
	if is, err := server.DescribeWhole(t.Context(), c.Name); err != nil || !is.Load.Released() {
		t.Errorf("being released: %+v, %v", is, err)
	}
}

// TestDescribeCalls holds the calls of a description to six, however many partitions there are, and to three where it is one of many that are
// released, beside those for each database.
func TestDescribeCalls(t *testing.T) {
	for _, version := range []string{"v2.3.5", "v2.5.10"} {
		srv := memory.Start(t, version)
		of := func(name string) *model.Collection {
			c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)),
				"_default", "p1", "p2", "p3", "p4", "p5", "p6", "p7")
			c.Name, c.Database = name, "news"
			srv.Add(t, c)
			return c
		}
		of("loaded")
		of("released")
		server := srv.Client(t)
		if err := server.In("news").Release(t.Context(), "released"); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		calls := 0
		srv.Watch(func(context.Context, string) {
			mu.Lock()
			defer mu.Unlock()
			calls++
		})
		catalog := milvus.NewCatalog(server)
		for _, c := range []struct {
			title, name string
			describe    func(ctx context.Context, database, name string) (*model.Collection, error)
			most        int
		}{
			{"one", "loaded", func(ctx context.Context, database, name string) (*model.Collection, error) {
				return server.In(database).DescribeWhole(ctx, name)
			}, 6},
			{"the first of many", "released", catalog.Describe, 4},
			{"a released one of many", "released", catalog.Describe, 3},
			{"a loaded one of many", "loaded", catalog.Describe, 5},
		} {
			calls = 0
			if is, err := c.describe(t.Context(), "news", c.name); err != nil || calls > c.most || is.Loaded != (c.name == "loaded") {
				t.Errorf("%s, %s: %d calls, %+v, %v", version, c.title, calls, is, err)
			}
		}
	}
}

// TestCatalogReleased describes one that was released after the others were listed.
func TestCatalogReleased(t *testing.T) {
	srv := memory.Start(t, "v2.3.5")
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
	srv.Add(t, c)
	server := srv.Client(t)
	catalog := milvus.NewCatalog(server)
	if is, err := catalog.Describe(t.Context(), "", c.Name); err != nil || !is.Loaded {
		t.Errorf("%+v, %v", is, err)
	}
	if err := server.Release(t.Context(), c.Name); err != nil {
		t.Fatal(err)
	}
	if is, err := catalog.Describe(t.Context(), "", c.Name); err != nil || is.Loaded || !is.Load.Released() {
		t.Errorf("%+v, %v", is, err)
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
