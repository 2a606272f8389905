package export

import (
	"encoding/binary"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"

	"migrate/internal/columns"
)

// rowGroup is the batches of a row group that is being filled.
type rowGroup struct {
	batches []arrow.Record
	rows    int
	bytes   int64
}

func (g *rowGroup) add(rec arrow.Record) {
	if rec.NumRows() == 0 {
		return
	}
	rec.Retain()
	g.batches = append(g.batches, rec)
	g.rows += int(rec.NumRows())
	g.bytes += columns.Bytes(rec)
}

func (g *rowGroup) clear() {
	for _, rec := range g.batches {
		rec.Release()
	}
	*g = rowGroup{batches: g.batches[:0]}
}

// width is how many float32 each row of a column has: where all have as many, its levels need not be looked at. It is 0
// for any other column.
func (g *rowGroup) width(i int) int {
	first, ok := floatLists(g.batches[0].Column(i))
	if !ok {
		return 0
	}
	from, to := first.ValueOffsets(0)
	for _, rec := range g.batches {
		lists, _ := floatLists(rec.Column(i))
		for r := range lists.Len() {
			if f, t := lists.ValueOffsets(r); t-f != to-from {
				return 0
			}
		}
	}
	return int(to - from)
}

func floatLists(column arrow.Array) (*array.List, bool) {
	lists, ok := column.(*array.List)
	return lists, ok && lists.ListValues().DataType().ID() == arrow.FLOAT32
}

// pageBytes is the size of a page of vectors, as the library has it for others.
const pageBytes = 1 << 20

// writeVectors writes a column of vectors of the same width: their values are copied once, into the page, and their
// levels are runs of known length.
func (w *Writer) writeVectors(pages file.PageWriter, i, width int) error {
	most := max(pageBytes/(4*width), 1)
	_, present := listDefs(w.schema.Field(i))
	for _, rec := range w.group.batches {
		lists := rec.Column(i).(*array.List)
		values := lists.ListValues().(*array.Float32).Float32Values()
		for from := 0; from < lists.Len(); from += most {
			rows := min(most, lists.Len()-from)
			start, _ := lists.ValueOffsets(from)
			page := w.vectorPage(values[start:int(start)+rows*width], rows, width, present)
			if _, err := pages.WriteDataPage(page); err != nil {
				return err
			}
			page.Release()
		}
	}
	return pages.Close(false, false)
}

// vectorPage is a page of version 2: repetition levels, definition levels, values.
func (w *Writer) vectorPage(values []float32, rows, width int, present int16) *file.DataPageV2 {
	row := appendRun(nil, 1, 0)
	if width > 1 {
		row = appendRun(row, width-1, 1)
	}
	w.page = w.page[:0]
	for range rows {
		w.page = append(w.page, row...)
	}
	rep := len(w.page)
	w.page = appendRun(w.page, len(values), byte(present))
	def := len(w.page) - rep
	w.page = append(w.page, arrow.Float32Traits.CastToBytes(values)...)
	return file.NewDataPageV2(memory.NewBufferBytes(w.page), int32(len(values)), 0, int32(rows), parquet.Encodings.Plain,
		int32(def), int32(rep), int32(len(w.page)), false)
}

// appendRun appends a run of Parquet's RLE encoding: n times the same level.
func appendRun(b []byte, n int, level byte) []byte {
	return append(binary.AppendUvarint(b, uint64(n)<<1), level)
}
