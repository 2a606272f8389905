package move

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
)

// TestMoveAutoIDs says of each collection with auto ids, before it is moved, what becomes of its keys, and what can be done. Where they are kept,
// the target is held against the export by them.
func TestMoveAutoIDs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		version string
		newKeys bool
		says    string
		refused bool
		verify  State // of rows that have other keys
	}{
		"2.3":                {"v2.3.5", false, "not kept: the target gives the rows new keys, by which no sync can follow; --keep-ids keeps them as explicit keys, and a target of 2.5.19, 2.6.3", true, ""},
		"2.6.4":              {"v2.6.4", false, "kept: import makes the collection with the property allow_insert_auto_id", false, Different},
		"2.6.4, as was said": {"v2.6.4", true, "not kept: the target gives the rows new keys, by which no sync can follow, as --new-keys says", false, Done},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := between(t, map[string]int{"plain": 10, "docs": 30})
			s.target = memory.Start(t, test.version)
			key := labtest.IntKey("id")
			key.AutoID = true
			auto := labtest.Collection(labtest.Schema(key, labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
			auto.Name = "auto"
			s.source.Add(t, auto)
			s.source.Sealed(t, "auto", numbered(20))
			m := s.move(t)
			m.Import.Via, m.Import.NewKeys, m.Staging = importer.Insert, test.newKeys, nil
			told := ""
			m.Watch.Planned = func(all []*Planned) {
				i := slices.IndexFunc(all, func(p *Planned) bool { return p.Collection == "auto" })
				told = strings.Join(all[i].Notes, "\n")
				for _, p := range all {
					if refused := errors.Is(p.Err, importer.ErrNewKeys); refused != (test.refused && p.Collection == "auto") {
						t.Errorf("%s: %v", p.Named, p.Err)
					}
				}
				if made := s.target.Collections(); len(made) > 0 {
					t.Errorf("made before: %v", made)
				}
			}
			report, err := m.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(told, test.says) {
				t.Errorf("told %q, want %q", told, test.says)
			}
			if test.refused {
				wantStates(t, report, "auto refused", "docs done", "plain done")
				return
			}
			wantStates(t, report, "auto done", "docs done", "plain done")
			if !test.newKeys {
				rows := numbered(20)
				rows.Columns[0] = labtest.Column(key, labtest.Each(20, func(i int) int64 { return int64(i) + 1 }))
				labtest.Delete(t, m.Target, "auto", "id >= 0")
				labtest.Insert(t, m.Target, "auto", "", rows)
			}
			again := Move{
				Source: m.Source, Target: m.Target, Sink: s.sink, Selection: Selection{Collections: []string{"auto"}}, Steps: Steps{Verify: true},
				FromSource: true, Import: importer.Options{NewKeys: test.newKeys}, Export: exporter.Options{},
			}
			if report, err = again.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantStates(t, report, "auto "+string(test.verify))
		})
	}
}

// TestPlanAutoIDs says it of one collection.
func TestPlanAutoIDs(t *testing.T) {
	t.Parallel()
	coll := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
	coll.Schema.Fields[0].AutoID = true
	for name, test := range map[string]struct {
		version string
		target  Target
		want    []string
	}{
		"2.3":             {"v2.3.5", Target{}, []string{"its auto ids are not kept"}},
		"2.3 by inserts":  {"v2.3.5", Target{Options: importer.Options{Via: importer.Insert}}, []string{"its auto ids are not kept", "import refuses to insert rows that get new keys, unless told --new-keys"}},
		"2.3, explicit":   {"v2.3.5", Target{Options: importer.Options{KeepIDs: true}}, []string{"its auto ids are kept, as explicit keys"}},
		"2.6.4":           {"v2.6.4", Target{}, []string{"its auto ids are kept: import makes"}},
		"2.6.4, new keys": {"v2.6.4", Target{Options: importer.Options{NewKeys: true}}, []string{"as --new-keys says"}},
	} {
		test.target.Server = memory.Start(t, test.version).Client(t)
		lacks, err := test.target.Lacks(t.Context(), &exporter.Plan{Collection: coll})
		if err != nil {
			t.Fatal(err)
		}
		told := strings.Join(lacks.Told, "\n")
		for _, want := range test.want {
			if !strings.Contains(told, want) {
				t.Errorf("%s: told %q, want %q", name, told, want)
			}
		}
		if strings.Contains(told, "unless told") != (len(test.want) > 1) {
			t.Errorf("%s: told %q", name, told)
		}
	}
}
