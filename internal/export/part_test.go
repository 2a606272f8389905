package export

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

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/file"
	"pgregory.net/rapid"

	"migrate/internal/columns"
	"migrate/internal/model"
	"migrate/internal/source"
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

// nullable is a schema whose columns may be NULL.
func nullable(schema *arrow.Schema) *arrow.Schema {
	fields := schema.Fields()
	for i := range fields {
		fields[i].Nullable = true
	}
	return arrow.NewSchema(fields, nil)
}

// batch makes random rows: any bits in numbers, lists of up to 3 elements, texts of up to longest bytes. Of a column that may be NULL
// a third is, or all.
func batch(schema *arrow.Schema, rows, longest int, random *rand.Rand) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for i, column := range b.Fields() {
		nullable := schema.Field(i).Nullable
		all := nullable && random.IntN(8) == 0
		for range rows {
			if all || nullable && random.IntN(3) == 0 {
				column.AppendNull()
				continue
			}
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

// small is a part of a few rows with its SHA-256, and the batch that is in it.
func small(t testing.TB, schema *arrow.Schema) (data []byte, sha256 string, rec arrow.Record) {
	t.Helper()
	var out bytes.Buffer
	rec = batch(schema, 5, 40, rand.New(rand.NewPCG(1, 1)))
	w := write(t, &out, schema, rec)
	return out.Bytes(), w.SHA256(), rec
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
func read(ctx context.Context, data []byte, sha256 string, schema *arrow.Schema) (model.Sum, error) {
	var sum model.Sum
	err := readParquet(ctx, bytes.NewReader(data), sha256, schema, func(rec arrow.Record) error { return add(&sum, rec) })
	return sum, err
}

func add(sum *model.Sum, rec arrow.Record) error {
	hashes, err := columns.Hash(rec)
	sum.AddRows(hashes)
	return err
}

// What was written is read: the same rows, of every type, from any batches; and the writer knows the bytes' checksum.
func TestPartWriteThenRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		schema := rapid.SampledFrom([]*arrow.Schema{everything(), nullable(everything())}).Draw(t, "schema")
		longest := rapid.SampledFrom([]int{4, 4, 40, 40, 40, 40, 40, 70_000}).Draw(t, "longest")
		var batches []arrow.Record
		for _, rows := range rapid.SliceOfN(rapid.IntRange(0, 10), 0, 3).Draw(t, "batches") {
			from := rapid.IntRange(0, rows).Draw(t, "from")
			batches = append(batches, batch(schema, rows, longest, random).NewSlice(int64(from), int64(rows)))
		}
		wantBack(t, schema, batches)
	})
}

// wantBack writes batches and reads the same rows, and has the writer know the bytes' checksum.
func wantBack(t rapid.TB, schema *arrow.Schema, batches []arrow.Record) {
	var want model.Sum
	for _, rec := range batches {
		if err := add(&want, rec); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	w := write(t, &out, schema, batches...)
	if got, err := read(context.Background(), out.Bytes(), w.SHA256(), schema); err != nil || got != want {
		t.Errorf("read %v, %v; wrote %v", got, err, want)
	}
	sum, n, err := Digest(&out)
	if err != nil || sum != w.SHA256() || n != w.Bytes() {
		t.Errorf("the bytes are %s, %d, %v; the writer says %s, %d", sum, n, err, w.SHA256(), w.Bytes())
	}
}

// Lists may have as many elements as Milvus allows, which is more than the library writes at once. A longer one is refused.
func TestLongLists(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{{Name: "list", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64)}}, nil)
	lists := func(lengths ...int) arrow.Record {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		list := b.Field(0).(*array.ListBuilder)
		for _, n := range lengths {
			list.Append(true)
			for i := range n {
				list.ValueBuilder().(*array.Int64Builder).Append(int64(i))
			}
		}
		return b.NewRecord()
	}
	wantBack(t, schema, []arrow.Record{lists(1, 1023, 1024, 1025, 0, 4095, 4096, 4096, 7), lists(4096, 4096, 1), lists(2, 4096)})
	if _, err := writeTo(io.Discard, schema, lists(1, 4097)); err == nil || !strings.Contains(err.Error(), "4097") {
		t.Errorf("a list that is too long: %v", err)
	}
}

// Vectors of one width are written by pages that the library does not make, and read by the library: whatever the width and the
// element, with several pages and batches, from a slice of a batch, and with NULLs among them.
func TestVectors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		element := rapid.SampledFrom([]arrow.DataType{arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Int8}).Draw(t, "element")
		width := rapid.OneOf(rapid.IntRange(1, 10), rapid.IntRange(1, 40_000)).Draw(t, "width")
		nulls := rapid.SampledFrom([]int{0, 0, 1, 2, 7}).Draw(t, "nulls")
		schema := arrow.NewSchema([]arrow.Field{{Name: "v", Type: arrow.ListOf(element), Nullable: nulls > 0 || rapid.Bool().Draw(t, "nullable")}}, nil)
		var batches []arrow.Record
		for _, rows := range rapid.SliceOfN(rapid.IntRange(1, 40), 1, 3).Draw(t, "batches") {
			from := rapid.IntRange(0, rows).Draw(t, "from")
			batches = append(batches, vectorBatch(schema, rows, width, nulls).NewSlice(int64(from), int64(rows)))
		}
		wantBack(t, schema, batches)
	})
}

