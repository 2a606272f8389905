package main

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/model"
)

// TestRunWholeServer25 moves what no real server here has from one 2.5 to another: a database with properties, collections in resource groups and
// several replicas, groups of privileges with what is granted by them, and users with their passwords. After it both are the same.
//
// It stands on Milvus' sources of 2.5, whose rules the servers in memory follow: a load that names neither replicas nor resource groups takes its
// database's (querycoord, broker and utils.AssignReplica); a right to a group is global by its object, though it be on one collection, and one of
// a level can't name more (rootcoord, OperatePrivilege and validatePrivilegeGroupParams); RestoreRBAC makes users of the hashes that BackupRBAC
// gives, refuses those who are there, and takes nothing for nothing (its catalog, RestoreRBAC).
func TestRunWholeServer25(t *testing.T) {
	from, to, ctx := memory.Start(t, "v2.5.10"), memory.Start(t, "v2.5.10"), t.Context()
	source := from.Client(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	add := func(database, name string) {
		c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, dim)))
		c.Database, c.Name = database, name
		from.Add(t, c)
		from.Sealed(t, memory.Within(database, name), documentRows(0, 100))
		must(source.In(database).Release(ctx, name))
	}
	from.ResourceGroups, to.ResourceGroups = []string{"rg1", "rg2"}, []string{"rg1", "rg2"}
	must(source.CreateDatabase(ctx, model.Database{Name: "news", Properties: []*commonpb.KeyValuePair{
		{Key: "database.replica.number", Value: "2"}, {Key: "database.resource_groups", Value: "rg1,rg2"}, {Key: "database.max.collections", Value: "10"},
	}}))
	add("news", "items")
	must(source.In("news").Load(ctx, "items"))
	add("", "docs")
	must(source.LoadLike(ctx, "docs", model.Load{Replicas: 2, Groups: []string{"rg2"}})) // and the other one in the default group

	must(source.CreatePrivilegeGroup(ctx, "lookers"))
	must(source.AddPrivileges(ctx, "lookers", []string{"Query", "Search"}))
	must(source.CreatePrivilegeGroup(ctx, "listers"))
	must(source.AddPrivileges(ctx, "listers", []string{"ListDatabases", "SelectUser"}))
	must(source.CreateRole(ctx, "reader"))
	for _, g := range []model.Grant{
		{Name: "items", Database: "news", Privilege: "lookers"}, {Name: "*", Database: "*", Privilege: "listers"},
		{Name: "docs", Database: "default", Privilege: "CollectionReadOnly"}, {Object: "Collection", Name: "docs", Database: "default", Privilege: "Insert"},
	} {
		g.Role = "reader"
		must(source.Grant(ctx, g))
	}
	must(source.CreateUser(ctx, "ann", "secret-of-ann"))
	must(source.GiveRole(ctx, "ann", "reader"))

	servers, folder := args("--source-address", from.Address, "--target-address", to.Address), t.TempDir()
	move := args(servers, "--all", sink, filepath.Join(folder, "sink"), "--via", "insert", "--new-users-file", filepath.Join(folder, "users.yaml"))
	migrate(t, nil, args("plan", move)...).want(t, exitOK, "privilege groups to make: listers, lookers", "4 grants to make", "users with the password that they have: ann")
	migrate(t, nil, args("run", move, "--listen", "")...).want(t, exitOK, "2 done; 200 rows", "made 1 users, 1 roles, 4 grants")
	migrate(t, nil, args("diff", servers)...).want(t, exitOK)
	if r := migrate(t, nil, args("diff", servers)...); r.stdout != "" {
		t.Errorf("after the move they differ: %s", r.stdout)
	}
	migrate(t, nil, args("verify", servers, "--all")...).want(t, exitOK, "2 done")
	if !to.Accepts("ann", "secret-of-ann") {
		t.Error("her password is not let in")
	}
	for database, want := range map[string][]string{"news": {"rg1", "rg2"}, "": {"rg2"}} {
		name := map[string]string{"news": "items", "": "docs"}[database]
		if is, err := to.Client(t).In(database).DescribeWhole(ctx, name); err != nil || is.Load.Replicas != 2 || !slices.Equal(is.Load.Groups, want) {
			t.Errorf("%s is loaded as %+v, want in %v: %v", name, is.Load, want, err)
		}
	}

	lacking := memory.Start(t, "v2.5.10")
	elsewhere := args("--source-address", from.Address, "--target-address", lacking.Address, "--all")
	migrate(t, nil, args("plan", elsewhere)...).want(t, exitOK, "docs: its replicas are in the default resource group: the target has no rg2",
		"news.items: its database on the target: made without its resource groups rg1, rg2, since there is no rg1, rg2")
	if made := lacking.Collections(); len(made) > 0 {
		t.Errorf("a plan has made %v", made)
	}
}
