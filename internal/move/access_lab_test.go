//go:build lab

package move

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// seedAccess gives a real server a database, a role with rights of all kinds, and two users, under names that nobody else has.
func seedAccess(t *testing.T, server *milvus.Server) (database, role string, users []string) {
	t.Helper()
	name := "a" + strings.ToLower(rand.Text()[:8])
	database, role, users = name+"_db", name+"_role", []string{name + "_ann", name + "_bob"}
	ctx := t.Context()
	must(t, server.CreateDatabase(ctx, model.Database{Name: database}))
	must(t, server.CreateRole(ctx, role))
	for _, g := range []model.Grant{
		{Role: role, Object: "Collection", Name: "items", Database: database, Privilege: "Query"},
		{Role: role, Object: "Collection", Name: "*", Database: "default", Privilege: "Search"},
		{Role: role, Object: "Global", Name: "*", Database: database, Privilege: "CreateCollection"},
		{Role: role, Object: "Global", Name: "*", Database: "*", Privilege: "ShowCollections"},
		{Role: role, Object: "User", Name: "*", Database: "default", Privilege: "SelectUser"},
	} {
		must(t, server.Grant(ctx, g))
	}
	for _, user := range users {
		must(t, server.CreateUser(ctx, user, "secret-of-"+user))
		must(t, server.GiveRole(ctx, user, role))
	}
	return database, role, users
}

// dropAccessLater removes a role with all that is granted to it, users, and databases, when the test ends.
func dropAccessLater(t *testing.T, server *milvus.Server, database, role string, users []string) {
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if databases, err := server.Databases(ctx); err == nil && !slices.Contains(databases, database) {
			return
		}
		a, err := accessOf(ctx, server)
		must(t, err)
		for _, g := range a.Grants {
			if g.Role == role {
				must(t, server.Revoke(ctx, g))
			}
		}
		for _, user := range users {
			must(t, server.DropUser(ctx, user))
		}
		must(t, server.DropRole(ctx, role))
		must(t, server.DropDatabase(ctx, database))
	})
}

// TestAccessOfRealServers moves users from one secured server to another, where they log in with the passwords that were given and made
// up, and is done when it is called again.
func TestAccessOfRealServers(t *testing.T) {
	source, _ := labtest.Secure(t)
	target := labtest.Remote(t)
	database, role, users := seedAccess(t, source)
	dropAccessLater(t, source, database, role, users)
	dropAccessLater(t, target, database, role, users)
	must(t, target.CreateDatabase(t.Context(), model.Database{Name: database}))

	a := accessBetween(t, source, target)
	a.Passwords = Passwords{users[0]: "secret-of-" + users[0]}
	mine := func(some string) bool { return strings.Contains(some, strings.TrimSuffix(role, "_role")) }
	others := func(some string) bool { return !mine(some) }
	moved := func() (*AccessPlan, *AccessReport) { // others seed these servers too, and what is theirs stays where it is
		p, err := a.plan(t.Context())
		must(t, err)
		p.newRoles = slices.DeleteFunc(p.newRoles, others)
		p.Grants = slices.DeleteFunc(p.Grants, func(g model.Grant) bool { return others(g.Role) })
		p.Users = slices.DeleteFunc(p.Users, func(u PlannedUser) bool { return others(u.Name) })
		p.Left, p.Groups, p.newGroups = nil, nil, nil
		r, err := a.make(t.Context(), p)
		must(t, err)
		return p, r
	}
	p, r := moved()
	if !slices.Equal(r.Users, users) || !slices.Equal(r.Roles, []string{role}) || len(r.Failed) > 0 || r.Grants != 5 {
		t.Fatalf("%+v, %+v", p, r)
	}
	if differ := slices.DeleteFunc(identity(t, a), others); len(differ) > 0 {
		t.Errorf("not the same: %v", differ)
	}
	made, err := ReadPasswords(r.File)
	must(t, err)
	for user, password := range map[string]string{users[0]: "secret-of-" + users[0], users[1]: made[users[1]]} {
		conn, err := milvus.Connect(t.Context(), milvus.Config{Address: target.Address, Username: user, Password: password})
		if err != nil {
			t.Errorf("%s is not let in: %v", user, err)
			continue
		}
		conn.Close()
	}
	if again, r := moved(); len(again.Users)+len(again.newRoles)+len(again.Grants) > 0 || r.Grants > 0 {
		t.Errorf("again: %+v", again)
	}
}
