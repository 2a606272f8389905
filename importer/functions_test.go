package importer_test

import (
	"slices"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/model"
	"migrate/internal/source"
	store "migrate/sinks/memory"
)

// TestBM25 makes a function again on the target, and moves the rows without what it computes.
func TestBM25(t *testing.T) {
	t.Parallel()
	text := labtest.Field("text", schemapb.DataType_VarChar)
	text.TypeParams = append(text.TypeParams, &commonpb.KeyValuePair{Key: "enable_analyzer", Value: "true"})
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), text, &schemapb.FieldSchema{Name: "sp", DataType: schemapb.DataType_SparseFloatVector, IsFunctionOutput: true}))
	c.Schema.Functions = []*schemapb.FunctionSchema{{
		Name: "bm", Type: schemapb.FunctionType_BM25, InputFieldNames: []string{"text"}, OutputFieldNames: []string{"sp"},
	}}
	c.Indexes = []model.Index{{Name: "sp", Field: "sp", Params: []*commonpb.KeyValuePair{{Key: "index_type", Value: "SPARSE_INVERTED_INDEX"}, {Key: "metric_type", Value: "BM25"}}}}
	from, sink := memory.Start(t, "v2.5.10"), &store.Sink{}
	from.Add(t, c)
	keys := labtest.Each(rows, func(i int) int64 { return int64(i) })
	from.Sealed(t, c.Name, labtest.Rows{N: rows, Columns: []*schemapb.FieldData{
		labtest.Column(labtest.IntKey("id"), keys), labtest.Column(text, labtest.Each(rows, func(i int) string { return "the dogs" })),
	}})
	m, err := exporter.Export(t.Context(), from.Client(t), c.Name, sink, exporter.Options{Job: "j"})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := export.Source{Sink: sink, Manifest: m}.Read(t.Context(), model.Chunk{Partition: model.DefaultPartition})
	if err != nil {
		t.Fatal(err)
	}
	for rec, err := range source.Rows(stream) {
		if err != nil || !slices.Equal([]string{rec.Schema().Field(0).Name, rec.Schema().Field(1).Name}, []string{"id", "text"}) || rec.NumCols() != 2 {
			t.Fatalf("a part has columns %v, %v", rec.Schema(), err)
		}
	}
	to := newTarget(t)
	to.Upgrade(t, "v2.5.10")
	to.client = to.Server.Client(t)
	if _, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient()); err != nil {
		t.Fatal(err)
	}
	to.wantOnce(t, m, sink)
	if made := labtest.Describe(t, to.client, "t").Schema; len(made.Functions) != 1 || made.Functions[0].Name != "bm" || len(made.Fields) != 3 {
		t.Errorf("made: %v", made)
	}
}
