//go:build lab

package storage_test

import (
	"math/rand/v2"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/query"
	"migrate/internal/source/storage"
	"migrate/sinks"
)

// TestAsQueried reads collections of every type of 2.3 from a folder and from a bucket, with deletes, upserts, partitions and a compaction:
// the rows that queries give.
func TestAsQueried(t *testing.T) {
	for name, side := range map[string]func(testing.TB) (*milvus.Server, sinks.Sink){
		"folder": func(t testing.TB) (*milvus.Server, sinks.Sink) { return labtest.Source(t), labtest.SourceStorage(t) },
		"bucket": func(t testing.TB) (*milvus.Server, sinks.Sink) { return labtest.Target(t), labtest.TargetStorage(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, bucket := side(t)
			c := labtest.Collection(typesOf23(), "a", "b")
			labtest.Create(t, server, c)
			described := labtest.Describe(t, server, c.Name)
			write := func(from, n int) {
				labtest.Insert(t, server, c.Name, "a", rowsOf23(t, described, from, n))
				labtest.Insert(t, server, c.Name, "b", rowsOf23(t, described, 100_000+from, n/2))
			}
			write(0, 2000)
			wantSame(t, server, bucket, c.Name)
			labtest.Delete(t, server, c.Name, "id in [1, 2, 3, 1999, 100001]")
			write(5000, 300)
			labtest.Delete(t, server, c.Name, "id in [5001, 100002]")
			labtest.Upsert(t, server, c.Name, rowsOf23(t, described, 10, 20))
			wantSame(t, server, bucket, c.Name)
			labtest.Compact(t, labtest.Protocol(t, server), described.ID)
			wantSame(t, server, bucket, c.Name)
		})
	}
}

func typesOf23() *schemapb.CollectionSchema {
	s := labtest.Schema(
		labtest.IntKey("id"), labtest.Field("bool", schemapb.DataType_Bool), labtest.Field("int8", schemapb.DataType_Int8),
		labtest.Field("int16", schemapb.DataType_Int16), labtest.Field("int32", schemapb.DataType_Int32), labtest.Field("int64", schemapb.DataType_Int64),
		labtest.Field("float", schemapb.DataType_Float), labtest.Field("double", schemapb.DataType_Double), labtest.Field("text", schemapb.DataType_VarChar),
		labtest.Field("json", schemapb.DataType_JSON), labtest.Array("ints", schemapb.DataType_Int16), labtest.Array("texts", schemapb.DataType_VarChar),
		labtest.Vector("v", schemapb.DataType_FloatVector, 8),
	)
	s.EnableDynamicField = true
	return s
}

// rowsOf23 have keys from one on.
func rowsOf23(t testing.TB, c *model.Collection, from, n int) labtest.Rows {
	t.Helper()
	layout, err := columns.NewLayout(c.Schema)
	if err != nil {
		t.Fatal(err)
	}
	data, err := layout.Encode(layout.Sample(rand.New(rand.NewPCG(1, uint64(from))), n), labtest.Each(n, func(i int) int { return i }))
	if err != nil {
		t.Fatal(err)
	}
	all := labtest.Rows{N: n}
	for _, d := range data {
		if d.FieldName == "id" {
			d = labtest.Column(c.Schema.Fields[0], labtest.Each(n, func(i int) int64 { return int64(from + i) }))
		}
		all.Columns = append(all.Columns, d)
	}
	return all
}

// wantSame wants the rows that queries give of each partition.
func wantSame(t *testing.T, server *milvus.Server, bucket sinks.Sink, name string) {
	t.Helper()
	stored, err := storage.Opener(server, bucket, storage.Options{})(t.Context(), labtest.Describe(t, server, name), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := allOf(t, stored)
	queried, err := query.OpenByName(t.Context(), server, name)
	if err != nil {
		t.Fatal(err)
	}
	want := allOf(t, queried)
	for partition, sum := range want {
		if got[partition] != sum {
			t.Errorf("partition %s: %+v from the storage, %+v by queries", partition, got[partition], sum)
		}
	}
	t.Log(got)
}

func allOf(t *testing.T, s source.Source) map[string]model.Sum {
	t.Helper()
	plan, err := s.Plan(t.Context(), source.Size{Rows: 700, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]model.Sum{}
	for _, c := range plan.Chunks {
		stream, err := s.Read(t.Context(), c)
		sum := sums[c.Partition]
		for rec := range labtest.Batches(t, stream, err) {
			hashes, err := columns.Hash(rec)
			if err != nil {
				t.Fatal(err)
			}
			sum.AddRows(hashes)
		}
		sums[c.Partition] = sum
	}
	return sums
}
