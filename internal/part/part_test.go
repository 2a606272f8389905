package part

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/file"
	"pgregory.net/rapid"

	"migrate/internal/checksum"
)

// everything has a column of each type that a part may have.
func everything() *arrow.Schema {
	fields := []arrow.Field{{Name: "$meta", Type: arrow.BinaryTypes.String}, {Name: "bits", Type: arrow.ListOf(arrow.PrimitiveTypes.Uint8)}}
	for _, t := range []arrow.DataType{
		arrow.FixedWidthTypes.Boolean, arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32,
		arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64, arrow.BinaryTypes.String,
	} {
		fields = append(fields, arrow.Field{Name: t.Name(), Type: t}, arrow.Field{Name: "list of " + t.Name(), Type: arrow.ListOf(t)})
	}
	return arrow.NewSchema(fields, nil)
}

// batch makes random rows: any bits in numbers, lists of up to 3 elements, texts of up to longest bytes.
func batch(schema *arrow.Schema, rows, longest int, random *rand.Rand) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for _, column := range b.Fields() {
		for range rows {
			appendRandom(column, longest, random)
		}
	}
	return b.NewRecord()
}

func appendRandom(b array.Builder, longest int, random *rand.Rand) {
	bits := random.Uint64()
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(bits%2 == 0)
	case *array.Int8Builder:
		b.Append(int8(bits))
	case *array.Int16Builder:
		b.Append(int16(bits))
	case *array.Int32Builder:
		b.Append(int32(bits))
	case *array.Int64Builder:
		b.Append(int64(bits))
	case *array.Uint8Builder:
		b.Append(uint8(bits))
	case *array.Float32Builder:
		b.Append(math.Float32frombits(uint32(bits)))
	case *array.Float64Builder:
		b.Append(math.Float64frombits(bits))
	case *array.StringBuilder:
		b.Append(strings.Repeat("ä\x00\xff", random.IntN(longest)/4))
	case *array.ListBuilder:
		b.Append(true)
		for range bits % 4 {
			appendRandom(b.ValueBuilder(), longest, random)
		}
	}
}

// few has the columns of a small part, quick to write and to read.
func few() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "text", Type: arrow.BinaryTypes.String},
		{Name: "v", Type: arrow.ListOf(arrow.PrimitiveTypes.Float32)}, {Name: "flags", Type: arrow.ListOf(arrow.FixedWidthTypes.Boolean)},
	}, nil)
}

// small is a part of a few rows, and the batch that is in it.
func small(t testing.TB, schema *arrow.Schema) ([]byte, arrow.Record) {
	t.Helper()
	var out bytes.Buffer
	rec := batch(schema, 5, 40, rand.New(rand.NewPCG(1, 1)))
	write(t, &out, schema, rec)
	return out.Bytes(), rec
}

func write(t rapid.TB, out io.Writer, schema *arrow.Schema, batches ...arrow.Record) *Writer {
	t.Helper()
	w, err := writeTo(out, schema, batches...)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func writeTo(out io.Writer, schema *arrow.Schema, batches ...arrow.Record) (*Writer, error) {
	w, err := NewWriter(out, schema)
	if err != nil {
		return nil, err
	}
	for _, rec := range batches {
		if err := w.Write(rec); err != nil {
			return nil, err
		}
	}
	return w, w.Close()
}

// read sums a part up.
func read(ctx context.Context, data []byte, schema *arrow.Schema) (checksum.Sum, error) {
	var sum checksum.Sum
	err := Read(ctx, bytes.NewReader(data), schema, func(rec arrow.Record) error { return add(&sum, rec) })
	return sum, err
}

func add(sum *checksum.Sum, rec arrow.Record) error {
	hashes, err := checksum.Rows(rec)
	sum.AddRows(hashes)
	return err
}

// What was written is read: the same rows, of every type, from any batches; and the writer knows the bytes' checksum.
func TestWriteThenRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		schema, random := everything(), rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		longest := rapid.SampledFrom([]int{4, 40, 40, 40, 70_000}).Draw(t, "longest")
		var batches []arrow.Record
		var want checksum.Sum
		for _, rows := range rapid.SliceOfN(rapid.IntRange(0, 10), 0, 3).Draw(t, "batches") {
			rec := batch(schema, rows, longest, random)
			if err := add(&want, rec); err != nil {
				t.Fatal(err)
			}
			batches = append(batches, rec)
		}
		var out bytes.Buffer
		w := write(t, &out, schema, batches...)
		if got, err := read(context.Background(), out.Bytes(), schema); err != nil || got != want {
			t.Errorf("read %v, %v; wrote %v", got, err, want)
		}
		sum, n, err := Digest(&out)
		if err != nil || sum != w.SHA256() || n != w.Bytes() {
			t.Errorf("the bytes are %s, %d, %v; the writer says %s, %d", sum, n, err, w.SHA256(), w.Bytes())
		}
	})
}

