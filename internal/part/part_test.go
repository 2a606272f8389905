package part

import (
	"bytes"
	"context"
	"errors"
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

// small is a part with a few rows of every type.
func small(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	write(t, &out, batch(everything(), 5, 40, rand.New(rand.NewPCG(1, 1))))
	return out.Bytes()
}

func write(t rapid.TB, out io.Writer, batches ...arrow.Record) *Writer {
	t.Helper()
	w, err := writeTo(out, batches...)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func writeTo(out io.Writer, batches ...arrow.Record) (*Writer, error) {
	w, err := NewWriter(out, everything())
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
func read(ctx context.Context, data []byte) (checksum.Sum, error) {
	var sum checksum.Sum
	err := Read(ctx, bytes.NewReader(data), everything(), func(rec arrow.Record) error { return add(&sum, rec) })
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
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		longest := rapid.SampledFrom([]int{4, 40, 70_000}).Draw(t, "longest")
		var batches []arrow.Record
		var want checksum.Sum
		for _, rows := range rapid.SliceOfN(rapid.IntRange(0, 10), 0, 4).Draw(t, "batches") {
			rec := batch(everything(), rows, longest, random)
			if err := add(&want, rec); err != nil {
				t.Fatal(err)
			}
			batches = append(batches, rec)
		}
		var out bytes.Buffer
		w := write(t, &out, batches...)
		if got, err := read(context.Background(), out.Bytes()); err != nil || got != want {
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
	const rows, batches = 6000, 2
	schema := arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}, {Name: "text", Type: arrow.BinaryTypes.String}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	text := strings.Repeat("x", rowGroupBytes/rows)
	for i := range rows {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.StringBuilder).Append(text)
	}
	rec := b.NewRecord()
	var out bytes.Buffer
	w, err := NewWriter(&out, schema)
	if err != nil {
		t.Fatal(err)
	}
	for range batches {
		if err := w.Write(rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	wantRowGroups(t, out.Bytes(), rows, rows)
	var got int64
	err = Read(t.Context(), bytes.NewReader(out.Bytes()), schema, func(rec arrow.Record) error {
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
	if err != nil || got != rows*batches {
		t.Errorf("read %d rows, %v; wrote %d", got, err, rows*batches)
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
	rec := batch(everything(), 5, 40, rand.New(rand.NewPCG(1, 1)))
	size := len(small(t))
	for at := 0; at < size; at += 1 + at%13 {
		if _, err := writeTo(&breaking{left: at}, rec, rec.NewSlice(0, 0)); !errors.Is(err, errBroken) {
			t.Errorf("broken at byte %d of %d: %v", at, size, err)
		}
	}
	if _, err := writeTo(&breaking{left: size}, rec); err != nil {
		t.Errorf("a target that takes all %d bytes: %v", size, err)
	}
}

// A target that broke stays broken, however often it is written to.
func TestWriteAfterABreak(t *testing.T) {
	rec := batch(everything(), 5, 40, rand.New(rand.NewPCG(1, 1)))
	w, err := NewWriter(&breaking{}, everything())
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
	w, err := NewWriter(io.Discard, everything())
	if err != nil {
		t.Fatal(err)
	}
	other := arrow.NewSchema(everything().Fields()[1:], nil)
	if err := w.Write(batch(other, 1, 4, rand.New(rand.NewPCG(1, 1)))); err == nil {
		t.Error("a batch of other columns was written")
	}
}

func TestReadRefusesOtherColumns(t *testing.T) {
	fields := everything().Fields()
	for name, schema := range map[string]*arrow.Schema{
		"fewer":         arrow.NewSchema(fields[1:], nil),
		"other order":   arrow.NewSchema(append(fields[1:], fields[0]), nil),
		"other type":    arrow.NewSchema(append([]arrow.Field{{Name: "$meta", Type: arrow.PrimitiveTypes.Int8}}, fields[1:]...), nil),
		"other element": arrow.NewSchema(append([]arrow.Field{fields[0], {Name: "bits", Type: arrow.ListOf(arrow.PrimitiveTypes.Int8)}}, fields[2:]...), nil),
		"other name":    arrow.NewSchema(append([]arrow.Field{{Name: "meta", Type: fields[0].Type}}, fields[1:]...), nil),
	} {
		err := Read(t.Context(), bytes.NewReader(small(t)), schema, func(arrow.Record) error {
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
	err := Read(t.Context(), bytes.NewReader(small(t)), everything(), func(arrow.Record) error { calls++; return errBroken })
	if err != errBroken || calls != 1 {
		t.Errorf("%d batches, %v; want one, and emit's own error", calls, err)
	}
}

// Read leaves the file open, which is its caller's.
func TestReadLeavesTheFileOpen(t *testing.T) {
	f := &closing{Reader: bytes.NewReader(small(t))}
	if err := Read(t.Context(), f, everything(), func(arrow.Record) error { return nil }); err != nil || f.closed {
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
	data := small(t)
	for n := range data {
		if _, err := read(t.Context(), data[:n]); !errors.Is(err, ErrDamaged) {
			t.Errorf("the first %d of %d bytes: %v", n, len(data), err)
		}
	}
}

// A flipped bit, here in every few bytes, is an error or other rows, and never more.
func TestFlippedBits(t *testing.T) {
	data := small(t)
	for i := 0; i < 8*len(data); i += 29 {
		damaged := bytes.Clone(data)
		damaged[i/8] ^= 1 << (i % 8)
		readInTime(t, damaged)
	}
}

// FuzzRead damages a part in any way.
func FuzzRead(f *testing.F) {
	data := small(f)
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add(append(bytes.Clone(data[:4]), data[len(data)-8:]...))
	f.Add([]byte("PAR1"))
	f.Fuzz(func(t *testing.T, data []byte) { readInTime(t, data) })
}

// readInTime fails where a read panics or hangs.
func readInTime(t *testing.T, data []byte) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		read(context.Background(), data)
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("reading %d bytes of damaged parquet hangs", len(data))
	}
}
