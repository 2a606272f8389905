package columns_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"

	"migrate/internal/columns"
	"migrate/internal/labtest"
)

// benchmarked are schemas that exports are made of, by what takes their time.
func benchmarked() map[string]*schemapb.CollectionSchema {
	plain := labtest.Schema(labtest.IntKey("id"), labtest.Field("title", schemapb.DataType_VarChar),
		labtest.Vector("v", schemapb.DataType_FloatVector, 768))
	plain.EnableDynamicField = true
	arrays := labtest.Schema(labtest.IntKey("id"), labtest.Array("tags", schemapb.DataType_VarChar), labtest.Array("scores", schemapb.DataType_Int64))
	sparse := labtest.Schema(labtest.IntKey("id"), labtest.Field("s", schemapb.DataType_SparseFloatVector))
	return map[string]*schemapb.CollectionSchema{"vectors": plain, "arrays": arrays, "sparse": sparse, "all": everything()}
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

// nullableToo are a schema, and the same one whose fields take NULL but for the key.
func nullableToo(schema *schemapb.CollectionSchema) (plain, nullable *schemapb.CollectionSchema) {
	plain, nullable = schema, proto.CloneOf(schema)
	for _, f := range nullable.Fields {
		f.Nullable = !f.IsPrimaryKey
	}
	return plain, nullable
}

// BenchmarkNulls prints how many times as long a batch takes whose fields are NULL in each fourth row, and how many times as many
// allocations it makes, as the same fields take without NULLs.
func BenchmarkNulls(b *testing.B) {
	for name, schema := range benchmarked() {
		plain, nullable := nullableToo(schema)
		without, with := conversions(b, plain), conversions(b, nullable)
		for _, way := range []string{"decode", "encode"} {
			b.Run(way+"/"+name, func(b *testing.B) {
				var took [2]time.Duration
				for b.Loop() {
					for i, convert := range []func(){without[way], with[way]} {
						began := time.Now()
						convert()
						took[i] += time.Since(began)
					}
				}
				b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "times-plain")
				b.ReportMetric(testing.AllocsPerRun(10, with[way])/testing.AllocsPerRun(10, without[way]), "times-allocs")
			})
		}
	}
}

// conversions are those of a batch of a schema's rows either way.
func conversions(b *testing.B, schema *schemapb.CollectionSchema) map[string]func() {
	layout := layoutOf(b, schema)
	data := encoded(b, layout)
	rec, err := layout.Decode(data)
	if err != nil {
		b.Fatal(err)
	}
	rows := rand.New(rand.NewPCG(3, 4)).Perm(benchmarkRows)
	return map[string]func(){
		"decode": func() { _, err = layout.Decode(data) },
		"encode": func() { _, err = layout.Encode(rec, rows) },
	}
}
