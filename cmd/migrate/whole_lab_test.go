//go:build lab

package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"

	"migrate/deploy/lab"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/labtest/whole"
	"migrate/internal/milvus"
)

// TestWholeServer moves a whole server by one command: three databases with collections of every kind, aliases, what is loaded of them, users,
// roles and grants. What can't be moved is said before anything is changed, and all else is on the target as it is on the source, as verify, diff
// and pymilvus see it. The command is killed at random instants before it may end.
func TestWholeServer(t *testing.T) {
	t.Parallel()
	s := newWhole(t)
	if err := s.from.Make(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.wantRefused(t)
	s.killed(t)
	migrate(t, s.env, s.run...).want(t, exitFailed, "34 collections: 30 done, 4 refused")
	s.wantSame(t)
	migrate(t, s.env, args(s.verify, s.without)...).want(t, exitOK, "30 done") // also of what is loaded in part
	s.wantSame(t)
	s.wantEqual(t)
	s.wantLogins(t)

	migrate(t, s.env, s.run...).want(t, exitFailed, "34 collections: 30 done, 4 refused") // and nothing is done again
	s.wantSame(t)
	s.wantSeen(t)
}

// wholeMove is a server that is made, an empty one that it is moved to, and the commands of the move. No other test uses either meanwhile.
type wholeMove struct {
	from, to                         whole.Server
	plan, run, verify, diff, without []string
	env                              []string
}

func newWhole(t *testing.T) wholeMove {
	t.Helper()
	source, target := labtest.Alone(t)
	s := wholeMove{
		from: whole.Server{Config: source.Config, Protocol: source.Protocol, Seed: 26}, to: whole.Server{Config: target.Config, Protocol: target.Protocol},
		env: []string{
			"MIGRATE_SOURCE_PASSWORD=" + source.Password, "MIGRATE_TARGET_PASSWORD=" + target.Password,
			"MIGRATE_STAGING_ACCESS_KEY=" + lab.MinIOUser, "MIGRATE_STAGING_SECRET_KEY=" + lab.MinIOPassword,
		},
	}
	for _, server := range []whole.Server{s.from, s.to} {
		if err := server.Wipe(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := server.Wipe(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
	staging := labtest.Name() // of its own: jobs of a test that was ended are no jobs of this one
	labtest.EmptyLater(t, lab.RemoteBucket, staging)
	all := args("--source-address", source.Address, "--source-username", source.Username, "--source-tls", "--source-ca-file", source.CAFile,
		"--target-address", target.Address, "--target-username", target.Username, "--all")
	to := args(sink, t.TempDir())
	s.plan, s.diff, s.verify = args("plan", all, "--load", "--new-keys"), args("diff", all), args("verify", all, to, "--load")
	s.run = args("run", all, to, "--staging-url", "s3://"+lab.RemoteBucket+"/"+staging, "--staging-endpoint", lab.MinIO, "--load", "--new-keys",
		"--users-file", wholeUsers(t), "--listen", "", "--at-once", "8", "--jobs", "8", "--target-address", closingLate(t, target.Address))
	for name := range whole.NotMovable {
		s.without = append(s.without, "--exclude", name)
	}
	return s
}

// killed has the move be killed at random instants. Where it comes to its end meanwhile, it is made once more, to a server that is empty again.
func (s wholeMove) killed(t *testing.T) {
	t.Helper()
	k := newKiller(t, 12*time.Second)
	k.env = s.env
	faulttable.Tried(t, "a move of a whole server: kill -9 at a random instant", kills(t), "the same command ends it: all is there once, as on the source")
	for strikes := 0; strikes < kills(t); {
		r, killed := k.strike(t, s.run)
		if killed {
			strikes++
			continue
		}
		r.want(t, exitFailed, "34 collections: 30 done, 4 refused")
		s.wantSame(t)
		if err := s.to.Wipe(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// wholeUsers has the passwords of all users, as JSON, which is YAML too.
func wholeUsers(t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(whole.Users)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "users.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantRefused wants the plan to say what can't be moved, and why, and nothing to be made on the target by it.
func (s wholeMove) wantRefused(t *testing.T) {
	t.Helper()
	r := migrate(t, s.env, s.plan...)
	r.want(t, exitOK, "34 collections", "of which 4 can't be moved")
	for name, why := range whole.NotMovable {
		name = strings.TrimPrefix(name, whole.Default+".")
		if !slices.ContainsFunc(strings.Split(r.stdout, "\n"), func(line string) bool { return strings.HasPrefix(line, name+": ") && strings.Contains(line, why) }) {
			t.Errorf("the plan does not say why %s can't be moved", name)
		}
	}
	databases, err := s.to.Protocol.ListDatabases(t.Context(), &milvuspb.ListDatabasesRequest{})
	if err != nil || !slices.Equal(databases.GetDbNames(), []string{whole.Default}) {
		t.Errorf("databases of the target after a plan: %v, %v", databases, err)
	}
}

// wantSame has diff find no difference but the collections that can't be moved.
func (s wholeMove) wantSame(t *testing.T) {
	t.Helper()
	r := migrate(t, s.env, s.diff...)
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if r.code != exitDiffers || len(lines) != len(whole.NotMovable) {
		t.Errorf("exit code %d, and it differs in:\n%s%s", r.code, r.stdout, r.stderr)
	}
	for name := range whole.NotMovable {
		if line := "collection " + name + ": it is missing on the target"; !slices.Contains(lines, line) {
			t.Errorf("not told: %s", line)
		}
	}
}

// wantSeen wants diff and pymilvus to see what is changed on the target: otherwise they may have compared nothing.
func (s wholeMove) wantSeen(t *testing.T) {
	t.Helper()
	_, dropped := s.to.Protocol.DropAlias(t.Context(), &milvuspb.DropAliasRequest{DbName: "shop", Alias: "documents_live"})
	_, deleted := s.to.Protocol.Delete(t.Context(), &milvuspb.DeleteRequest{CollectionName: "twice", Expr: "id in [1999]"})
	_, removed := s.to.Protocol.DeleteCredential(t.Context(), &milvuspb.DeleteCredentialRequest{Username: "Reader"})
	if err := errors.Join(dropped, deleted, removed); err != nil {
		t.Fatal(err)
	}
	migrate(t, s.env, args(s.diff, s.without)...).want(t, exitDiffers, "shop.documents", "documents_live", "user Reader")
	s.wantFound(t, []string{"shop.documents", "default.twice"}, "shop.documents: aliases", "server: users", "default.twice: 2000 and 1999 rows, 1 of them")
}

// wantLogins logs in on the target with the passwords that were given.
func (s wholeMove) wantLogins(t *testing.T) {
	t.Helper()
	for user, password := range whole.Users {
		cfg := s.to.Config
		cfg.Username, cfg.Password = user, password
		server, err := milvus.Connect(t.Context(), cfg)
		if err != nil {
			t.Errorf("%s: %v", user, err)
			continue
		}
		server.Close()
	}
}

// withNewKeys are the collections whose keys a server gives.
var withNewKeys = []string{"default.auto_ids", "Archive_2023.auto_names"}

// wantEqual has pymilvus compare both servers, and find nothing.
func (s wholeMove) wantEqual(t *testing.T) {
	t.Helper()
	is, err := whole.Comparison{Left: s.from.Config, Right: s.to.Config, NewKeys: withNewKeys}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(is.Differences) > 0 || is.Databases != 3 || is.Collections != 30 || is.Rows < 100_000 {
		t.Errorf("pymilvus compared %d rows of %d collections in %d databases, and found:\n%s", is.Rows, is.Collections, is.Databases, strings.Join(is.Differences, "\n"))
	}
}

// wantFound has pymilvus compare some collections, and all users, and find as many differences as there are.
func (s wholeMove) wantFound(t *testing.T, only []string, found ...string) {
	t.Helper()
	is, err := whole.Comparison{Left: s.from.Config, Right: s.to.Config, Only: only}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(is.Differences) != len(found) {
		t.Errorf("found:\n%s", strings.Join(is.Differences, "\n"))
	}
	for _, f := range found {
		if !slices.ContainsFunc(is.Differences, func(line string) bool { return strings.HasPrefix(line, f) }) {
			t.Errorf("not found: %s", f)
		}
	}
}