// Row groups end at about 32 MB, and batches hold up to 4096 rows.
func TestRowGroups(t *testing.T) {
	const columns, rows = 16, rowGroupBytes/16/8 + 1
	fields, arrays := make([]arrow.Field, columns), make([]arrow.Array, columns)
	b := array.NewInt64Builder(memory.DefaultAllocator)
	for i := range rows {
		b.Append(int64(i))
	}
	numbers := b.NewArray()
	for i := range fields {
		fields[i], arrays[i] = arrow.Field{Name: fmt.Sprint(i), Type: arrow.PrimitiveTypes.Int64}, numbers
	}
	schema := arrow.NewSchema(fields, nil)
	rec := array.NewRecord(schema, arrays, rows)
	var out bytes.Buffer
	write(t, &out, schema, rec, rec.NewSlice(0, 10))
	wantRowGroups(t, out.Bytes(), rows, 10)
	var got int64
	err := Read(t.Context(), bytes.NewReader(out.Bytes()), schema, func(rec arrow.Record) error {
		for _, x := range rec.Column(0).(*array.Int64).Int64Values() {
			if x != got%rows {
				t.Errorf("row %d holds %d", got, x)
			}
			got++
		}
		if rec.NumRows() > readBatch {
			t.Errorf("a batch of %d rows", rec.NumRows())
		}
		return nil
	})
	if err != nil || got != rows+10 {
		t.Errorf("read %d rows, %v; wrote %d", got, err, rows+10)
	}
}

func wantRowGroups(t *testing.T, data []byte, want ...int64) {
	t.Helper()
	pf, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for i := range pf.NumRowGroups() {
		if n := pf.RowGroup(i).NumRows(); n > 0 {
			got = append(got, n)
		}
	}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("row groups of %d rows, want %d", got, want)
	}
}

var errBroken = errors.New("disk broken")

// breaking is a writer that takes left bytes.
type breaking struct{ left int }

func (b *breaking) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	if b.left -= n; n < len(p) {
		return n, errBroken
	}
	return n, nil
}

// Wherever in the file the writer's target breaks, its error comes out.
func TestBrokenTarget(t *testing.T) {
	data, rec := small(t, few())
	for at := 0; at < len(data); at += 3 {
		if _, err := writeTo(&breaking{left: at}, few(), rec); !errors.Is(err, errBroken) {
			t.Errorf("broken at byte %d of %d: %v", at, len(data), err)
		}
	}
	if _, err := writeTo(&breaking{left: len(data)}, few(), rec); err != nil {
		t.Errorf("a target that takes all %d bytes: %v", len(data), err)
	}
}

// A target that broke stays broken, however often it is written to.
func TestWriteAfterABreak(t *testing.T) {
	_, rec := small(t, few())
	w, err := NewWriter(&breaking{}, few())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := w.Write(rec); !errors.Is(err, errBroken) {
			t.Errorf("write: %v", err)
		}
	}
	for range 2 {
		if err := w.Close(); !errors.Is(err, errBroken) {
			t.Errorf("close: %v", err)
		}
	}
}

func TestWriteRefusesOtherColumns(t *testing.T) {
	w, err := NewWriter(io.Discard, few())
	if err != nil {
		t.Fatal(err)
	}
	_, other := small(t, everything())
	if err := w.Write(other); err == nil {
		t.Error("a batch of other columns was written")
	}
}

