package move

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"pgregory.net/rapid"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// vectors describes a small collection, in a database where its name has that before a dot.
func vectors(name string, partitions ...string) *model.Collection {
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)), append([]string{"_default"}, partitions...)...)
	c.Name = name
	if database, collection, ok := strings.Cut(name, "."); ok {
		c.Database, c.Name = database, collection
	}
	return c
}

// world is a server with two databases, users and rights.
func world(t *testing.T) *memory.Server {
	t.Helper()
	s := memory.Start(t, "v2.5.10")
	server, ctx := s.Client(t), t.Context()
	must(t, server.CreateDatabase(ctx, model.Database{Name: "news", Properties: pairs("database.replica.number", "1")}))
	s.Add(t, vectors("docs", "p1", "p2"))
	s.Add(t, vectors("news.items"))
	must(t, server.PointAlias(ctx, "d", "docs"))
	must(t, server.CreatePrivilegeGroup(ctx, "lookers"))
	must(t, server.AddPrivileges(ctx, "lookers", []string{"Query", "Search"}))
	must(t, server.CreateRole(ctx, "reader"))
	must(t, server.Grant(ctx, queryItems))
	must(t, server.CreateUser(ctx, "ann", "secret-of-ann"))
	must(t, server.GiveRole(ctx, "ann", "reader"))
	return s
}

var queryItems = model.Grant{Role: "reader", Object: "Collection", Name: "items", Database: "news", Privilege: "Query"}

