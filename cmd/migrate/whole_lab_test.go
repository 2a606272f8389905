//go:build lab

package main

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"golang.org/x/sync/errgroup"

	"migrate/internal/labtest"
	"migrate/internal/labtest/whole"
)

// TestWholeServers finds two servers that were made alike to be the same, and what is done to one of them afterwards; so does pymilvus.
func TestWholeServers(t *testing.T) {
	t.Parallel()
	s := newWhole(t)
	making, ctx := errgroup.WithContext(t.Context())
	for _, server := range []whole.Server{s.from, s.to} {
		making.Go(func() error { return server.Make(ctx) })
	}
	if err := making.Wait(); err != nil {
		t.Fatal(err)
	}
	migrate(t, s.env, s.diff...).want(t, exitOK)
	s.wantEqual(t)

	if _, err := s.to.Protocol.DropAlias(t.Context(), &milvuspb.DropAliasRequest{DbName: "shop", Alias: "documents_live"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.to.Protocol.Delete(t.Context(), &milvuspb.DeleteRequest{CollectionName: "twice", Expr: "id in [199]"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.to.Protocol.DeleteCredential(t.Context(), &milvuspb.DeleteCredentialRequest{Username: "Reader"}); err != nil {
		t.Fatal(err)
	}
	migrate(t, s.env, s.diff...).want(t, exitDiffers, "shop.documents", "documents_live", "user Reader")
	s.wantFound(t, []string{"shop.documents", "default.twice"}, "shop.documents: aliases", "server: users", "default.twice: 200 and 199 rows, 1 of them")
}

// wholeMove is two servers, which no other test uses meanwhile, and how they are compared.
type wholeMove struct {
	from, to whole.Server
	diff     []string
	env      []string
}

func newWhole(t *testing.T) wholeMove {
	t.Helper()
	source, target := labtest.Alone(t)
	s := wholeMove{
		from: whole.Server{Config: source.Config, Protocol: source.Protocol, Scale: 20},
		to:   whole.Server{Config: target.Config, Protocol: target.Protocol, Scale: 20},
		env:  []string{"MIGRATE_SOURCE_PASSWORD=" + source.Password, "MIGRATE_TARGET_PASSWORD=" + target.Password},
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
	s.diff = args("diff", "--source-address", source.Address, "--source-username", source.Username, "--source-tls", "--source-ca-file", source.CAFile,
		"--target-address", target.Address, "--target-username", target.Username)
	return s
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
	if len(is.Differences) > 0 || is.Databases != 3 || is.Collections != 30 || is.Rows < 7000 {
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