// vectorBatch makes vectors that differ in each row, of all values that there are of a byte. One of so many rows is NULL; none where zero.
func vectorBatch(schema *arrow.Schema, rows, width, nulls int) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	list := b.Field(0).(*array.ListBuilder)
	for row := range rows {
		if nulls > 0 && row%nulls == 0 {
			list.AppendNull()
			continue
		}
		list.Append(true)
		for i := range width {
			switch values := list.ValueBuilder().(type) {
			case *array.Float32Builder:
				values.Append(float32(row*width + i))
			case *array.Uint8Builder:
				values.Append(uint8(row + i*7))
			case *array.Int8Builder:
				values.Append(int8(row + i*7))
			}
		}
	}
	return b.NewRecord()
}

// The widest vectors that there are, 32,768 dimensions of two bytes, are written and read: no list of a column's own may be so long.
func TestWidestVectors(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{{Name: "v", Type: arrow.ListOf(arrow.PrimitiveTypes.Uint8), Nullable: true}}, nil)
	wantBack(t, schema, []arrow.Record{vectorBatch(schema, 20, 1<<16, 0), vectorBatch(schema, 3, 1<<16, 2)})
}

// Bytes of vectors take a byte each, and not the four of Parquet's integers.
func TestBytesTakeAByte(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{{Name: "v", Type: arrow.ListOf(arrow.PrimitiveTypes.Uint8)}}, nil)
	var out bytes.Buffer
	write(t, &out, schema, vectorBatch(schema, 1000, 256, 0))
	if most := 1000*(256+8) + 4096; out.Len() > most {
		t.Errorf("1000 vectors of 256 bytes take %d bytes, more than %d", out.Len(), most)
	}
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
	w := write(t, &out, schema, rec, rec.NewSlice(0, 10))
	wantRowGroups(t, out.Bytes(), rows, 10)
	var got int64
	err := readParquet(t.Context(), bytes.NewReader(out.Bytes()), w.SHA256(), schema, func(rec arrow.Record) error {
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

// Those of vectors of bytes end sooner, since a reader makes four bytes of each.
func TestRowGroupsOfBytes(t *testing.T) {
	const rows = rowGroupBytes/4/(1<<16) + 1
	schema := arrow.NewSchema([]arrow.Field{{Name: "v", Type: arrow.ListOf(arrow.PrimitiveTypes.Uint8)}}, nil)
	rec := vectorBatch(schema, rows, 1<<16, 0)
	var out bytes.Buffer
	write(t, &out, schema, rec, vectorBatch(schema, 10, 1<<16, 0))
	wantRowGroups(t, out.Bytes(), rows, 10)
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
	data, _, rec := small(t, few())
	for at := 0; at < len(data); at += 3 {
		if _, err := writeTo(&breaking{left: at}, few(), rec); !errors.Is(err, errBroken) {
			t.Errorf("broken at byte %d of %d: %v", at, len(data), err)
		}
	}
	if _, err := writeTo(&breaking{left: len(data)}, few(), rec); err != nil {
		t.Errorf("a target that takes all %d bytes: %v", len(data), err)
	}
}

// breakingOnce is a writer that fails once, and then takes everything.
type breakingOnce struct{ breaking }

func (b *breakingOnce) Write(p []byte) (int, error) {
	n, err := b.breaking.Write(p)
	b.left = math.MaxInt
	return n, err
}

// What broke once stays broken: the file has a gap, however well its end can be written.
func TestWriteAfterABreak(t *testing.T) {
	_, _, rec := small(t, few())
	for name, target := range map[string]io.Writer{"broken for good": &breaking{}, "broken once": &breakingOnce{}} {
		w, err := NewWriter(target, few())
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := w.Write(rec); !errors.Is(err, errBroken) {
				t.Errorf("%s: write: %v", name, err)
			}
		}
		for range 2 {
			if err := w.Close(); !errors.Is(err, errBroken) {
				t.Errorf("%s: close: %v", name, err)
			}
		}
	}
}

func TestWriteRefusesOtherColumns(t *testing.T) {
	w, err := NewWriter(io.Discard, few())
	if err != nil {
		t.Fatal(err)
	}
	_, _, other := small(t, everything())
	if err := w.Write(other); err == nil {
		t.Error("a batch of other columns was written")
	}
}

func TestReadRefusesOtherColumns(t *testing.T) {
	data, sum, _ := small(t, few())
	id, text, v, flags := few().Field(0), few().Field(1), few().Field(2), few().Field(3)
	for name, fields := range map[string][]arrow.Field{
		"fewer":         {id, text, v},
		"more":          {id, text, v, flags, {Name: "x", Type: arrow.PrimitiveTypes.Int8}},
		"other order":   {text, id, v, flags},
		"other name":    {{Name: "key", Type: id.Type}, text, v, flags},
		"other type":    {{Name: "id", Type: arrow.PrimitiveTypes.Int32}, text, v, flags},
		"other element": {id, text, v, {Name: "flags", Type: v.Type}},
	} {
		err := readParquet(t.Context(), bytes.NewReader(data), sum, arrow.NewSchema(fields, nil), func(arrow.Record) error {
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
	data, sum, _ := small(t, few())
	err := readParquet(t.Context(), bytes.NewReader(data), sum, few(), func(arrow.Record) error { calls++; return errBroken })
	if err != errBroken || calls != 1 {
		t.Errorf("%d batches, %v; want one, and emit's own error", calls, err)
	}
}

// A file that can't be read is not taken for a damaged one.
func TestReadBrokenFile(t *testing.T) {
	data, sum, _ := small(t, few())
	for name, f := range map[string]*broken{
		"seek": {Reader: bytes.NewReader(data), seek: errBroken}, "read": {Reader: bytes.NewReader(data), read: errBroken},
	} {
		err := readParquet(t.Context(), f, sum, few(), func(arrow.Record) error { return nil })
		if !errors.Is(err, errBroken) || errors.Is(err, ErrPartDamaged) {
			t.Errorf("%s: %v, want the file's own error", name, err)
		}
	}
}

// broken is a file whose methods fail, where they have an error.
type broken struct {
	*bytes.Reader
	seek, read error
}

func (b *broken) Seek(offset int64, whence int) (int64, error) {
	n, err := b.Reader.Seek(offset, whence)
	return n, errors.Join(b.seek, err)
}

func (b *broken) Read(p []byte) (int, error) {
	if b.read != nil {
		return 0, b.read
	}
	return b.Reader.Read(p)
}

// WriteTo hides bytes.Reader's own, which would pass Read by.
func (b *broken) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{b})
}

// What is read is the whole file, wherever it was read to before.
func TestReadFromTheBeginning(t *testing.T) {
	data, sum, rec := small(t, few())
	f := bytes.NewReader(data)
	for range 2 {
		rows := int64(0)
		if err := readParquet(t.Context(), f, sum, few(), func(rec arrow.Record) error { rows += rec.NumRows(); return nil }); err != nil || rows != rec.NumRows() {
			t.Errorf("read %d rows, %v; want %d", rows, err, rec.NumRows())
		}
	}
}

// Read leaves the file open, which is its caller's.
func TestReadLeavesTheFileOpen(t *testing.T) {
	data, sum, _ := small(t, few())
	f := &closing{Reader: bytes.NewReader(data)}
	if err := readParquet(t.Context(), f, sum, few(), func(arrow.Record) error { return nil }); err != nil || f.closed {
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
	data, sum, _ := small(t, few())
	for n := range data {
		wantDamaged(t, data[:n], sum, few())
	}
}

// A flipped bit is found, whichever it is: the parquet library would hang on some, and panic or give other rows on others.
func TestFlippedBits(t *testing.T) {
	data, sum, _ := small(t, few())
	for i := range 8 * len(data) {
		data[i/8] ^= 1 << (i % 8)
		wantDamaged(t, data, sum, few())
		data[i/8] ^= 1 << (i % 8)
	}
}

// FuzzRead damages a part in any way.
func FuzzRead(f *testing.F) {
	whole, sum, rec := small(f, everything())
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(append(bytes.Clone(whole[:4]), whole[len(whole)-8:]...))
	f.Add([]byte("PAR1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if !bytes.Equal(data, whole) {
			wantDamaged(t, data, sum, everything())
			return
		}
		if got, err := read(t.Context(), data, sum, everything()); err != nil || got.Rows != rec.NumRows() {
			t.Errorf("the part as it was: %v, %v", got, err)
		}
	})
}

func wantDamaged(t *testing.T, data []byte, sum string, schema *arrow.Schema) {
	t.Helper()
	if got, err := read(t.Context(), data, sum, schema); !errors.Is(err, ErrPartDamaged) || got.Rows > 0 {
		t.Errorf("%x: %v, %v; want nothing, and ErrDamaged", data, got, err)
	}
}

// readParquet reads a part, and ends at the first error of emit.
func readParquet(ctx context.Context, f File, sha256 string, schema *arrow.Schema, emit func(arrow.Record) error) error {
	stream := &rows{ctx: ctx, open: func() (File, error) { return f, nil }, sha256: sha256, parse: ours(schema)}
	for rec, err := range source.Rows(stream) {
		if err != nil {
			return err
		}
		if err := emit(rec); err != nil {
			return err
		}
	}
	return nil
}
