package memory

import (
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	arrowmemory "github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/model"
)

// AddField adds a field to a collection, as AddCollectionField of 2.6 does: rows that are there have its default in it, or NULL. Its id leaves a
// gap, as where 3.0 has dropped a field.
func (s *Server) AddField(t testing.TB, name string, f *schemapb.FieldSchema) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.collections[name]
	schema := model.CloneSchema(c.Schema)
	f.FieldID = int64(200 + len(schema.Fields))
	schema.Fields = append(schema.Fields, f)
	l, err := layoutsOf(schema)
	if err != nil {
		t.Fatal(err)
	}
	c.Schema, c.layouts = schema, l
	for _, r := range c.rows {
		if len(r.in.rows.Schema().FieldIndices(f.Name)) > 0 {
			continue
		}
		if r.in.rows, _, err = columns.DefaultsOf(schema).Fill(l.withNulls(r.in.rows)); err != nil {
			t.Fatal(err)
		}
	}
}

// withNulls are rows of before a field came, with NULLs in it.
func (l layouts) withNulls(rec arrow.Record) arrow.Record {
	var cols []arrow.Array
	for _, f := range l.written.Arrow.Fields() {
		at := rec.Schema().FieldIndices(f.Name)
		if len(at) == 0 {
			cols = append(cols, array.MakeArrayOfNull(arrowmemory.DefaultAllocator, f.Type, int(rec.NumRows())))
			continue
		}
		cols = append(cols, rec.Column(at[0]))
	}
	return array.NewRecord(l.written.Arrow, cols, rec.NumRows())
}
