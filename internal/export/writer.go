package export

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// rowGroupBytes is how large a row group grows.
const rowGroupBytes = 32 << 20

// longestList is how many elements a list may have: Milvus' limit of max_capacity.
const longestList = 4096

// magic begins and ends a Parquet file.
const magic = "PAR1"

// Writer writes one part. It keeps the batches of a row group until that is full, since a row group holds its columns one
// after the other. It does without the library's writer of records, which copies every value of a vector three times and
// makes and encodes a level for each.
type Writer struct {
	out    *digester
	schema *arrow.Schema
	props  *parquet.WriterProperties
	file   *metadata.FileMetaDataBuilder
	groups int16
	group  rowGroup
	page   []byte // of vectors; used again
}

// NewWriter begins a part of these columns on w.
func NewWriter(w io.Writer, schema *arrow.Schema) (*Writer, error) {
	out, props := &digester{w: w, hash: sha256.New()}, properties(schema)
	columns, err := pqarrow.ToParquet(schema, props, pqarrow.DefaultWriterProps())
	if err != nil {
		return nil, fmt.Errorf("beginning a parquet file: %w", err)
	}
	if _, err := io.WriteString(out, magic); err != nil {
		return nil, fmt.Errorf("beginning a parquet file: %w", err)
	}
	return &Writer{out: out, schema: schema, props: props, file: metadata.NewFileMetadataBuilder(columns, props, nil)}, nil
}

// properties compresses text, and leaves dictionaries to it: a vector's values hardly repeat.
func properties(schema *arrow.Schema) *parquet.WriterProperties {
	opts := []parquet.WriterProperty{
		parquet.WithCompression(compress.Codecs.Uncompressed),
		parquet.WithDictionaryDefault(false),
		parquet.WithStats(true),
		parquet.WithCreatedBy("migrate"),
		// In pages of version 1 this library copies the buffer of the levels for every 64 values of a list.
		parquet.WithDataPageVersion(parquet.DataPageV2),
		// In those of version 2 it looks within so many values for the end of a row, and for ever where there is none.
		parquet.WithBatchSize(2 * longestList),
	}
	for _, f := range schema.Fields() {
		if f.Type.ID() == arrow.STRING {
			opts = append(opts, parquet.WithCompressionFor(f.Name, compress.Codecs.Snappy))
		}
		if f.Type.ID() == arrow.LIST {
			opts = append(opts, parquet.WithStatsFor(f.Name+".list.element", false))
		}
	}
	return parquet.NewWriterProperties(opts...)
}

// Write appends a batch, and ends the row group when it is full.
func (w *Writer) Write(rec arrow.Record) error {
	if !rec.Schema().Equal(w.schema) {
		return fmt.Errorf("writing a parquet row group: a batch of %v; want %v", rec.Schema(), w.schema)
	}
	if w.out.err != nil {
		return fmt.Errorf("writing a parquet row group: %w", w.out.err)
	}
	w.group.add(rec)
	if w.group.bytes < rowGroupBytes {
		return nil
	}
	return w.endGroup()
}

// Close ends the file; what it is written to stays open.
func (w *Writer) Close() error {
	if err := w.endGroup(); err != nil {
		return err
	}
	footer, err := w.file.Finish()
	if err != nil {
		return fmt.Errorf("ending a parquet file: %w", err)
	}
	n, err := footer.WriteTo(w.out, nil)
	end := append(binary.LittleEndian.AppendUint32(nil, uint32(n)), magic...)
	_, endErr := w.out.Write(end)
	if err := errors.Join(err, endErr, w.out.err); err != nil {
		return fmt.Errorf("ending a parquet file: %w", err)
	}
	return nil
}

// SHA256 is the checksum of the file's bytes, in hexadecimal, and Bytes its size; right after Close.
func (w *Writer) SHA256() string { return hex.EncodeToString(w.out.hash.Sum(nil)) }
func (w *Writer) Bytes() int64   { return w.out.n }

