package export

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
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
	rec, err := layout.Decode([]*schemapb.FieldData{
		{FieldName: "id", Field: &schemapb.FieldData_Scalars{Scalars: &schemapb.ScalarField{Data: &schemapb.ScalarField_LongData{LongData: &schemapb.LongArray{Data: ids}}}}},
		{FieldName: "v", Field: &schemapb.FieldData_Vectors{Vectors: &schemapb.VectorField{Dim: 384, Data: &schemapb.VectorField_FloatVector{FloatVector: &schemapb.FloatArray{Data: data}}}}},
	})
	if err != nil {
		b.Fatal(err)
	}
	return rec, layout
}

// BenchmarkWrite prints how many times as fast as the library's own writer of records this package is.
func BenchmarkWrite(b *testing.B) {
	const rows, dim, batches = 4096, 384, 5
	rec, layout := vectors(b, rows, dim)
	library := func() (recordWriter, error) {
		return pqarrow.NewFileWriter(layout.Arrow, io.Discard, properties(layout.Arrow), pqarrow.DefaultWriterProps())
	}
	ours := func() (recordWriter, error) { return NewWriter(io.Discard, layout.Arrow) }
	var mine, theirs time.Duration
	b.SetBytes(batches * rows * dim * 4)
	for b.Loop() {
		mine += timed(b, ours, rec, batches)
		b.StopTimer()
		theirs += timed(b, library, rec, batches)
		b.StartTimer()
	}
	b.ReportMetric(theirs.Seconds()/mine.Seconds(), "times-library")
}

type recordWriter interface {
	Write(arrow.Record) error
	Close() error
}

func timed(b *testing.B, begin func() (recordWriter, error), rec arrow.Record, batches int) time.Duration {
	began := time.Now()
	w, err := begin()
	for range batches {
		err = errors.Join(err, w.Write(rec))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}
