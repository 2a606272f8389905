package move

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/model"
	store "migrate/sinks/memory"
)

// movedAccess plans and makes.
func movedAccess(t *testing.T, a accessMove) (*AccessPlan, *AccessReport) {
	t.Helper()
	p, err := a.plan(t.Context())
	must(t, err)
	r, err := a.make(t.Context(), p)
	must(t, err)
	return p, r
}

// accessOn is a move of users between two servers, with a journal of its own, and a file for new passwords.
func accessOn(t *testing.T, source, target *memory.Server) accessMove {
	t.Helper()
	return accessBetween(t, source.Client(t), target.Client(t))
}

func accessBetween(t *testing.T, source, target *milvus.Server) accessMove {
	t.Helper()
	kept, err := recordOn(&store.Sink{}, "all")
	must(t, err)
	return accessMove{
		Access: Access{File: filepath.Join(t.TempDir(), "users.yaml")}, source: source, target: target,
		as: func(n Named) Named { return n }, record: kept,
	}
}

// empty is a server with a database alone.
func empty(t *testing.T, version string) *memory.Server {
	t.Helper()
	s := memory.Start(t, version)
	must(t, s.Client(t).CreateDatabase(t.Context(), model.Database{Name: "news"}))
	return s
}

// identity is how the users of the target are not those of the source.
func identity(t *testing.T, a accessMove) []string {
	t.Helper()
	want, err := accessOf(t.Context(), a.source)
	must(t, err)
	have, err := accessOf(t.Context(), a.target)
	must(t, err)
	return lines(accessDiffers(renamed(want, a.as), have))
}

// TestAccessMoves makes users, roles, grants and groups on a target that has none, and nothing more when it is called again.
func TestAccessMoves(t *testing.T) {
	for title, c := range map[string]struct {
		target     string
		given      Passwords
		from       string
		differs    string // what is not the same after it
		knowsGiven bool
	}{
		"by their hashes":     {"v2.6.6", nil, hashPassword, "", true},
		"as they were given":  {"v2.6.6", Passwords{"ann": "another-secret"}, givenPassword, "", false},
		"new ones":            {"v2.4.4", nil, newPassword, "privilege group lookers: missing on the target", false},
		"given to an old one": {"v2.3.5", Passwords{"ann": "secret-of-ann"}, givenPassword, "privilege group lookers: missing on the target", true},
	} {
		target := empty(t, c.target)
		a := accessOn(t, world(t), target)
		a.Passwords = c.given
		p, r := movedAccess(t, a)
		if len(p.Users) != 1 || p.Users[0].Password != c.from || r.Grants != 1 || !slices.Equal(r.Users, []string{"ann"}) || !slices.Equal(r.Roles, []string{"reader"}) || len(r.Failed) > 0 {
			t.Errorf("%s: %+v, %+v", title, p, r)
		}
		if got := strings.Join(identity(t, a), "\n"); got != c.differs {
			t.Errorf("%s: not the same: %s", title, got)
		}
		if knows := target.Accepts("ann", "secret-of-ann"); knows != c.knowsGiven {
			t.Errorf("%s: the old password is let in: %t", title, knows)
		}
		if c.from == newPassword {
			made, err := ReadPasswords(r.File)
			if err != nil || !target.Accepts("ann", made["ann"]) {
				t.Errorf("%s: the new password: %v", title, err)
			}
		}
		again, r := movedAccess(t, a)
		if len(again.Users)+len(again.Roles)+len(again.Grants)+len(again.Groups) > 0 || r.Grants > 0 {
			t.Errorf("%s: again: %+v", title, again)
		}
	}
}

