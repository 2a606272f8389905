package columns_test

import (
	"math/rand/v2"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/labtest"
)

// benchmarked are schemas that exports are made of, by what takes their time.
func benchmarked() map[string]*schemapb.CollectionSchema {
	plain := labtest.Schema(labtest.IntKey("id"), labtest.Field("title", schemapb.DataType_VarChar),
		labtest.Vector("v", schemapb.DataType_FloatVector, 768))
	plain.EnableDynamicField = true
	arrays := labtest.Schema(labtest.IntKey("id"), labtest.Array("tags", schemapb.DataType_VarChar), labtest.Array("scores", schemapb.DataType_Int64))
	all := everything()
	return map[string]*schemapb.CollectionSchema{"vectors": plain, "arrays": arrays, "all": all}
}

const benchmarkRows = 1000

func encoded(b *testing.B, layout *columns.Layout) []*schemapb.FieldData {
	b.Helper()
	rec := layout.Sample(rand.New(rand.NewPCG(1, 2)), benchmarkRows)
	data, err := layout.Encode(rec, rand.New(rand.NewPCG(3, 4)).Perm(benchmarkRows))
	if err != nil {
		b.Fatal(err)
	}
	return overTheWire(b, data)
}

func BenchmarkDecode(b *testing.B) {
	for name, schema := range benchmarked() {
		b.Run(name, func(b *testing.B) {
			layout := layoutOf(b, schema)
			data := encoded(b, layout)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := layout.Decode(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	for name, schema := range benchmarked() {
		b.Run(name, func(b *testing.B) {
			layout := layoutOf(b, schema)
			rec, err := layout.Decode(encoded(b, layout))
			if err != nil {
				b.Fatal(err)
			}
			rows := rand.New(rand.NewPCG(3, 4)).Perm(benchmarkRows)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := layout.Encode(rec, rows); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
