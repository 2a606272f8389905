package binlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"pgregory.net/rapid"

	"migrate/internal/columns"
	"migrate/internal/labtest"
	"migrate/internal/source/storage/binlog"
	"migrate/internal/source/storage/binlog/binlogtest"
)

var owner = binlog.Owner{Collection: 1, Partition: 2, Segment: 3, Field: 100}

// every is a field of each type that servers up to 2.5 have, and of each that may be NULL there.
func every() *schemapb.CollectionSchema {
	fields := []*schemapb.FieldSchema{
		labtest.IntKey("id"), labtest.Field("bool", schemapb.DataType_Bool), labtest.Field("int8", schemapb.DataType_Int8),
		labtest.Field("int16", schemapb.DataType_Int16), labtest.Field("int32", schemapb.DataType_Int32), labtest.Field("int64", schemapb.DataType_Int64),
		labtest.Field("float", schemapb.DataType_Float), labtest.Field("double", schemapb.DataType_Double),
		labtest.Field("text", schemapb.DataType_VarChar), labtest.Field("json", schemapb.DataType_JSON), labtest.Field("place", schemapb.DataType_Geometry),
		labtest.Array("ints", schemapb.DataType_Int32), labtest.Array("texts", schemapb.DataType_VarChar), labtest.Array("truths", schemapb.DataType_Bool),
	}
	for _, f := range slices.Clone(fields[1:]) {
		nullable := labtest.MayBeNull(labtest.Field("null "+f.Name, f.DataType))
		nullable.ElementType, nullable.TypeParams = f.ElementType, f.TypeParams
		fields = append(fields, nullable)
	}
	return labtest.Schema(append(fields,
		labtest.Vector("float vector", schemapb.DataType_FloatVector, 5), labtest.Vector("binary vector", schemapb.DataType_BinaryVector, 24),
		labtest.Vector("float16 vector", schemapb.DataType_Float16Vector, 3), labtest.Vector("bfloat16 vector", schemapb.DataType_BFloat16Vector, 3),
		labtest.Field("sparse vector", schemapb.DataType_SparseFloatVector),
	)...)
}

// fataler is a test, or one of its draws.
type fataler interface {
	Helper()
	Fatal(...any)
}

// sample is rows, and the log of each of their fields.
func sample(t fataler, schema *schemapb.CollectionSchema, r *rand.Rand, n int) (*columns.Layout, arrow.Record, [][]byte) {
	t.Helper()
	layout, err := columns.NewLayout(schema)
	if err != nil {
		t.Fatal(err)
	}
	rec := layout.Sample(r, n)
	cut := r.IntN(n + 1)
	var logs [][]byte
	for i, f := range schema.Fields {
		var events []*schemapb.FieldData
		for _, rows := range [][]int{numbers(0, cut), numbers(cut, n)} {
			if len(rows) > 0 {
				events = append(events, encoded(t, layout, rec, rows)[i])
			}
		}
		logs = append(logs, binlogtest.Insert(owner, f, events...))
	}
	return layout, rec, logs
}

func numbers(from, to int) (rows []int) {
	for i := from; i < to; i++ {
		rows = append(rows, i)
	}
	return rows
}

func encoded(t fataler, layout *columns.Layout, rec arrow.Record, rows []int) []*schemapb.FieldData {
	t.Helper()
	data, err := layout.Encode(rec, rows)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestColumns reads any type as a query would answer, by whatever batches, and of them the rows that are kept.
func TestColumns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		schema, n := labtest.Schema(labtest.IntKey("id"), rapid.SampledFrom(every().Fields[1:]).Draw(t, "field")), rapid.IntRange(1, 200).Draw(t, "rows")
		r := rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed")))
		layout, rec, logs := sample(t, schema, r, n)
		var opened []*binlog.Column
		for i, f := range schema.Fields {
			opened = append(opened, open(t, logs[i], f))
		}
		for at := 0; at < n; {
			batch := rapid.IntRange(1, n-at).Draw(t, "batch")
			keep, rows := keeping(t, at, batch)
			data := make([]*schemapb.FieldData, len(opened))
			for i, c := range opened {
				var err error
				if data[i], err = c.Next(batch, keep); err != nil {
					t.Fatalf("%s: %v", schema.Fields[i].Name, err)
				}
			}
			got, err := layout.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			want, err := layout.Rows(rec, rows)
			if err != nil || !same(got, want) {
				t.Fatalf("rows %d to %d are others, %v", at, at+batch, err)
			}
			at += batch
		}
	})
}

// keeping are rows to keep, of all where nil.
func keeping(t *rapid.T, at, batch int) (keep []bool, rows []int) {
	if rapid.Bool().Draw(t, "all") {
		return nil, numbers(at, at+batch)
	}
	keep = rapid.SliceOfN(rapid.Bool(), batch, batch).Draw(t, "keep")
	for i, k := range keep {
		if k {
			rows = append(rows, at+i)
		}
	}
	return keep, rows
}

func open(t fataler, log []byte, f *schemapb.FieldSchema) *binlog.Column {
	t.Helper()
	c, err := binlog.OpenColumn(bytes.NewReader(log), owner, f)
	if err != nil {
		t.Fatal(f.Name, err)
	}
	return c
}

