//go:build lab && faults

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/deploy/lab"
	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// TestReplicas moves a collection of the real cluster into another database of it, where it is loaded as it was: in two replicas, one on each of
// its query nodes, and then in a resource group that has one of them. The standalone has one query node and no such group: that is told before
// anything is changed, and the collection is loaded there in one replica.
func TestReplicas(t *testing.T) {
	t.Run("two", func(t *testing.T) {
		c := newReplicated(t, model.Load{Replicas: 2})
		c.wantMoved(t, model.DefaultGroup, model.DefaultGroup)
		c.wantElsewhere(t, "", "it is loaded in one replica, since the target refused 2")
	})
	t.Run("in a group", func(t *testing.T) {
		group := resourceGroup(t)
		c := newReplicated(t, model.Load{Replicas: 1, Groups: []string{group}})
		c.wantMoved(t, group)
		told := "its replicas are in the default resource group: the target has no " + group
		c.wantElsewhere(t, told, told)
	})
}

// replicated is a collection in a database of the cluster, that is to be moved into another one.
type replicated struct {
	database, into string
	move           []string // the flags of its move, but for the target
}

func newReplicated(t *testing.T, like model.Load) replicated {
	t.Helper()
	ctx, cluster := t.Context(), labtest.Target(t)
	r := replicated{labtest.Name(), labtest.Name(), nil}
	if err := cluster.CreateDatabase(ctx, model.Database{Name: r.database}); err != nil {
		t.Fatal(err)
	}
	standalone := labtest.Source(t)
	for _, server := range []*milvus.Server{cluster, standalone} {
		t.Cleanup(func() { dropDatabase(t, server, r.into) })
	}
	t.Cleanup(func() { dropDatabase(t, cluster, r.database) })
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, dim)))
	c.Name, c.Shards = "docs", 1
	server := cluster.In(r.database)
	for _, err := range []error{server.Create(ctx, c), labtest.TryInsert(ctx, server, c.Name, documentRows(0, 200)), server.CreateIndexes(ctx, c), server.LoadLike(ctx, c.Name, like)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "moves.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, "moves:\n  - {collection: %s.docs, database: %s}\n", r.database, r.into), 0o600); err != nil {
		t.Fatal(err)
	}
	r.move = args("--config", file, "--source-address", lab.Proxy1)
	return r
}

// wantMoved moves it, and asks the cluster where its replicas are.
func (r replicated) wantMoved(t *testing.T, groups ...string) {
	t.Helper()
	migrate(t, nil, args("run", r.move, toTarget, toStaging, sink, t.TempDir(), "--listen", "")...).want(t, exitOK, "1 done; 200 rows")
	if in := replicasIn(t, labtest.Target(t), r.into); !slices.Equal(in, groups) {
		t.Errorf("its replicas are in %v, want them in %v", in, groups)
	}
	one := args("--source-database", r.database, "--target-database", r.into, "--collection", "docs")
	if d := migrate(t, nil, args("diff", "--source-address", lab.Proxy1, toTarget, one)...); d.code != exitOK || d.stdout != "" {
		t.Errorf("after the move: %+v", d)
	}
}

// wantElsewhere plans to move it to the standalone, which changes nothing and tells what is known before, and then moves it.
func (r replicated) wantElsewhere(t *testing.T, planned, told string) {
	t.Helper()
	standalone, to := labtest.Source(t), args("--target-address", lab.Standalone)
	migrate(t, nil, args("plan", r.move, to)...).want(t, exitOK, planned, "0 can't be moved")
	if names, err := standalone.Databases(t.Context()); err != nil || slices.Contains(names, r.into) {
		t.Errorf("the plan has made a database: %v, %v", names, err)
	}
	migrate(t, nil, args("run", r.move, to, "--via", "insert", sink, t.TempDir(), "--listen", "")...).want(t, exitOK, "1 done; 200 rows", told)
	if in := replicasIn(t, standalone, r.into); !slices.Equal(in, []string{model.DefaultGroup}) {
		t.Errorf("its replicas are in %v", in)
	}
	if names, err := standalone.Databases(t.Context()); err != nil || slices.Contains(names, r.database) {
		t.Errorf("it has the database that the collection was in: %v, %v", names, err)
	}
}

// replicasIn are the resource groups of the replicas of a collection, by the server's own call.
func replicasIn(t *testing.T, server *milvus.Server, database string) (groups []string) {
	t.Helper()
	resp, err := labtest.Protocol(t, server).GetReplicas(t.Context(), &milvuspb.GetReplicasRequest{DbName: database, CollectionName: "docs"})
	if err != nil {
		t.Fatal(err)
	}
	for _, replica := range resp.Replicas {
		groups = append(groups, replica.ResourceGroupName)
	}
	return groups
}

// resourceGroup makes one of the cluster with one of its query nodes, which it has back when the test ends.
func resourceGroup(t *testing.T) string {
	t.Helper()
	name, svc, ctx := labtest.Name(), labtest.Protocol(t, labtest.Target(t)), context.WithoutCancel(t.Context())
	transfer := func(from, to string) error {
		_, err := svc.TransferNode(ctx, &milvuspb.TransferNodeRequest{SourceResourceGroup: from, TargetResourceGroup: to, NumNode: 1})
		return err
	}
	if _, err := svc.CreateResourceGroup(ctx, &milvuspb.CreateResourceGroupRequest{ResourceGroup: name}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		await(t, func() bool { // what was dropped is released soon
			_, err := svc.DropResourceGroup(ctx, &milvuspb.DropResourceGroupRequest{ResourceGroup: name})
			return err == nil
		})
	})
	if err := transfer(model.DefaultGroup, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := transfer(name, model.DefaultGroup); err != nil {
			t.Error(err)
		}
	})
	return name
}