// TestAccessLeaves names what is on the target already and differs, and leaves it.
func TestAccessLeaves(t *testing.T) {
	target := world(t)
	a := accessOn(t, world(t), target)
	must(t, a.target.Revoke(t.Context(), queryItems))
	must(t, a.target.AddPrivileges(t.Context(), "lookers", []string{"Delete"}))
	must(t, a.source.Grant(t.Context(), model.Grant{Role: "public", Object: "Global", Name: "*", Database: "*", Privilege: "ShowCollections"}))
	must(t, a.source.GiveRole(t.Context(), "ann", "admin"))
	before := identity(t, a)
	p, _ := movedAccess(t, a)
	want := []string{
		"privilege group lookers: it is there, and left as it is: it also has privilege Delete",
		"role public: it is there, and left as it is: it lacks ShowCollections on Global * of database *",
		"role reader: it is there, and left as it is: it lacks Query on Collection items of database news",
		"user ann: it is there, and keeps its password",
		"user ann: it is there, and left as it is: it lacks role admin",
	}
	if got := lines(p.Left); !slices.Equal(got, want) {
		t.Errorf("left:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if after := identity(t, a); !slices.Equal(after, before) {
		t.Errorf("changed: %v, then %v", before, after)
	}
}

// TestAccessRenamed has grants follow the new names of collections and databases, those of groups of privileges too.
func TestAccessRenamed(t *testing.T) {
	source := world(t)
	must(t, source.Client(t).Grant(t.Context(), model.Grant{Role: "reader", Name: "items", Database: "news", Privilege: "lookers"}))
	a := accessOn(t, source, empty(t, "v2.5.10"))
	a.as = func(n Named) Named {
		if n.Database == "news" {
			n.Database = "archive"
		}
		if n.Collection == "items" {
			n.Collection = "things"
		}
		return n
	}
	must(t, a.target.CreateDatabase(t.Context(), model.Database{Name: "archive"}))
	p, _ := movedAccess(t, a)
	moved := model.Grant{Role: "reader", Object: "Collection", Name: "things", Database: "archive", Privilege: "Query"}
	byGroup := model.Grant{Role: "reader", Object: "Global", Name: "things", Database: "archive", Privilege: "lookers"}
	if !slices.Equal(p.Grants, []model.Grant{moved, byGroup}) || len(identity(t, a)) > 0 {
		t.Errorf("%v, %v", p.Grants, identity(t, a))
	}
}

// TestAccessInterrupted ends the move of users at each call that changes the target, whose answer gets lost, and has the next call complete it:
// nobody is made twice, and the new passwords are those of the file.
func TestAccessInterrupted(t *testing.T) {
	changes := []string{"CreatePrivilegeGroup", "OperatePrivilegeGroup", "CreateRole", "OperatePrivilege", "CreateCredential", "RestoreRBAC", "OperateUserRole"}
	for _, version := range []string{"v2.4.4", "v2.6.6"} {
		for _, at := range changes {
			target := empty(t, version)
			a := accessOn(t, world(t), target)
			p, err := a.plan(t.Context())
			must(t, err)
			ctx, kill := context.WithCancel(t.Context())
			target.Answer(func(method string) error {
				if method != at || ctx.Err() != nil {
					return nil
				}
				kill()
				return status.Error(codes.Internal, "the answer gets lost")
			})
			_, err = a.make(ctx, p)
			if killed := ctx.Err() != nil; killed && !errors.Is(err, context.Canceled) {
				t.Errorf("%s, at %s: %v", version, at, err)
			}
			kill()
			_, r := movedAccess(t, a)
			left := without(identity(t, a), []string{"privilege group lookers: missing on the target"})
			if len(left) > 0 || len(r.Failed) > 0 {
				t.Errorf("%s, after %s: %v, failed: %v", version, at, left, r.Failed)
			}
			if made, err := ReadPasswords(a.File); version == "v2.4.4" && (err != nil || !target.Accepts("ann", made["ann"])) {
				t.Errorf("%s, after %s: the password of the file: %v", version, at, err)
			}
		}
	}
}

// TestAccessFails tells of what the target refuses, and makes the rest.
func TestAccessFails(t *testing.T) {
	target := empty(t, "v2.5.10")
	a := accessOn(t, world(t), target)
	a.Passwords = Passwords{"ann": "short"}
	must(t, a.source.CreateUser(t.Context(), "bob", "secret-of-bob"))
	_, r := movedAccess(t, a)
	if got := lines(r.Failed); len(got) != 1 || !strings.Contains(got[0], "user ann: ") || !slices.Equal(r.Users, []string{"bob"}) {
		t.Errorf("%v, made %v", got, r.Users)
	}
	if shown := fmt.Sprintf("%v %+v %#v", a.Passwords, a, r); strings.Contains(shown, "short") {
		t.Errorf("a password is shown: %s", shown)
	}
}

// TestAccessWithoutDatabase leaves what is granted in a database that is not moved.
func TestAccessWithoutDatabase(t *testing.T) {
	a := accessOn(t, world(t), memory.Start(t, "v2.5.10"))
	if p, _ := movedAccess(t, a); len(p.Grants) > 0 || !slices.Equal(lines(p.Left), []string{
		"role reader: not granted, since the target has no such database: Query on Collection items of database news",
	}) {
		t.Errorf("%+v", p)
	}
	a = accessOn(t, world(t), memory.Start(t, "v2.5.10"))
	a.making = []string{"news"}
	if p, _ := movedAccess(t, a); len(p.Grants) != 1 {
		t.Errorf("where the database is to be made: %+v", p)
	}
}

// TestAccessWithoutUsers tells of users that the target can't have.
func TestAccessWithoutUsers(t *testing.T) {
	a := accessOn(t, world(t), memory.Start(t, memory.Lite3))
	p, _ := movedAccess(t, a)
	if got := lines(p.Left); !slices.Equal(got, []string{"users and roles: the target knows none: 2 users and 3 roles are not moved"}) {
		t.Error(got)
	}
}

// TestNewPasswords are written once, for their owner alone, and into no file of somebody else.
func TestNewPasswords(t *testing.T) {
	n := newPasswords{filepath.Join(t.TempDir(), "users.yaml"), "THE-MOVE"}
	first, err := n.add([]string{"ann", "o'hara: x", "123"})
	must(t, err)
	info, err := os.Stat(n.file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	more, err := n.add([]string{"ann", "bob"})
	if err != nil || more["ann"] != first["ann"] || more["o'hara: x"] != first["o'hara: x"] || more["123"] != first["123"] || more["bob"] == "" {
		t.Errorf("what was made up is not kept: %v", err)
	}
	if read, err := ReadPasswords(n.file); err != nil || len(read) != 4 || read["bob"] != more["bob"] {
		t.Errorf("it does not read as a file of users: %v", err)
	}
	if _, err := (newPasswords{n.file, "ANOTHER"}).add([]string{"cid"}); !errors.Is(err, ErrUsersFile) {
		t.Errorf("of another move: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(n.file), ".*")); len(left) > 0 || err != nil {
		t.Errorf("left beside it: %v", left)
	}
}

// TestParsePasswords reads what people write, and says of what is wrong no word of it.
func TestParsePasswords(t *testing.T) {
	for text, want := range map[string]string{
		"ann: secret\nbob: 'a: b'\n": "a: b", "bob: 001234": "001234", "bob: yes": "yes", "# nobody\n": "",
	} {
		if p, err := parsePasswords([]byte(text)); err != nil || p["bob"] != want {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"ann: *hidden", "- ann: hidden", "hidden", "ann:\n  password: hidden", "ann: hidden: x", "ann:", "ann: hidden\nann: hidden", "ann: [hidden]"} {
		if _, err := parsePasswords([]byte(text)); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzParsePasswords never shows what it was given, and never has a user without a password.
func FuzzParsePasswords(f *testing.F) {
	for _, text := range []string{"ann: secret", "ann: *a", "{", "a: [b]", "? a\n: b"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parsePasswords(text)
		for user, password := range p {
			if user == "" || password == "" {
				t.Errorf("%q: a user without a password, or a password of nobody (%v)", text, err)
			}
		}
	})
}
