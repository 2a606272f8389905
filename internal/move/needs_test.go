package move

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/model"
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
			s.source.Login, s.target.Login = "mover:secret", "mover:secret"
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
			wantRefused(t, report, c.refused, slices.Concat(c.ofSource, c.ofTarget))
		})
	}
}

// TestMoveKnowsRightsByNames tells the collections whose names rights are granted to from those that lack them.
func TestMoveKnowsRightsByNames(t *testing.T) {
	t.Parallel()
	s := between(t, map[string]int{"docs": 10, "users": 10, "there": 10})
	s.target.Login = "mover:secret"
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

// TestImportKnowsRights names the exports whose import lacks a right, and which, before anything is made, though no source is asked.
func TestImportKnowsRights(t *testing.T) {
	t.Parallel()
	all := []string{"docs", "news.items", "news.released", "parts"}
	for title, c := range map[string]struct {
		denied  []string
		via     importer.Way
		refused []string
	}{
		"none missing":           {[]string{"Upsert", "Insert", "Flush", "CreateAlias", "Release", "DropCollection"}, "", nil},
		"to make collections":    {[]string{"CreateCollection"}, "", all},
		"to make partitions":     {[]string{"CreatePartition"}, "", []string{"parts"}},
		"to make databases":      {[]string{"CreateDatabase"}, "", []string{"news.items", "news.released"}},
		"to make indexes":        {[]string{"CreateIndex"}, "", all},
		"to count what is there": {[]string{"Query"}, "", all},
		"to bulk insert one":     {[]string{"Import docs"}, "", []string{"docs"}},
		"to upsert, by inserts":  {[]string{"Upsert"}, importer.Insert, all},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s := odd(t)
			m := s.whole(t)
			m.Name, m.Access, m.Steps = "", nil, Steps{Export: true}
			report, err := m.Run(t.Context())
			must(t, errors.Join(err, report.Err()))
			s.target.Login = "mover:secret"
			s.target.Deny(c.denied...)
			m.Source, m.Target, m.Steps, m.Import.Via = nil, s.target.Client(t), Steps{Import: true}, c.via
			m.Watch.Planned = func([]*Planned) {
				if made := s.target.Collections(); len(made) > 0 {
					t.Errorf("made before it was told: %v", made)
				}
			}
			report, err = m.Run(t.Context())
			must(t, err)
			wantRefused(t, report, c.refused, c.denied)
		})
	}
}

// wantRefused wants some collections refused for rights that are missing, which are named, and all others done.
func wantRefused(t *testing.T, report *Report, refused, denied []string) {
	t.Helper()
	for _, o := range report.Collections {
		want := Done
		if slices.Contains(refused, o.String()) {
			want = Refused
		}
		if o.State != want {
			t.Errorf("%s: %s, want %s: %v", o.Named, o.State, want, o.Err)
		}
		if want == Done {
			continue
		}
		lacks := slices.ContainsFunc(denied, func(right string) bool {
			right, _, _ = strings.Cut(right, " ")
			return strings.Contains(o.Error, right)
		})
		if !lacks || !errors.Is(o.Err, milvus.ErrPrivilege) || !strings.Contains(o.Error, `"`+o.Collection+`"`) {
			t.Errorf("%s: %v", o.Named, o.Err)
		}
	}
}

// TestMayImport names all rights that one import lacks, where its collection is not there.
func TestMayImport(t *testing.T) {
	t.Parallel()
	auto := vectors("auto")
	auto.Schema.Fields[0].AutoID = true
	keyless := export.Part{Foreign: &export.Foreign{Keyless: true}}
	for title, c := range map[string]struct {
		coll  *model.Collection
		parts []export.Part
		opts  importer.Options
		lacks string
	}{
		"by bulk insert":           {vectors("parts", "p1"), nil, importer.Options{}, "CreateCollection, ShowPartitions, CreatePartition, CreateIndex, Load, Query, Import"},
		"by inserts":               {vectors("docs"), nil, importer.Options{Via: importer.Insert}, "CreateCollection, ShowPartitions, CreateIndex, Upsert, Flush, GetFlushState, Load, Query"},
		"by inserts, with new ids": {auto, nil, importer.Options{Via: importer.Insert, NewKeys: true}, "CreateCollection, ShowPartitions, CreateIndex, Insert, Flush, GetFlushState, Load, Query"},
		"by inserts, with its ids": {auto, nil, importer.Options{Via: importer.Insert, KeepIDs: true}, "CreateCollection, ShowPartitions, CreateIndex, Upsert, Flush, GetFlushState, Load, Query"},
		"rows without keys":        {auto, []export.Part{keyless}, importer.Options{}, "CreateCollection, ShowPartitions, CreateIndex, Load, Query, Import"},
		"without an index":         {vectors("docs"), nil, importer.Options{IndexTypes: map[string]string{"v": model.NoIndex}}, "CreateCollection, ShowPartitions, Flush, GetFlushState, Import"},
		"that is there":            {vectors("there"), nil, importer.Options{}, ""},
		"there by another name":    {vectors("there"), nil, importer.Options{As: "other"}, "CreateCollection, ShowPartitions, CreateIndex, Load, Query, Import"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			target := memory.Start(t, "v2.3.5")
			target.Login = "mover:secret"
			target.Add(t, vectors("there"))
			server := target.Client(t)
			m := &export.Manifest{Collection: export.Describe(c.coll), Parts: c.parts}
			must(t, MayImport(t.Context(), server, m, c.opts))
			target.Deny("CreateCollection", "ShowPartitions", "CreatePartition", "CreateIndex", "Load", "Query", "Import", "Upsert", "Insert", "Flush", "GetFlushState")
			err := MayImport(t.Context(), server, m, c.opts)
			if c.lacks == "" {
				must(t, err)
			} else if !errors.Is(err, milvus.ErrPrivilege) || !strings.Contains(err.Error(), "needs the rights "+c.lacks+": ") {
				t.Errorf("%v, want %s", err, c.lacks)
			}
		})
	}
}
