//go:build lab

package e2e

import (
	"fmt"
	"slices"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/exporter"
	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/model"
	"migrate/internal/source/query"
	"migrate/internal/verify"
)

// TestBM25OfLite exports a collection that a Milvus Lite 3 searches by words: all of it but what the function computes.
func TestBM25OfLite(t *testing.T) {
	t.Parallel()
	const rows = 300
	param := func(key, value string) *commonpb.KeyValuePair { return &commonpb.KeyValuePair{Key: key, Value: value} }
	text := labtest.Field("text", schemapb.DataType_VarChar)
	text.TypeParams = append(text.TypeParams, param("enable_analyzer", "true"), param("enable_match", "true"))
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), text, &schemapb.FieldSchema{Name: "sp", DataType: schemapb.DataType_SparseFloatVector}))
	c.Schema.Functions = []*schemapb.FunctionSchema{{
		Name: "bm", Type: schemapb.FunctionType_BM25, InputFieldNames: []string{"text"}, OutputFieldNames: []string{"sp"},
	}}
	c.Indexes = []model.Index{{Name: "sp", Field: "sp", Params: []*commonpb.KeyValuePair{param("index_type", "SPARSE_INVERTED_INDEX"), param("metric_type", "BM25")}}}
	server, sink := labtest.Lite3(t), labtest.Local(t)
	labtest.Create(t, server, c)
	labtest.Insert(t, server, c.Name, "", labtest.Rows{N: rows, Columns: []*schemapb.FieldData{
		labtest.Column(labtest.IntKey("id"), labtest.Each(rows, func(i int) int64 { return int64(i) })),
		labtest.Column(text, labtest.Each(rows, func(i int) string { return fmt.Sprint("dog ", i) })),
	}})
	m, err := exporter.Export(t.Context(), server, c.Name, sink, exporter.Options{Job: "j"})
	if err != nil {
		t.Fatal(err)
	}
	layout, err := columns.NewLayout(m.Collection.Milvus().Schema)
	if err != nil || !slices.Equal(layout.Names(), []string{"id", "text"}) || len(m.Collection.Schema.Functions) != 1 {
		t.Errorf("exported columns %q of %v, %v", layout.Names(), m.Collection.Schema, err)
	}
	side, err := query.OpenByName(t.Context(), server, c.Name)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := verify.Compare(t.Context(), export.Source{Sink: sink, Manifest: m}, side, verify.Options{}); err != nil || !r.Equal || r.Right.Rows != rows {
		t.Errorf("%+v, %v", r, err)
	}
}
