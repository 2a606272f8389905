package move

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"pgregory.net/rapid"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
)

// several is a server in memory with collections of these names, database.collection for those of other databases than the default one.
func several(t *testing.T, names ...string) *memory.Server {
	t.Helper()
	s := memory.Start(t, "v2.3.5")
	for _, name := range names {
		c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
		c.Name = name
		if database, collection, ok := strings.Cut(name, "."); ok {
			c.Database, c.Name = database, collection
		}
		s.Add(t, c)
	}
	return s
}

// TestSelect says which collections each way of naming them means.
func TestSelect(t *testing.T) {
	server := several(t, "users", "user_old", "docs", "shop.users", "shop.orders", "shop_old.orders").Client(t)
	for title, c := range map[string]struct {
		in      string // the database that was connected to
		given   Selection
		want    string
		refused string
	}{
		"nothing said":                  {"", Selection{}, "docs user_old users", ""},
		"nothing said, in a database":   {"shop", Selection{}, "shop.orders shop.users", ""},
		"the default one by its name":   {"default", Selection{}, "docs user_old users", ""},
		"all":                           {"", Selection{All: true}, "docs user_old users shop.orders shop.users shop_old.orders", ""},
		"all, but":                      {"", Selection{All: true, Exclude: []string{"*_old", "shop.*"}}, "docs users shop_old.orders", ""},
		"without those of a name":       {"", Selection{All: true, Exclude: []string{"users"}}, "docs user_old shop.orders shop_old.orders", ""},
		"without the default database":  {"", Selection{All: true, Exclude: []string{"default.*"}}, "shop.orders shop.users shop_old.orders", ""},
		"a database":                    {"", Selection{Databases: []string{"shop"}}, "shop.orders shop.users", ""},
		"databases by a pattern":        {"", Selection{Databases: []string{"shop*"}}, "shop.orders shop.users shop_old.orders", ""},
		"the default database":          {"", Selection{Databases: []string{"default"}}, "docs user_old users", ""},
		"collections":                   {"", Selection{Collections: []string{"user*"}}, "user_old users", ""},
		"a collection anywhere":         {"", Selection{All: true, Collections: []string{"users"}}, "users shop.users", ""},
		"a collection of a database":    {"", Selection{All: true, Collections: []string{"docs", "shop.users"}}, "docs shop.users", ""},
		"twice the same":                {"", Selection{Collections: []string{"docs", "d*"}}, "docs", ""},
		"no such collection":            {"", Selection{Collections: []string{"docs", "dogs"}}, "", `collection "dogs"`},
		"no such database":              {"", Selection{Databases: []string{"shop", "stop*"}}, "", `database "stop*"`},
		"nothing to be left out":        {"", Selection{All: true, Exclude: []string{"shop.nothing"}}, "", `collection to be left out "shop.nothing"`},
		"left out, but not meant":       {"", Selection{Databases: []string{"shop"}, Exclude: []string{"docs"}}, "", `collection to be left out "docs"`},
		"a pattern that is none":        {"", Selection{Collections: []string{"[a"}}, "", "syntax error"},
		"a database that is not there":  {"nowhere", Selection{}, "", "not found"},
		"of another database, unopened": {"", Selection{Collections: []string{"shop.users"}}, "", `collection "shop.users"`},
	} {
		meant, err := c.given.Select(t.Context(), server.In(c.in))
		var got []string
		for _, n := range meant {
			got = append(got, n.String())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", title, got, c.want)
		}
		if (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%s: %v, want %q", title, err, c.refused)
		}
		if strings.Contains(c.refused, "collection") && !errors.Is(err, ErrNothing) {
			t.Errorf("%s: %v, want ErrNothing", title, err)
		}
	}
}

// TestSelectionProperties: whatever is there and given, what comes is sorted, and is each collection that a pattern meets and none
// leaves out, once.
func TestSelectionProperties(t *testing.T) {
	word := rapid.StringMatching(`[ab]{1,2}`)
	pattern := rapid.StringMatching(`([ab*?]{1,2}\.)?[ab*?]{1,2}`)
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Named {
			return Named{rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "database"), word.Draw(t, "collection")}
		}), 0, 8, func(n Named) Named { return n }).Draw(t, "all")
		s := Selection{Collections: rapid.SliceOfN(pattern, 0, 3).Draw(t, "collections"), Exclude: rapid.SliceOfN(pattern, 0, 3).Draw(t, "exclude")}
		got, err := s.of(all, "here")
		want := map[Named]int{}
		for _, n := range all {
			if (len(s.Collections) == 0 || metBy(n, s.Collections)) && !metBy(n, s.Exclude) {
				want[n]++
			}
		}
		switch {
		case errors.Is(err, ErrNothing):
			return // TestSelect has when
		case err != nil:
			t.Fatal(err)
		case len(got) != len(want):
			t.Fatalf("%v, want %v", got, want)
		}
		for i, n := range got {
			if want[n] != 1 || i > 0 && fmt.Sprint(got[i-1].Database, " ", got[i-1].Collection) >= fmt.Sprint(n.Database, " ", n.Collection) {
				t.Fatalf("%v, want %v in order", got, want)
			}
		}
	})
}

// metBy says in other words than the program whether a pattern meets a collection.
func metBy(n Named, patterns []string) bool {
	database := n.Database
	if database == "" {
		database = milvus.DefaultDatabase
	}
	return slices.ContainsFunc(patterns, func(p string) bool {
		byName, _ := path.Match(p, n.Collection)
		whole, _ := path.Match(p, database+"."+n.Collection)
		return !strings.Contains(p, ".") && byName || strings.Contains(p, ".") && whole
	})
}
