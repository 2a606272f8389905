//go:build lab

package syncer_test

import (
	"fmt"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/pairs"
	"migrate/internal/syncer"
)

// newLabPair makes an empty collection on the standalone and on the cluster.
func newLabPair(t *testing.T, schema *schemapb.CollectionSchema, partitions ...string) pair {
	t.Helper()
	p := pair{pairs.Pair{Source: labtest.Source(t), Target: labtest.Target(t), Sink: labtest.Local(t)}}
	c := labtest.Collection(schema, partitions...)
	p.Name = c.Name
	labtest.Create(t, p.Source, c)
	labtest.Create(t, p.Target, c)
	return p
}

// TestEveryType carries each type, by text keys, bit by bit.
func TestEveryType(t *testing.T) {
	t.Parallel()
	key := labtest.TextKey("id")
	fields := []*schemapb.FieldSchema{key}
	var columns []*schemapb.FieldData
	const n = 6
	keys := []string{"", "a", `q"uo\te`, "line\nfeed", "ü", "z"}
	columns = append(columns, labtest.Column(key, keys))
	add := func(f *schemapb.FieldSchema, d *schemapb.FieldData) {
		fields, columns = append(fields, f), append(columns, d)
	}
	for _, kind := range []schemapb.DataType{schemapb.DataType_Int8, schemapb.DataType_Int16, schemapb.DataType_Int32} {
		f := labtest.Field(kind.String(), kind)
		add(f, labtest.Column(f, labtest.Each(n, func(i int) int32 { return int32(i - 3) })))
	}
	boolean, single, double := labtest.Field("b", schemapb.DataType_Bool), labtest.Field("f", schemapb.DataType_Float), labtest.Field("d", schemapb.DataType_Double)
	add(boolean, labtest.Column(boolean, labtest.Each(n, func(i int) bool { return i%2 == 0 })))
	add(single, labtest.Column(single, labtest.Each(n, func(i int) float32 { return float32(i) / 3 })))
	add(double, labtest.Column(double, labtest.Each(n, func(i int) float64 { return float64(i) / 3 })))
	text, json := labtest.Field("t", schemapb.DataType_VarChar), labtest.Field("j", schemapb.DataType_JSON)
	add(text, labtest.Column(text, keys))
	add(json, labtest.Column(json, labtest.Each(n, func(i int) []byte { return fmt.Appendf(nil, `{"b": %d, "a": []}`, i) })))
	numbers, words := labtest.Array("an", schemapb.DataType_Int8), labtest.Array("aw", schemapb.DataType_VarChar)
	add(numbers, labtest.Arrays(numbers, [][]int32{{}, {1}, {2, 3}, {}, {}, {4}}))
	add(words, labtest.Arrays(words, [][]string{{}, {"x"}, {}, {"", "y"}, {}, {}}))
	add(labtest.Vector("v", schemapb.DataType_FloatVector, 4), labtest.Vectors("v", 4, n, 1))
	schema := labtest.Schema(fields...)
	schema.EnableDynamicField = true
	p := newLabPair(t, schema)
	columns = append(columns, labtest.Dynamic(labtest.Each(n, func(i int) []byte { return fmt.Appendf(nil, `{"more": %d}`, i) })))
	labtest.Insert(t, p.Source, p.Name, "", labtest.Rows{N: n, Columns: columns})
	p.WantSync(t)
	p.WantEqual(t)
}

// TestPartitionKey syncs a collection whose partitions the server chooses: a row whose partition key changes is there once.
func TestPartitionKey(t *testing.T) {
	t.Parallel()
	schema := plain(id)
	group := labtest.Field("group", schemapb.DataType_Int64)
	group.IsPartitionKey = true
	schema.Fields = append(schema.Fields, group)
	p := newLabPair(t, schema)
	in := func(g int64, keys ...int64) labtest.Rows {
		rows := at(1, keys...)
		rows.Columns = append(rows.Columns, labtest.Column(group, labtest.Each(len(keys), func(int) int64 { return g })))
		return rows
	}
	labtest.Insert(t, p.Source, p.Name, "", in(1, upTo(0, 100)...))
	p.WantSync(t)
	labtest.Upsert(t, p.Source, p.Name, in(2, upTo(10, 20)...))
	labtest.Delete(t, p.Source, p.Name, "id in [30]")
	p.WantSync(t)
	p.WantEqual(t)
	if n := count(t, p.Target, p.Name); n != 99 {
		t.Errorf("the target has %d rows, want 99", n)
	}
}

// TestChangedAmongMany changes a few rows here and there, which moves no count. They are found in the growing segments, and
// no other row is read.
func TestChangedAmongMany(t *testing.T) {
	t.Parallel()
	p := newLabPair(t, plain(id))
	labtest.Insert(t, p.Source, p.Name, "", at(1, upTo(0, 5000)...))
	p.WantSync(t)
	p.waitSealed(t)
	p.WantQuiet(t)
	before := p.segments(t)

	labtest.Upsert(t, p.Source, p.Name, at(2, 17, 18, 2503, 4999))
	reports := p.WantSync(t)
	p.WantEqual(t)
	if done := total(reports); done != (syncer.Outcome{Changed: 4}) {
		t.Errorf("applied: %+v", done)
	}
	if compacted := !containsAll(p.segments(t), before); !compacted && reports[0].Read != 4 {
		t.Errorf("%d of 5000 rows were read, in %d ranges; 4 were changed", reports[0].Read, reports[0].Ranges)
	}
}
