package part

import (
	"io"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
)

func vectors(b *testing.B, rows, dim int) (arrow.Record, *columns.Layout) {
	layout, err := columns.NewLayout(&schemapb.CollectionSchema{Fields: []*schemapb.FieldSchema{
		{Name: "id", IsPrimaryKey: true, DataType: schemapb.DataType_Int64},
		{Name: "v", DataType: schemapb.DataType_FloatVector, TypeParams: []*commonpb.KeyValuePair{{Key: "dim", Value: "384"}}},
	}})
	if err != nil {
		b.Fatal(err)
	}
	ids, data := make([]int64, rows), make([]float32, rows*dim)
	for i := range data {
		data[i] = float32(i) / 7
	}
	rec, err := layout.Record([]*schemapb.FieldData{
		{FieldName: "id", Field: &schemapb.FieldData_Scalars{Scalars: &schemapb.ScalarField{Data: &schemapb.ScalarField_LongData{LongData: &schemapb.LongArray{Data: ids}}}}},
		{FieldName: "v", Field: &schemapb.FieldData_Vectors{Vectors: &schemapb.VectorField{Dim: 384, Data: &schemapb.VectorField_FloatVector{FloatVector: &schemapb.FloatArray{Data: data}}}}},
	})
	if err != nil {
		b.Fatal(err)
	}
	return rec, layout
}

func BenchmarkWrite(b *testing.B) {
	const rows, dim = 4096, 384
	rec, layout := vectors(b, rows, dim)
	b.SetBytes(rows * dim * 4)
	for b.Loop() {
		w, err := NewWriter(io.Discard, layout.Arrow)
		if err != nil {
			b.Fatal(err)
		}
		for range 5 {
			if err := w.Write(rec); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
