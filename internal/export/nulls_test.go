package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"migrate/internal/columns"
	"migrate/internal/labtest"
	"migrate/internal/model"
)

// families are a field of each type that migrate carries, and an ARRAY of each element.
func families() []*schemapb.FieldSchema {
	var fields []*schemapb.FieldSchema
	for _, kind := range slices.Sorted(maps.Keys(schemapb.DataType_name)) {
		field := labtest.Vector(fmt.Sprint(schemapb.DataType(kind)), schemapb.DataType(kind), 16)
		array := labtest.Array("Array of "+field.Name, field.DataType)
		for _, f := range []*schemapb.FieldSchema{field, array} {
			if _, err := columns.NewLayout(labtest.Schema(labtest.IntKey("id"), f)); err == nil {
				fields = append(fields, f)
			}
		}
	}
	return fields
}

// TestFamilies takes rows of each family from the protocol through a part and back: those of a nullable field with NULLs at any place, all
// NULL, or none; and of one that takes none.
func TestFamilies(t *testing.T) {
	for _, field := range families() {
		t.Run(field.Name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				f := proto.CloneOf(field)
				f.Nullable = rapid.Bool().Draw(t, "nullable")
				layout, err := columns.NewLayout(labtest.Schema(labtest.IntKey("id"), f))
				if err != nil {
					t.Fatal(err)
				}
				wantFamilyBack(t, layout, drawRows(t, layout))
			})
		})
	}
}

// TestManyNulls reads NULLs of every family from a part of several row groups, whose rows come in several batches.
func TestManyNulls(t *testing.T) {
	fields := []*schemapb.FieldSchema{labtest.IntKey("id")}
	for _, f := range families() {
		fields = append(fields, labtest.MayBeNull(proto.CloneOf(f)))
	}
	layout, err := columns.NewLayout(labtest.Schema(fields...))
	if err != nil {
		t.Fatal(err)
	}
	const rows = readBatch + 500
	random := rand.New(rand.NewPCG(1, 2))
	w, out, want := (*Writer)(nil), &bytes.Buffer{}, model.Sum{}
	if w, err = NewWriter(out, layout.Arrow); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		rec := layout.Sample(random, rows)
		if err := errors.Join(add(&want, rec), w.Write(rec), w.endGroup()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := read(t.Context(), out.Bytes(), w.SHA256(), layout.Arrow)
	if err != nil || got != want || got.Rows != 2*rows {
		t.Errorf("read %v, %v; wrote %v", got, err, want)
	}
}

// drawRows draws rows as a server sends them: with NULLs, or without, or NULLs alone.
func drawRows(t *rapid.T, layout *columns.Layout) arrow.Record {
	rec := layout.Sample(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), rapid.IntRange(0, 20).Draw(t, "rows"))
	keep := rapid.SampledFrom([]string{"all", "values", "NULLs"}).Draw(t, "keep")
	var rows []int
	for i := range int(rec.NumRows()) {
		if keep == "all" || rec.Column(1).IsNull(i) == (keep == "NULLs") {
			rows = append(rows, i)
		}
	}
	rec, err := layout.Rows(rec, rows)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func wantFamilyBack(t *rapid.T, layout *columns.Layout, rec arrow.Record) {
	t.Helper()
	at, n := rapid.Int64Range(0, rec.NumRows()).Draw(t, "cut"), rec.NumRows()
	var part bytes.Buffer
	w := write(t, &part, layout.Arrow, rec.NewSlice(0, at), rec.NewSlice(at, n))
	var read []arrow.Record
	err := readParquet(context.Background(), bytes.NewReader(part.Bytes()), w.SHA256(), layout.Arrow, func(rec arrow.Record) error {
		rec.Retain()
		read = append(read, rec)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	back, err := layout.Join(read...)
	if err != nil {
		t.Fatal(err)
	}
	if back.NumRows() != n {
		t.Fatalf("%d rows came back of %d", back.NumRows(), n)
	}
	numbers := labtest.Each(int(n), func(i int) int { return i })
	want, err := layout.Encode(rec, numbers)
	if err != nil {
		t.Fatal(err)
	}
	got, err := layout.Encode(back, numbers)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if !proto.Equal(got[i], want[i]) {
			t.Errorf("%v came back of %v", got[i], want[i])
		}
	}
}
