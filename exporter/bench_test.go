package exporter_test

import (
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/exporter"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
)

// BenchmarkExport exports rows with vectors of 128 dimensions, from a server in memory to files.
func BenchmarkExport(b *testing.B) {
	const rows, dim = 20_000, 128
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, dim)))
	s := memory.Start(b, "v2.3.5")
	s.Add(b, c)
	s.Sealed(b, c.Name, labtest.Rows{N: rows, Columns: []*schemapb.FieldData{
		labtest.Column(labtest.IntKey("id"), labtest.Each(rows, func(i int) int64 { return int64(i) })), labtest.Vectors("v", dim, rows, 1),
	}})
	server := s.Client(b)
	b.SetBytes(rows * 4 * dim)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := exporter.Export(b.Context(), server, c.Name, labtest.Local(b), exporter.Options{Job: "j"}); err != nil {
			b.Fatal(err)
		}
	}
}
