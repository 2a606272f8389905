package milvus_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// TestAccess makes users, roles, grants and groups, and finds them again.
func TestAccess(t *testing.T) {
	srv := memory.Start(t, "v2.5.10")
	ctx, server := t.Context(), srv.Client(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	reader := model.Grant{Role: "reader", Object: "Collection", Name: "docs", Database: "news", Privilege: "Query"}
	all := model.Grant{Role: "reader", Object: "Global", Name: "*", Database: "*", Privilege: "lookers"} // as 2.5 and later tell of groups
	must(server.CreateDatabase(ctx, model.Database{Name: "news"}))
	must(server.CreatePrivilegeGroup(ctx, "lookers"))
	must(server.AddPrivileges(ctx, "lookers", []string{"Search", "Query"}))
	must(server.CreateRole(ctx, "reader"))
	for range 2 {
		must(server.Grant(ctx, reader))
		must(server.Grant(ctx, all))
	}
	must(server.CreateUser(ctx, "ann", "secret-of-ann"))
	must(server.GiveRole(ctx, "ann", "reader"))
	got, err := server.Access(ctx, []string{"default", "news"})
	must(err)
	public := model.Grant{Role: "public", Object: "Global", Name: "*", Database: "*", Privilege: "DescribeCollection"}
	want := &model.Access{
		Users: []model.User{{Name: "ann", Roles: []string{"reader"}}, {Name: "root"}}, Roles: []string{"admin", "public", "reader"},
		Grants: []model.Grant{public, all, reader}, Groups: []model.PrivilegeGroup{{Name: "lookers", Privileges: []string{"Query", "Search"}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	must(server.Revoke(ctx, all))
	if got, err := server.Access(ctx, []string{"default"}); err != nil || len(got.Grants) != 1 {
		t.Errorf("after a revocation, without the other database: %+v, %v", got, err)
	}
	srv.Deny("SelectUser")
	if _, err := server.Access(ctx, nil); !errors.Is(err, milvus.ErrPrivilege) {
		t.Errorf("without the right: %v", err)
	}
}

// TestPasswordHashes takes a user's password from one server to another, where both can, without showing it.
func TestPasswordHashes(t *testing.T) {
	from, to, old := memory.Start(t, "v2.5.10"), memory.Start(t, "v2.6.6"), memory.Start(t, "v2.3.5")
	ctx, source, target := t.Context(), from.Client(t), to.Client(t)
	if err := source.CreateUser(ctx, "ann", "secret-of-ann"); err != nil {
		t.Fatal(err)
	}
	hashes, err := source.PasswordHashes(ctx)
	if err != nil || len(hashes) != 1 {
		t.Fatal(len(hashes), err)
	}
	if takes, err := target.TakesHashes(ctx); !takes || err != nil {
		t.Fatal(takes, err)
	}
	if err := target.CreateUserOf(ctx, "ann", hashes["ann"]); err != nil || !to.Accepts("ann", "secret-of-ann") {
		t.Errorf("made of its hash: %v", err)
	}
	if shown := fmt.Sprintf("%v %+v %#v", hashes, hashes, hashes); strings.Contains(shown, "secret") {
		t.Error("a hash is shown:", shown)
	}
	if takes, err := old.Client(t).TakesHashes(ctx); takes || err != nil {
		t.Error("2.3.5 takes no hashes:", takes, err)
	}
	if none, err := old.Client(t).PasswordHashes(ctx); none != nil || err != nil {
		t.Error("2.3.5 gives none:", none, err)
	}
}
