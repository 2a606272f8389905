package move

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"migrate/importer"
	"migrate/internal/milvus"
)

// TestMoveKnowsRights names each collection that lacks a right, and which, before anything is made; the others are moved.
func TestMoveKnowsRights(t *testing.T) {
	t.Parallel()
	all := []string{"docs", "news.items", "news.released", "parts"}
	for title, c := range map[string]struct {
		ofSource, ofTarget []string
		via                importer.Way
		refused            []string
	}{
		"none missing":                {nil, []string{"Upsert", "Insert", "Flush", "DropCollection"}, "", nil},
		"to make collections":         {nil, []string{"CreateCollection"}, "", all},
		"to make partitions":          {nil, []string{"CreatePartition"}, "", []string{"parts"}},
		"to make aliases":             {nil, []string{"CreateAlias"}, "", []string{"docs", "news.items"}},
		"to make databases":           {nil, []string{"CreateDatabase"}, "", []string{"news.items", "news.released"}},
		"to make indexes, and load":   {nil, []string{"CreateIndex", "Load"}, "", all},
		"to release":                  {nil, []string{"Release"}, "", []string{"news.released", "parts"}},
		"to read what was imported":   {nil, []string{"Query"}, "", all},
		"to upsert, by inserts":       {nil, []string{"Upsert"}, importer.Insert, all},
		"to read the source":          {[]string{"Query"}, nil, "", all},
		"to load what is not":         {[]string{"Load"}, nil, "", []string{"news.released", "parts"}},
		"to release what was loaded":  {[]string{"Release"}, nil, "", []string{"news.released", "parts"}},
		"to something on either side": {[]string{"Release"}, []string{"CreateAlias"}, "", all},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s := odd(t)
			s.source.Deny(c.ofSource...)
			s.target.Deny(c.ofTarget...)
			m := s.whole(t)
			m.Access, m.Import.Via = nil, c.via
			m.Watch.Planned = func([]*Planned) {
				if made := s.target.Collections(); len(made) > 0 {
					t.Errorf("made before it was told: %v", made)
				}
			}
			report, err := m.Run(t.Context())
			must(t, err)
			for _, o := range report.Collections {
				want := Done
				if slices.Contains(c.refused, o.String()) {
					want = Refused
				}
				if o.State != want {
					t.Errorf("%s: %s, want %s: %v", o.Named, o.State, want, o.Err)
				}
				if want == Done {
					continue
				}
				lacks := slices.ContainsFunc(slices.Concat(c.ofSource, c.ofTarget), func(right string) bool { return strings.Contains(o.Error, right) })
				if !lacks || !errors.Is(o.Err, milvus.ErrPrivilege) || !strings.Contains(o.Error, `"`+o.Collection+`"`) {
					t.Errorf("%s: %v", o.Named, o.Err)
				}
			}
		})
	}
}

// TestMoveKnowsRightsByNames tells the collections whose names rights are granted to from those that lack them.
func TestMoveKnowsRightsByNames(t *testing.T) {
	t.Parallel()
	s := between(t, map[string]int{"docs": 10, "users": 10, "there": 10})
	s.target.Add(t, vectors("there"))
	s.target.Deny("CreateIndex", "Load", "Query", "ShowPartitions")
	for _, name := range []string{"docs", "there"} {
		s.target.Grant(name, "CreateIndex", "Load", "Query", "ShowPartitions")
	}
	s.target.Grant("users", "Query")
	report, err := s.move(t).Run(t.Context())
	must(t, err)
	wantStates(t, report, "docs done", "there done", "users refused")
	if why := report.Collections[2].Error; !strings.Contains(why, `collection "users" on `+s.target.Address+" needs the rights ShowPartitions, CreateIndex, Load: ") {
		t.Error(why)
	}
}
