package main

import (
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/model"
)

// TestVerifyIsThrottled reads a side that is loaded no faster than --max-rate says.
func TestVerifyIsThrottled(t *testing.T) {
	s, coll := memory.Start(t, "v2.3.5"), labtest.Collection(labtest.Schema(labtest.IntKey("id")))
	s.Add(t, coll)
	keys := labtest.Each(300, func(i int) int64 { return int64(i) })
	s.Sealed(t, coll.Name, labtest.Rows{N: 300, Columns: []*schemapb.FieldData{labtest.Column(labtest.IntKey("id"), keys)}})
	side, err := config{MaxRate: 200}.openSide(t.Context(), s.Client(t), coll.Name)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	stream, err := side.Read(t.Context(), model.Chunk{Partition: model.AllPartitions})
	for range labtest.Batches(t, stream, err) {
	}
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("300 rows in %v at 200 rows/s, and so many at once in the beginning", took)
	}
}
