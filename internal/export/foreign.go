package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/sinks"
)

// Files that others wrote are read before anything is known of their bytes. What they say of themselves is therefore held against their
// size, memory is given in pieces that such a file may need, and who gives no row for long is left alone.
const (
	groupBytes    = 2 << 30          // of a row group at most, uncompressed
	groupRows     = 1 << 26          // of a row group at most
	groupToInsert = 256 << 20        // up to which a row group is one for bulk insert, which buffers a whole column of it
	batchBytes    = 32 << 20         // of a batch, about
	patience      = 10 * time.Minute // for a batch
)

// foreign is a stream of a part that others wrote.
type foreign struct {
	*part
	schema   *schemapb.CollectionSchema
	names    []string // of the columns that are read; all where nil
	adoption *columns.Adoption
	plain    bool  // bulk insert takes the file's encodings, and its row groups
	from     int64 // rows that came
	left     bool  // to a reader that may never end, and has the part's own error meanwhile
	err      error // that ended the stream; nil after its end
}

func newForeign(ctx context.Context, sink sinks.Sink, object, sha256 string, schema *schemapb.CollectionSchema, names []string) *foreign {
	s := &foreign{part: newPart(ctx, sink, object, sha256), schema: schema, names: names}
	s.parse = s.opened
	return s
}

// Next is the next batch, in the collection's columns.
func (s *foreign) Next() (arrow.Record, error) {
	rec, err := s.next()
	if err != nil && err != io.EOF {
		s.err = err
		return nil, err
	}
	return rec, err
}

func (s *foreign) next() (arrow.Record, error) {
	if s.err != nil {
		return nil, s.err
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("reading part %s: %w", s.name, err)
	}
	rec, err := s.watched()
	if err == io.EOF && s.from != s.file.NumRows() { // the parquet library takes some damages for the end
		return nil, fmt.Errorf("reading part %s: %w: %d rows came of %d", s.name, ErrPartDamaged, s.from, s.file.NumRows())
	}
	if err != nil {
		return nil, err
	}
	for i, col := range rec.Columns() {
		if err := checkSound(col.Data()); err != nil {
			return nil, fmt.Errorf("reading part %s: %w: column %q: %w", s.name, ErrPartDamaged, rec.ColumnName(i), err)
		}
	}
	adopted, err := s.adoption.Batch(rec, s.from)
	s.from += rec.NumRows()
	if err != nil {
		return nil, fmt.Errorf("reading part %s: %w", s.name, err)
	}
	return adopted, nil
}

// watched reads a batch beside, so that a reader that does not come back is left.
func (s *foreign) watched() (arrow.Record, error) {
	type answer struct {
		rec arrow.Record
		err error
	}
	answered := make(chan answer, 1)
	go func() {
		rec, err := s.part.Next()
		answered <- answer{rec, err}
	}()
	long := time.NewTimer(patience)
	defer long.Stop()
	select {
	case a := <-answered:
		return a.rec, a.err
	case <-s.ctx.Done():
		s.left = true
		return nil, context.Cause(s.ctx)
	case <-long.C:
		s.left = true
		return nil, fmt.Errorf("reading part %s: %w: no row came of it in %s", s.name, ErrPartDamaged, patience)
	}
}

// Close closes the object too. What a reader has that was left is its own.
func (s *foreign) Close() error {
	if s.left {
		return s.closeObject()
	}
	return s.part.Close()
}

// opened opens the file as Parquet, and looks at its columns.
func (s *foreign) opened(f File) (*file.Reader, *pqarrow.FileReader, error) {
	layout, err := columns.NewLayout(s.schema)
	if err != nil {
		return nil, nil, err
	}
	opened, err := file.NewParquetReader(struct{ File }{f}, file.WithReadProps(parquet.NewReaderProperties(atMost(2*groupBytes))))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrPartDamaged, err)
	}
	meta := opened.MetaData()
	if s.plain, err = checkFooter(meta, s.bytes); err != nil {
		return nil, nil, err
	}
	// Without it columns have the types that Parquet has, which are fewer: no dictionaries, no lists and texts of large offsets.
	meta.FileMetaData.KeyValueMetadata = nil
	groups, have, err := asArrow(opened, min(readBatch, max(batchBytes/int64(layout.RowBytes()+1), 1)))
	if err != nil {
		return nil, nil, err
	}
	if s.adoption, err = columns.Adopt(s.schema, have); err != nil {
		return nil, nil, err
	}
	if len(s.names) > 0 {
		s.adoption = s.adoption.Only(s.names)
	}
	s.columns = leavesOf(groups.Manifest.Fields, s.adoption.Layout().Names())
	return opened, groups, nil
}

// leavesOf are the numbers of the columns of Parquet that make up those of these names; that of the first column where there is none, by
// which rows are counted.
func leavesOf(fields []pqarrow.SchemaField, names []string) (leaves []int) {
	for _, f := range fields {
		if slices.Contains(names, f.Field.Name) {
			leaves = appendLeaves(leaves, f)
		}
	}
	if len(leaves) == 0 {
		return []int{0}
	}
	slices.Sort(leaves)
	return leaves
}

func appendLeaves(leaves []int, f pqarrow.SchemaField) []int {
	if f.IsLeaf() {
		leaves = append(leaves, f.ColIndex)
	}
	for _, child := range f.Children {
		leaves = appendLeaves(leaves, child)
	}
	return leaves
}

