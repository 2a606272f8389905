package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/model"
)

// TestRunWholeServer moves a server with its databases, aliases, users and rights, and shows no password on the way.
func TestRunWholeServer(t *testing.T) {
	from, to := memory.Start(t, "v2.3.5"), memory.Start(t, "v2.3.5")
	source, ctx := from.Client(t), t.Context()
	docs := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
	docs.Name, docs.Database = "docs", "news"
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	from.Add(t, docs)
	must(source.In("news").PointAlias(ctx, "d", "docs"))
	must(source.In("news").Release(ctx, "docs"))
	must(source.CreateRole(ctx, "reader"))
	must(source.Grant(ctx, model.Grant{Role: "reader", Object: "Collection", Name: "docs", Database: "news", Privilege: "Query"}))
	for _, user := range []string{"ann", "bob"} {
		must(source.CreateUser(ctx, user, "secret-of-"+user))
		must(source.GiveRole(ctx, user, "reader"))
	}
	folder := t.TempDir()
	users, fresh := filepath.Join(folder, "users.yaml"), filepath.Join(folder, "fresh.yaml")
	must(os.WriteFile(users, []byte("ann: 'secret-of-ann'\n"), 0o600))
	servers := args("--source-address", from.Address, "--target-address", to.Address)
	given := args(servers, "--all", "--sink-url", filepath.Join(folder, "sink"), "--via", "insert", "--load", "--users-file", users, "--new-users-file", fresh)

	plan := migrate(t, nil, args("plan", given)...)
	for _, want := range []string{"1 roles and 1 grants to make", "users with the password that is given: ann", "users with a new password: bob"} {
		if plan.code != exitOK || !strings.Contains(plan.stdout, want) {
			t.Errorf("plan lacks %q: %+v", want, plan)
		}
	}
	r := migrate(t, nil, args("run", given, "--log-level", "debug")...)
	if r.code != exitOK || !strings.Contains(r.stdout, "made 2 users, 1 roles, 1 grants") || !strings.Contains(r.stdout, "new passwords are in "+fresh) {
		t.Fatalf("%+v", r)
	}
	made, err := os.ReadFile(fresh)
	must(err)
	_, password, _ := strings.Cut(string(made), "bob: ")
	if password = strings.TrimSpace(password); !to.Accepts("bob", password) || !to.Accepts("ann", "secret-of-ann") {
		t.Error("the users are not let in")
	}
	if all := r.stdout + r.stderr + plan.stdout; strings.Contains(all, password) || strings.Contains(all, "secret-of") {
		t.Error("a password is shown")
	}
	if d := migrate(t, nil, args("diff", servers)...); d.code != exitOK || d.stdout != "" {
		t.Errorf("after the move: %+v", d)
	}
	again := migrate(t, nil, args("run", "--json", given)...)
	var told struct{ Access struct{ Users, Left []any } }
	if err := json.Unmarshal([]byte(again.stdout), &told); err != nil || again.code != exitOK || len(told.Access.Users)+len(told.Access.Left) > 0 {
		t.Errorf("again: %+v, %v", again, err)
	}
}