// endGroup writes the batches that were kept as one row group.
func (w *Writer) endGroup() error {
	defer w.group.clear()
	if w.group.rows == 0 {
		return nil
	}
	meta, began := w.file.AppendRowGroup(), w.out.n
	meta.SetNumRows(w.group.rows)
	for i := range meta.NumColumns() {
		chunk := meta.NextColumnChunk()
		if err := errors.Join(w.writeColumn(chunk, i), w.out.err); err != nil {
			return fmt.Errorf("writing column %s of a parquet row group: %w", chunk.Descr().Path(), err)
		}
	}
	if err := meta.Finish(w.out.n-began, w.groups); err != nil {
		return fmt.Errorf("ending a parquet row group: %w", err)
	}
	w.groups++
	return nil
}

func (w *Writer) writeColumn(chunk *metadata.ColumnChunkMetaDataBuilder, i int) error {
	path := chunk.Descr().Path()
	pages, err := file.NewPageWriter(w.out, w.props.CompressionFor(path), w.props.CompressionLevelFor(path), chunk,
		w.groups, int16(i), w.props.Allocator(), false, nil, nil)
	if err != nil {
		return err
	}
	kind := kindOf(w.schema.Field(i).Type)
	if width := w.group.width(i, kind); width > 0 {
		return w.writeVectors(pages, i, width, kind)
	}
	column := file.NewColumnChunkWriter(chunk, pages, w.props)
	for _, rec := range w.group.batches {
		if err := writeValues(column, w.schema.Field(i), rec.Column(i)); err != nil {
			return err
		}
	}
	return column.Close()
}

// writeValues appends a batch's values to a column of a field.
func writeValues(column file.ColumnChunkWriter, f arrow.Field, values arrow.Array) error {
	ctx := pqarrow.NewArrowWriteContext(context.Background(), nil)
	lists, ok := values.(*array.List)
	if !ok {
		return pqarrow.WriteArrowToColumn(ctx, column, values, scalarLevels(f, values), nil, f.Nullable)
	}
	def, rep, err := listLevels(f, lists)
	if err != nil {
		return err
	}
	from, _ := lists.ValueOffsets(0)
	_, to := lists.ValueOffsets(lists.Len() - 1)
	elements := array.NewSlice(lists.ListValues(), from, to)
	defer elements.Release()
	return pqarrow.WriteArrowToColumn(ctx, column, elements, def, rep, true)
}

// scalarLevels are the definition levels of a column of scalars: none where it takes no NULL.
func scalarLevels(f arrow.Field, values arrow.Array) (def []int16) {
	if !f.Nullable {
		return nil
	}
	def = make([]int16, values.Len())
	for i := range def {
		if values.IsValid(i) {
			def[i] = 1
		}
	}
	return def
}

// listDefs are the definition levels of the lists of a field, whose elements, by its schema, might be NULL and never are. That of a
// NULL, where the field takes one, is 0.
func listDefs(f arrow.Field) (empty, present int16) {
	if f.Nullable {
		return 1, 3
	}
	return 0, 2
}

// listLevels are the definition and repetition levels of lists, NULLs among them, which must have no elements.
func listLevels(f arrow.Field, lists *array.List) (def, rep []int16, err error) {
	empty, present := listDefs(f)
	for i := range lists.Len() {
		from, to := lists.ValueOffsets(i)
		if to-from > longestList {
			return nil, nil, fmt.Errorf("a list of %d elements, where there are %d at most", to-from, longestList)
		}
		switch {
		case lists.IsNull(i):
			def, rep = append(def, 0), append(rep, 0)
		case from == to:
			def, rep = append(def, empty), append(rep, 0)
		}
		for j := from; j < to; j++ {
			def, rep = append(def, present), append(rep, min(int16(j-from), 1))
		}
	}
	return def, rep, nil
}
