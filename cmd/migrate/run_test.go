package main

import (
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
