package main

import (
	"os"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
)

// TestRunRefusesFields that nothing could be kept in step by, before anything is moved for it.
func TestRunRefusesFields(t *testing.T) {
	t.Parallel()
	auto := labtest.IntKey("id")
	auto.AutoID = true
	for title, test := range map[string]struct {
		key    *schemapb.FieldSchema
		cursor string
		want   []string
	}{
		"auto ids":                 {auto, "", []string{"--keep-ids"}},
		"a cursor of no filter":    {labtest.IntKey("id"), "not", []string{`"not" of`, "reserved word", "another --cursor-field"}},
		"a cursor that is no such": {labtest.IntKey("id"), "v", []string{"INT64 or a VARCHAR", "another --cursor-field"}},
		"a key of no filter":       {labtest.IntKey("in"), "", []string{`key field "in" is a reserved word`, "another name"}},
	} {
		s := memory.Start(t, "v2.3.5")
		s.Moved = func() { t.Errorf("%s: a query was asked", title) }
		coll := labtest.Collection(labtest.Schema(test.key, labtest.Field("not", schemapb.DataType_Int64), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
		s.Add(t, coll)
		folder := t.TempDir()
		c := config{
			Source: origin{server: server{Address: s.Address}, Read: readQuery}, Target: target{server: server{Address: s.Address}}, Sink: store{URL: folder}, Collection: coll.Name, CursorField: test.cursor, Workers: 1, movedAgain: movedAgain{PartSize: "16MiB"},
		}
		err := c.move(t.Context(), t.Output(), c.monitor())
		if err == nil {
			t.Errorf("%s: moved", title)
			continue
		}
		for _, text := range test.want {
			if got := explain(err); !strings.Contains(got, text) {
				t.Errorf("%s: %s, want %q", title, got, text)
			}
		}
	}
}

// TestRunRefuses a target that can't take the collection, and logins that lack rights, before a row is exported.
func TestRunRefuses(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		there            *schemapb.FieldSchema // the key of a collection that is there
		rows             int                   // that it has
		ofSource, denied []string
		want             []string
	}{
		"another collection":    {labtest.TextKey("id"), 0, nil, nil, []string{"not as the export describes it"}},
		"one with rows":         {labtest.IntKey("id"), 10, nil, nil, []string{"not empty (10 rows)", "--into-existing"}},
		"no rights":             {nil, 0, nil, []string{"CreateIndex", "Load"}, []string{"needs the rights CreateIndex, Load: ", "docs/privileges.md"}},
		"none to delete":        {nil, 0, nil, []string{"Delete"}, []string{"needs the rights Delete: "}},
		"none to read or flush": {nil, 0, []string{"Query", "Flush"}, nil, []string{"needs the rights Query, Flush: ", "docs/privileges.md"}},
		"none on either side":   {nil, 0, []string{"GetFlushState"}, []string{"Delete"}, []string{"needs the rights GetFlushState: "}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s, to, folder := newInMemory(t, 1), memory.Start(t, "v2.3.5"), t.TempDir()
			s.Login, to.Login = "mover:secret", "mover:secret"
			s.Deny(c.ofSource...)
			to.Deny(c.denied...)
			if c.there != nil {
				coll := labtest.Collection(labtest.Schema(c.there, labtest.Vector("v", schemapb.DataType_FloatVector, wide)))
				coll.Name = s.name
				to.Add(t, coll)
				to.Sealed(t, s.name, labtest.Rows{N: c.rows, Columns: inMemory{}.columns(0, c.rows, 1)})
			}
			login := []string{"MIGRATE_SOURCE_USERNAME=mover", "MIGRATE_SOURCE_PASSWORD=secret", "MIGRATE_TARGET_USERNAME=mover", "MIGRATE_TARGET_PASSWORD=secret"}
			run := args("run", "--once", "--via", "insert", "--listen", "", "--source-address", s.Address, "--target-address", to.Address, sink, folder, "--collection", s.name)
			migrate(t, login, run...).want(t, exitFailed, c.want...)
			if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
				t.Errorf("on the sink: %v, %v", left, err)
			}
			s.Deny()
			to.Deny()
			if c.there != nil {
				if err := to.Client(t).Drop(t.Context(), s.name); err != nil {
					t.Fatal(err)
				}
			}
			migrate(t, login, run...).want(t, exitOK, "exported 1,000 rows", "imported 1,000 rows", "(1,000 rows)")
		})
	}
}