func TestReadRefusesOtherColumns(t *testing.T) {
	data, _ := small(t, few())
	id, text, v, flags := few().Field(0), few().Field(1), few().Field(2), few().Field(3)
	for name, fields := range map[string][]arrow.Field{
		"fewer":         {id, text, v},
		"more":          {id, text, v, flags, {Name: "x", Type: arrow.PrimitiveTypes.Int8}},
		"other order":   {text, id, v, flags},
		"other name":    {{Name: "key", Type: id.Type}, text, v, flags},
		"other type":    {{Name: "id", Type: arrow.PrimitiveTypes.Int32}, text, v, flags},
		"other element": {id, text, v, {Name: "flags", Type: v.Type}},
	} {
		err := Read(t.Context(), bytes.NewReader(data), arrow.NewSchema(fields, nil), func(arrow.Record) error {
			t.Errorf("%s: rows were read", name)
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), "its columns are") {
			t.Errorf("%s: %v, want an error that says which columns", name, err)
		}
	}
}

func TestReadEndsWithEmit(t *testing.T) {
	calls := 0
	data, _ := small(t, few())
	err := Read(t.Context(), bytes.NewReader(data), few(), func(arrow.Record) error { calls++; return errBroken })
	if err != errBroken || calls != 1 {
		t.Errorf("%d batches, %v; want one, and emit's own error", calls, err)
	}
}

// A file that can't be read is not taken for damaged where its end could be read, and its error comes out.
func TestReadBrokenFile(t *testing.T) {
	data, _ := small(t, few())
	f := &fragile{Reader: bytes.NewReader(data), breaksBelow: 100}
	if _, err := f.ReadAt(make([]byte, 1), f.breaksBelow); err != nil {
		t.Fatal(err)
	}
	if err := Read(t.Context(), f, few(), func(arrow.Record) error { return nil }); !errors.Is(err, errBroken) || errors.Is(err, ErrDamaged) {
		t.Errorf("%v, want the file's own error", err)
	}
}

// fragile is a file whose beginning can't be read.
type fragile struct {
	*bytes.Reader
	breaksBelow int64
}

func (f *fragile) ReadAt(p []byte, at int64) (int, error) {
	if at < f.breaksBelow {
		return 0, errBroken
	}
	return f.Reader.ReadAt(p, at)
}

// Read leaves the file open, which is its caller's.
func TestReadLeavesTheFileOpen(t *testing.T) {
	data, _ := small(t, few())
	f := &closing{Reader: bytes.NewReader(data)}
	if err := Read(t.Context(), f, few(), func(arrow.Record) error { return nil }); err != nil || f.closed {
		t.Errorf("closed %t, %v", f.closed, err)
	}
}

type closing struct {
	*bytes.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

// A part that was cut off anywhere is no part.
func TestCutOff(t *testing.T) {
	data, _ := small(t, few())
	for n := range data {
		if _, err := read(t.Context(), data[:n], few()); !errors.Is(err, ErrDamaged) {
			t.Errorf("the first %d of %d bytes: %v", n, len(data), err)
		}
	}
}

// A flipped bit is an error or other values: it never panics, and never makes more or fewer rows.
func TestFlippedBits(t *testing.T) {
	data, rec := small(t, few())
	for i := 0; i < 8*len(data); i += 13 {
		damaged := bytes.Clone(data)
		damaged[i/8] ^= 1 << (i % 8)
		if sum, err := readInTime(t, damaged, few()); err == nil && sum.Rows != rec.NumRows() {
			t.Errorf("bit %d of byte %d flipped: %d rows instead of %d", i%8, i/8, sum.Rows, rec.NumRows())
		}
	}
}

// FuzzRead damages a part in any way.
func FuzzRead(f *testing.F) {
	data, _ := small(f, everything())
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add(append(bytes.Clone(data[:4]), data[len(data)-8:]...))
	f.Add([]byte("PAR1"))
	f.Fuzz(func(t *testing.T, data []byte) { readInTime(t, data, everything()) })
}

// readInTime fails where a read hangs.
func readInTime(t *testing.T, data []byte, schema *arrow.Schema) (sum checksum.Sum, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		sum, err = read(context.Background(), data, schema)
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("reading %d bytes of damaged parquet hangs", len(data))
	}
	return sum, err
}
