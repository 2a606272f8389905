package query_test

import (
	"encoding/json"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/source"
	"migrate/internal/source/query"
)

// TestPin has a later run cut pages of the size that the plan was made with, though the rows that were sampled are others by then; and
// takes a pin of before, which does not say it.
func TestPin(t *testing.T) {
	text := labtest.Field("text", schemapb.DataType_VarChar)
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), text))
	s := memory.Start(t, "v2.3.5")
	s.Add(t, c)
	rows := func(from int, word string) labtest.Rows {
		return labtest.Rows{N: 200, Columns: []*schemapb.FieldData{
			labtest.Column(labtest.IntKey("id"), labtest.Each(200, func(i int) int64 { return int64(from + i) })),
			labtest.Column(text, labtest.Each(200, func(int) string { return word })),
		}}
	}
	s.Sealed(t, c.Name, rows(0, "a word"))
	first := open(t, s, c.Name)
	plan, err := first.Plan(t.Context(), source.Size{Rows: 50})
	if err != nil {
		t.Fatal(err)
	}
	s.Sealed(t, c.Name, rows(-200, "a text that is very much longer than a word, so that a row is of another size"))
	for name, test := range map[string]struct {
		pin  json.RawMessage
		same bool
	}{
		"pin":           {plan.Pin, true},
		"pin of before": {json.RawMessage(`{"extents":{"_default":{"low":0,"high":199}}}`), false},
	} {
		server := s.Client(t)
		later, err := query.OpenAt(t.Context(), server, labtest.Describe(t, server, c.Name), test.pin, query.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if same := later.RowBytes() == first.RowBytes(); same != test.same {
			t.Errorf("%s: rows of %.1f bytes, and %.1f when it was planned", name, later.RowBytes(), first.RowBytes())
		}
	}
	server := s.Client(t)
	if _, err := query.OpenAt(t.Context(), server, labtest.Describe(t, server, c.Name), json.RawMessage(`{"extents":1}`), query.Options{}); err == nil {
		t.Error("a pin that can't be read is taken")
	}
}