// checkFooter holds what a file says of itself against its size, and tells whether bulk insert takes its encodings and its row groups.
func checkFooter(meta *metadata.FileMetaData, size int64) (plain bool, err error) {
	plain, rows := true, int64(0)
	for i := range meta.RowGroups {
		group := meta.RowGroup(i)
		if group.NumRows() < 0 || group.NumRows() > groupRows || group.NumColumns() != meta.Schema.NumColumns() {
			return false, fmt.Errorf("%w: row group %d has %d rows and %d columns", ErrPartDamaged, i, group.NumRows(), group.NumColumns())
		}
		rows += group.NumRows()
		bytes := int64(0)
		for j := range group.NumColumns() {
			chunk, err := group.ColumnChunk(j)
			if err == nil && group.NumRows() > 0 {
				err = checkChunk(chunk, size)
			}
			if err != nil {
				return false, fmt.Errorf("row group %d, column %s: %w", i, meta.Schema.Column(j).Path(), err)
			}
			bytes += chunk.TotalUncompressedSize()
			plain = plain && plainChunk(chunk)
		}
		if bytes > groupBytes {
			return false, fmt.Errorf("row group %d has %d bytes, where %d are read at most: %w", i, bytes, int64(groupBytes), errGroups)
		}
		plain = plain && bytes <= groupToInsert
	}
	if rows != meta.GetNumRows() {
		return false, fmt.Errorf("%w: it says that it has %d rows, and its row groups that they have %d", ErrPartDamaged, meta.GetNumRows(), rows)
	}
	return plain, nil
}

var errGroups = errors.New("write it with smaller row groups")

func checkChunk(c *metadata.ColumnChunkMetaData, size int64) error {
	start := c.DataPageOffset()
	if c.HasDictionaryPage() && c.DictionaryPageOffset() > 0 {
		start = min(start, c.DictionaryPageOffset())
	}
	bytes, whole := c.TotalCompressedSize(), c.TotalUncompressedSize()
	if start < int64(len(magic)) || bytes < 0 || start > size-bytes || whole < 0 || whole > math.MaxInt32 || c.NumValues() < 0 || c.NumValues() > math.MaxInt32 {
		return fmt.Errorf("%w: %d values in %d bytes, %d of them in the file from %d on, which has %d", ErrPartDamaged, c.NumValues(), whole, bytes, start, size)
	}
	return nil
}

// plainChunk reports whether every Milvus reads a column's pages.
func plainChunk(c *metadata.ColumnChunkMetaData) bool {
	known := []parquet.Encoding{
		parquet.Encodings.Plain, parquet.Encodings.PlainDict, parquet.Encodings.RLE, parquet.Encodings.RLEDict, parquet.Encodings.BitPacked,
	}
	for _, e := range c.Encodings() {
		if !slices.Contains(known, e) {
			return false
		}
	}
	return slices.Contains([]compress.Compression{
		compress.Codecs.Uncompressed, compress.Codecs.Snappy, compress.Codecs.Gzip, compress.Codecs.Zstd,
	}, c.Compression())
}

// atMost gives memory in pieces of so many bytes at most. Who asks for more gets a panic, which is all that the parquet library leaves.
type atMost int64

func (most atMost) Allocate(size int) []byte {
	most.check(size)
	return memory.DefaultAllocator.Allocate(size)
}

func (most atMost) Reallocate(size int, b []byte) []byte {
	most.check(size)
	return memory.DefaultAllocator.Reallocate(size, b)
}

func (atMost) Free(b []byte) { memory.DefaultAllocator.Free(b) }

func (most atMost) check(size int) {
	if size < 0 || int64(size) > int64(most) {
		panic(fmt.Sprintf("%d bytes at once", size))
	}
}

// checkSound wants an array to have all that it says that it has: of damaged files the parquet library makes some that have not.
func checkSound(d arrow.ArrayData) error {
	end := d.Offset() + d.Len()
	if bits := d.Buffers()[0]; bits != nil && bits.Len() > 0 && bits.Len() < int(bitutil.BytesForBits(int64(end))) {
		return errUnsound
	}
	switch t := d.DataType().(type) {
	case *arrow.StructType:
		for _, child := range d.Children() {
			if child.Len() < end {
				return errUnsound
			}
		}
	case *arrow.ListType:
		if err := checkOffsets(d, d.Children()[0].Len()); err != nil {
			return err
		}
	case arrow.BinaryDataType:
		bytes := 0
		if d.Buffers()[2] != nil {
			bytes = d.Buffers()[2].Len()
		}
		return checkOffsets(d, bytes)
	case arrow.FixedWidthDataType:
		if end > 0 && (d.Buffers()[1] == nil || d.Buffers()[1].Len() < int(bitutil.BytesForBits(int64(end)*int64(t.BitWidth())))) {
			return errUnsound
		}
	}
	for _, child := range d.Children() {
		if err := checkSound(child); err != nil {
			return err
		}
	}
	return nil
}

// checkOffsets wants them to ascend, and to end among so many values.
func checkOffsets(d arrow.ArrayData, values int) error {
	if d.Len() == 0 {
		return nil
	}
	if d.Buffers()[1] == nil {
		return errUnsound
	}
	offsets := arrow.Int32Traits.CastFromBytes(d.Buffers()[1].Bytes())
	if len(offsets) <= d.Offset()+d.Len() {
		return errUnsound
	}
	offsets = offsets[d.Offset() : d.Offset()+d.Len()+1]
	if offsets[0] < 0 || int(offsets[d.Len()]) > values || !slices.IsSorted(offsets) {
		return errUnsound
	}
	return nil
}

var errUnsound = errors.New("it has fewer values than it says")
