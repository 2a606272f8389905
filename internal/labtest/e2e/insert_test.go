//go:build lab

package e2e

import (
	"errors"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/labtest/pairs"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/verify"
)

// TestInsert brings an export by inserts from one Milvus Lite to another, and from the standalone to one, with every type that both have.
func TestInsert(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from, to  func(*testing.T) *milvus.Server
		partition string // beside the default one
		schema    *schemapb.CollectionSchema
	}{
		"Lite 2.5": {func(t *testing.T) *milvus.Server { return labtest.Lite25(t) }, func(t *testing.T) *milvus.Server { return labtest.SpareLite25(t) }, model.DefaultPartition, litePlain(
			labtest.Vector("bits", schemapb.DataType_BinaryVector, 264), labtest.Vector("halves", schemapb.DataType_Float16Vector, 33),
			labtest.Vector("brains", schemapb.DataType_BFloat16Vector, 33),
		)},
		"Lite 3": {func(t *testing.T) *milvus.Server { return labtest.Lite3(t) }, liteDatabase, "a", litePlain(
			labtest.MayBeNull(labtest.Field("number", schemapb.DataType_Int64)), labtest.MayBeNull(labtest.Array("more", schemapb.DataType_Int32)),
			labtest.MayBeNull(labtest.Field("place", schemapb.DataType_Geometry)), labtest.MayBeNull(labtest.Field("time", schemapb.DataType_Timestamptz)),
		)},
		"2.3 to Lite 3": {func(t *testing.T) *milvus.Server { return labtest.Source(t) }, func(t *testing.T) *milvus.Server { return labtest.Lite3(t) }, "a", labtest.Schema(
			labtest.IntKey("id"), labtest.Field("title", schemapb.DataType_VarChar), labtest.Field("n", schemapb.DataType_Int16), labtest.Field("b", schemapb.DataType_Bool),
			labtest.Array("tags", schemapb.DataType_VarChar), labtest.Vector("v", schemapb.DataType_FloatVector, 8),
		)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const rows = 600
			from, to, c := c.from(t), c.to(t), labtest.Collection(c.schema, c.partition)
			labtest.Create(t, from, c)
			half := rows / 2
			labtest.Insert(t, from, c.Name, "", liteRows(t, c, 1, 0, half))
			labtest.Insert(t, from, c.Name, c.Partitions[0], liteRows(t, c, 1, half, rows))
			sink := labtest.Local(t)
			m, err := exporter.Export(t.Context(), from, c.Name, sink, exporter.Options{Job: "j", PartBytes: 20_000})
			if err != nil {
				t.Fatal(err)
			}
			labtest.DropLater(t, to, c.Name)
			r, err := importer.Import(t.Context(), to, sink, m, nil, importer.Options{Via: importer.Insert})
			if err != nil {
				t.Fatal(err)
			}
			if r.Rows != rows || len(labtest.Describe(t, to, c.Name).Aliases) > 0 {
				t.Errorf("%+v", r)
			}
			wantLitesEqual(t, pairs.Pair{Source: from, Target: to, Name: c.Name, Sink: sink}, rows)
		})
	}
}

// TestFence: what is written by an alias is refused as soon as another client has dropped it, through another proxy too.
func TestFence(t *testing.T) {
	t.Parallel()
	for name, servers := range map[string][2]*milvus.Server{
		"standalone": {labtest.Source(t), labtest.Source(t)}, "cluster": {labtest.Target(t), labtest.SecondProxy(t)}, "Lite 3": {labtest.Lite3(t), labtest.Lite3(t)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			late, next, c := servers[0], servers[1], labtest.Collection(narrow())
			labtest.DropLater(t, late, c.Name)
			if err := late.Create(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			for owner := range 5 {
				fence := milvus.FenceOf("a job", string(rune('a'+owner)))
				if err := late.PointAlias(t.Context(), fence, c.Name); err != nil {
					t.Fatal(err)
				}
				if err := labtest.TryUpsert(t.Context(), late, fence, narrowRows([]int64{1})); err != nil {
					t.Fatal(err)
				}
				fences, err := next.Fences(t.Context(), c.Name, "a job")
				if err != nil || len(fences) != 1 || fences[0] != fence || len(labtest.Describe(t, next, c.Name).Aliases) > 0 {
					t.Fatalf("fences %v, want %s: %v", fences, fence, err)
				}
				if err := next.DropFences(t.Context(), fences); err != nil {
					t.Fatal(err)
				}
				if err := labtest.TryUpsert(t.Context(), late, fence, narrowRows([]int64{1})); !errors.Is(err, milvus.ErrNotFound) {
					t.Errorf("by an alias that is gone: %v", err)
				}
			}
		})
	}
}

// TestInsertLiteKeys has each Milvus Lite give the keys, and spread rows by a partition key.
func TestInsertLiteKeys(t *testing.T) {
	t.Parallel()
	const rows = 500
	given, spread := labtest.IntKey("id"), labtest.Field("tenant", schemapb.DataType_Int64)
	given.AutoID, spread.IsPartitionKey = true, true
	for title, schema := range map[string]*schemapb.CollectionSchema{
		"new keys":        labtest.Schema(given, labtest.Field("tenant", schemapb.DataType_Int64), labtest.Vector("v", schemapb.DataType_FloatVector, 2)),
		"a partition key": labtest.Schema(labtest.IntKey("id"), spread, labtest.Vector("v", schemapb.DataType_FloatVector, 2)),
	} {
		for name, to := range map[string]*milvus.Server{"2.5": labtest.Lite25(t), "3": labtest.Lite3(t)} {
			t.Run(title+"/"+name, func(t *testing.T) {
				t.Parallel()
				from, c, sink := memory.Start(t, "v2.3.5"), labtest.Collection(schema), labtest.Local(t)
				from.Add(t, c)
				from.Sealed(t, c.Name, labtest.Rows{N: rows, Columns: []*schemapb.FieldData{
					labtest.Column(labtest.IntKey("id"), labtest.Each(rows, func(i int) int64 { return int64(1000 + i) })),
					labtest.Column(spread, labtest.Each(rows, func(i int) int64 { return int64(i % 7) })), labtest.Vectors("v", 2, rows, 1),
				}})
				m, err := exporter.Export(t.Context(), from.Client(t), c.Name, sink, exporter.Options{Job: "j"})
				if err != nil {
					t.Fatal(err)
				}
				labtest.DropLater(t, to, c.Name)
				r, err := importer.Import(t.Context(), to, sink, m, nil, importer.Options{NewKeys: title == "new keys"})
				if err != nil || r.Via != importer.Insert {
					t.Fatalf("%+v, %v", r, err)
				}
				wantEqual(t, compare(t, export.Source{Sink: sink, Manifest: m}, side(t, to, c.Name), verify.Options{WithoutKeys: title == "new keys"}), rows)
			})
		}
	}
}