func same(a, b arrow.Record) bool {
	one, err := columns.Hash(a)
	if err != nil {
		return false
	}
	other, err := columns.Hash(b)
	return err == nil && slices.Equal(one, other)
}

// TestEncodings reads what the writer of Parquet does with much of the same and with much of all: dictionaries, runs, many pages.
func TestEncodings(t *testing.T) {
	const n = 60_000
	for name, value := range map[string]func(int) int64{
		"one": func(int) int64 { return 7 }, "few": func(i int) int64 { return int64(i % 5) }, "runs": func(i int) int64 { return int64(i / 1000) },
		"all": func(i int) int64 { return int64(i) * 0x9E3779B97F4A7C },
	} {
		t.Run(name, func(t *testing.T) {
			f := labtest.Field("n", schemapb.DataType_Int64)
			want := labtest.Each(n, value)
			c := open(t, binlogtest.Insert(owner, f, labtest.Column(f, want)), f)
			got, err := c.Next(n, nil)
			if err != nil || !slices.Equal(got.GetScalars().GetLongData().GetData(), want) {
				t.Error("other numbers", err)
			}
			text := labtest.Field("text", schemapb.DataType_VarChar)
			words := labtest.Each(n, func(i int) string { return fmt.Sprint("word ", value(i)) })
			if got, err = open(t, binlogtest.Insert(owner, text, labtest.Column(text, words)), text).Next(n, nil); err != nil ||
				!slices.Equal(got.GetScalars().GetStringData().GetData(), words) {
				t.Error("other texts", err)
			}
		})
	}
}

// TestRefused refuses what is not the log that was asked for, and says what it is instead.
func TestRefused(t *testing.T) {
	f := labtest.Vector("v", schemapb.DataType_FloatVector, 4)
	log := binlogtest.Insert(owner, f, labtest.Vectors("v", 4, 10, 1))
	shorter := labtest.Vector("v", schemapb.DataType_FloatVector, 3)
	other := owner
	other.Segment++
	for _, c := range []struct {
		name  string
		log   []byte
		of    binlog.Owner
		field *schemapb.FieldSchema
		want  error
		says  string
	}{
		{"another segment", log, other, f, binlog.ErrDamaged, "Segment:3"},
		{"another type", log, owner, labtest.Field("v", schemapb.DataType_JSON), binlog.ErrDamaged, "type 101"},
		{"another dimension", log, owner, shorter, binlog.ErrDamaged, "12 bytes"},
		{"a delta log", binlogtest.Deletes(owner, binlogtest.Delete{TS: 1}), owner, f, binlog.ErrDamaged, ""},
		{"layout v2", []byte("PAR1 and so on"), owner, f, binlog.ErrLayout, "2.6"},
		{"a later type", log, owner, labtest.Vector("v", schemapb.DataType_Int8Vector, 4), binlog.ErrDamaged, ""},
		{"nothing", nil, owner, f, binlog.ErrDamaged, "ends at 0"},
		{"something else", []byte("something else"), owner, f, binlog.ErrDamaged, "begins with"},
	} {
		_, err := binlog.OpenColumn(bytes.NewReader(c.log), c.of, c.field)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestTruncated refuses a log that ends anywhere before its end.
func TestTruncated(t *testing.T) {
	f := labtest.Field("text", schemapb.DataType_VarChar)
	log := binlogtest.Insert(owner, f, labtest.Column(f, labtest.Each(100, func(i int) string { return fmt.Sprint("text ", i*i) })))
	for n := range log {
		if _, err := readAll(log[:n], f); err == nil {
			t.Errorf("%d bytes of %d are taken for the whole", n, len(log))
		}
	}
}

// TestFlipped refuses a log of which a bit is another, or its rows are the same: any bit of one log, and one of each byte of the others.
func TestFlipped(t *testing.T) {
	schema := every()
	layout, rec, logs := sample(t, schema, rand.New(rand.NewPCG(1, 2)), 12)
	for i, f := range schema.Fields {
		if f.Nullable && f.Name != "null text" { // the others differ from it by their values alone
			continue
		}
		want := rec.Column(i)
		only := layout.Only(func(name string) bool { return name == f.Name })
		silent, step := 0, 9
		if f.Name == "null text" {
			step = 1
		}
		for bit := 0; bit < 8*len(logs[i]); bit += step {
			flipped := slices.Clone(logs[i])
			flipped[bit/8] ^= 1 << (bit % 8)
			data, err := readAll(flipped, f)
			if err != nil {
				continue
			}
			got, err := only.Decode([]*schemapb.FieldData{data})
			if err == nil && !same(got, arrowRecord(only, want)) {
				silent++
			}
		}
		if silent > 0 {
			t.Errorf("%s: %d bits change rows in silence", f.Name, silent)
		}
	}
}

func readAll(log []byte, f *schemapb.FieldSchema) (*schemapb.FieldData, error) {
	c, err := binlog.OpenColumn(bytes.NewReader(log), owner, f)
	if err != nil {
		return nil, err
	}
	return c.Next(int(c.Rows()), nil)
}

func arrowRecord(layout *columns.Layout, col arrow.Array) arrow.Record {
	return array.NewRecord(layout.Arrow, []arrow.Array{col}, int64(col.Len()))
}