func pairs(texts ...string) (all []*commonpb.KeyValuePair) {
	for p := range slices.Chunk(texts, 2) {
		all = append(all, &commonpb.KeyValuePair{Key: p[0], Value: p[1]})
	}
	return all
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lines are what is told, in words.
func lines(told []Told) (texts []string) {
	for _, one := range told {
		texts = append(texts, one.String())
	}
	return texts
}

// TestDiff changes one thing after the other on a server that is the same as another one, and is told of each.
func TestDiff(t *testing.T) {
	for title, c := range map[string]struct {
		change func(ctx context.Context, s *memory.Server, target *milvus.Server) error
		want   string // the one difference; none where empty
	}{
		"nothing": {func(context.Context, *memory.Server, *milvus.Server) error { return nil }, ""},
		"a database": {func(ctx context.Context, _ *memory.Server, s *milvus.Server) error {
			return s.CreateDatabase(ctx, model.Database{Name: "shop"})
		}, "database shop: it is on the target only"},
		"a collection": {func(ctx context.Context, _ *memory.Server, s *milvus.Server) error {
			return s.In("news").Create(ctx, vectors("more"))
		}, "collection news.more: it is on the target only"},
		"a collection that is not there": {func(ctx context.Context, _ *memory.Server, s *milvus.Server) error {
			return s.In("news").Drop(ctx, "items")
		}, "collection news.items: it is missing on the target"},
		"an alias": {func(ctx context.Context, _ *memory.Server, s *milvus.Server) error {
			return s.PointAlias(ctx, "d2", "docs")
		}, `collection docs: alias "d2" names it too`},
		"an alias that is not there": {func(ctx context.Context, _ *memory.Server, s *milvus.Server) error {
			return s.PointAlias(ctx, "d", "")
		}, `collection docs: alias "d" does not name it yet`},
		"released": {func(ctx context.Context, _ *memory.Server, s *milvus.Server) error {
			return s.Release(ctx, "docs")
		}, "collection docs: it is released instead of loaded"},
		"partly released": {func(ctx context.Context, _ *memory.Server, s *milvus.Server) error {
			return s.ReleasePartitions(ctx, "docs", []string{"p1"})
		}, "collection docs: it is loaded in _default, p2 alone instead of loaded"},
		"other replicas": {func(ctx context.Context, _ *memory.Server, s *milvus.Server) error {
			must(t, s.Release(ctx, "docs"))
			return s.LoadLike(ctx, "docs", model.Load{Replicas: 2})
		}, "collection docs: it has 2 replicas instead of 1"},
		"an index": {func(ctx context.Context, _ *memory.Server, s *milvus.Server) error {
			return s.CreateIndex(ctx, "docs", model.Index{Name: "id", Field: "id", Params: pairs("index_type", "INVERTED")})
		}, "collection docs: field id has an index of type INVERTED, and need not have one"},
		"a user": {func(ctx context.Context, _ *memory.Server, s *milvus.Server) error {
			return s.CreateUser(ctx, "bob", "secret-of-bob")
		}, "user bob: on the target only"},
		"a user's role": {func(ctx context.Context, _ *memory.Server, s *milvus.Server) error {
			return s.GiveRole(ctx, "ann", "admin")
		}, "user ann: also has role admin"},
		"no user": {func(ctx context.Context, _ *memory.Server, s *milvus.Server) error {
			return s.DropUser(ctx, "ann")
		}, "user ann: missing on the target"},
		"a role": {func(ctx context.Context, _ *memory.Server, s *milvus.Server) error {
			return s.CreateRole(ctx, "writer")
		}, "role writer: on the target only"},
		"a grant that is not there": {func(ctx context.Context, _ *memory.Server, s *milvus.Server) error {
			return s.Revoke(ctx, queryItems)
		}, "role reader: lacks Query on Collection items of database news"},
		"a grant to everybody": {func(ctx context.Context, _ *memory.Server, s *milvus.Server) error {
			return s.Grant(ctx, model.Grant{Role: "public", Object: "Global", Name: "*", Database: "*", Privilege: "ShowCollections"})
		}, "role public: also has ShowCollections on Global * of database *"},
		"a privilege of a group": {func(ctx context.Context, _ *memory.Server, s *milvus.Server) error {
			return s.AddPrivileges(ctx, "lookers", []string{"Delete"})
		}, "privilege group lookers: also has privilege Delete"},
	} {
		source, there := world(t), world(t)
		target := there.Client(t)
		must(t, c.change(t.Context(), there, target))
		report, err := Diff{Source: source.Client(t), Target: target, Selection: Selection{All: true}}.Compare(t.Context())
		if err != nil || strings.Join(lines(report.Differences), "\n") != c.want {
			t.Errorf("%s: %v, %v", title, lines(report.Differences), err)
		}
		if differs := errors.Is(report.Err(), model.ErrDiffers); differs != (c.want != "") {
			t.Errorf("%s: %v", title, report.Err())
		}
		if got := lines(report.NotCompared); !slices.Equal(got, []string{"users and roles: passwords: no server tells them"}) {
			t.Errorf("%s: not compared: %v", title, got)
		}
	}
}

// TestDiffSelected compares what is meant, under new names, and no users.
func TestDiffSelected(t *testing.T) {
	source, target := world(t), memory.Start(t, "v2.5.10")
	target.Add(t, vectors("archive.things"))
	target.Add(t, vectors("archive.others"))
	as := func(n Named) Named {
		return Named{"archive", strings.Replace(n.Collection, "items", "things", 1)}
	}
	d := Diff{Source: source.Client(t), Target: target.Client(t), As: as, Selection: Selection{Databases: []string{"news", "archive"}}}
	if _, err := d.Compare(t.Context()); !errors.Is(err, ErrNothing) {
		t.Errorf("a database that the source has not: %v", err)
	}
	d.Source, d.Selection = d.Source.In("news"), Selection{}
	d.Target = d.Target.In("archive")
	report, err := d.Compare(t.Context())
	if err != nil || strings.Join(lines(report.Differences), "\n") != wantSelected {
		t.Errorf("%v, %v", lines(report.Differences), err)
	}
}

const wantSelected = "collection archive.others: it is on the target only\ndatabase archive: property database.replica.number is none instead of 1"

// TestDiffRenamed tells of a collection of the target that is called as one of the source that has another name there: one that is not meant,
// where only that of the source was named.
func TestDiffRenamed(t *testing.T) {
	source, target := memory.Start(t, "v2.5.10"), memory.Start(t, "v2.5.10")
	source.Add(t, vectors("docs"))
	target.Add(t, vectors("docs"))
	target.Add(t, vectors("papers"))
	const only = "collection docs: it is on the target only: that of the source is papers there"
	for title, c := range map[string]struct {
		selection Selection
		want      string
	}{
		"all":       {Selection{All: true}, only},
		"a pattern": {Selection{Collections: []string{"d*"}}, only},
		"its name":  {Selection{Collections: []string{"docs"}}, ""},
		"by a move": {Selection{All: true, Collections: []string{"default.docs"}}, ""},
	} {
		as := func(n Named) Named { return Named{n.Database, strings.Replace(n.Collection, "docs", "papers", 1)} }
		report, err := Diff{Source: source.Client(t), Target: target.Client(t), As: as, Selection: c.selection}.Compare(t.Context())
		if err != nil || report.Collections != 1 || strings.Join(lines(report.Differences), "\n") != c.want {
			t.Errorf("%s: %v, %v", title, lines(report.Differences), err)
		}
	}
}

// TestDiffDenied names what the user may not see, and is no proof then.
func TestDiffDenied(t *testing.T) {
	source, target := world(t), world(t)
	target.Deny("SelectUser", "IndexDetail")
	report, err := Diff{Source: source.Client(t), Target: target.Client(t), Selection: Selection{All: true}}.Compare(t.Context())
	must(t, err)
	if len(report.Differences) > 0 || len(report.NotCompared) != 3 || !errors.Is(report.Err(), ErrNotCompared) {
		t.Errorf("%v, %v, %v", lines(report.Differences), lines(report.NotCompared), report.Err())
	}
}

// TestDiffIsSymmetric has as many differences one way as the other.
func TestDiffIsSymmetric(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		side := func(name string) *model.Access {
			some := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 3, rapid.ID[string])
			a := &model.Access{Roles: some.Draw(t, name+" roles")}
			for _, user := range some.Draw(t, name+" users") {
				a.Users = append(a.Users, model.User{Name: user, Roles: some.Draw(t, "roles of "+user)})
			}
			for _, role := range a.Roles {
				for _, right := range some.Draw(t, "rights of "+role) {
					a.Grants = append(a.Grants, model.Grant{Role: role, Privilege: right})
				}
			}
			return a
		}
		one, other := side("one"), side("other")
		there, back := accessDiffers(one, other), accessDiffers(other, one)
		if len(there) != len(back) {
			t.Fatalf("%v\nand back %v", there, back)
		}
		if same := accessDiffers(one, one); len(same) > 0 {
			t.Fatalf("of the same: %v", same)
		}
	})
}
