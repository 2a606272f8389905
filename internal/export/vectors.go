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
	g.bytes += weight(rec)
}

// weight is the size of a batch in memory, as Parquet has its values: whoever reads the bytes of vectors makes numbers of four bytes
// of them first, of a whole row group.
func weight(rec arrow.Record) int64 {
	bytes := columns.Bytes(rec)
	for _, column := range rec.Columns() {
		if kindOf(column.DataType()).values != nil {
			bytes += 3 * int64(column.(*array.List).ListValues().Len())
		}
	}
	return bytes
}

func (g *rowGroup) clear() {
	for _, rec := range g.batches {
		rec.Release()
	}
	*g = rowGroup{batches: g.batches[:0]}
}

// vectorKind is how the elements of vectors are written. The zero one is of columns whose pages are the library's.
type vectorKind struct {
	bytes    int                     // of an element
	encoding parquet.Encoding        // of the elements, as they are in memory
	values   func(index byte) uint32 // of the dictionary: what each byte stands for; nil where there is none
}

// floats are written as they are. Parquet has no integers of one byte: plain ones take four, and so such vectors are written as the
// indexes of a dictionary that has all 256 of them.
var (
	floats = vectorKind{bytes: 4, encoding: parquet.Encodings.Plain}
	uint8s = vectorKind{bytes: 1, encoding: parquet.Encodings.RLEDict, values: func(index byte) uint32 { return uint32(index) }}
	int8s  = vectorKind{bytes: 1, encoding: parquet.Encodings.RLEDict, values: func(index byte) uint32 { return uint32(int8(index)) }}
)

func kindOf(column arrow.DataType) vectorKind {
	lists, ok := column.(*arrow.ListType)
	if !ok {
		return vectorKind{}
	}
	switch lists.Elem().ID() {
	case arrow.FLOAT32:
		return floats
	case arrow.UINT8:
		return uint8s
	case arrow.INT8:
		return int8s
	}
	return vectorKind{}
}

// fewest is how many elements a column has to have to be worth a dictionary, which takes a kilobyte.
const fewest = longestList

// width is how many elements each row of a column of vectors has, but for NULLs: where all have as many, its levels need not be looked
// at. It is 0 for any other column.
func (g *rowGroup) width(i int, kind vectorKind) int {
	if kind.bytes == 0 {
		return 0
	}
	width, vectors := 0, 0
	for _, rec := range g.batches {
		lists := rec.Column(i).(*array.List)
		for r := range lists.Len() {
			if lists.IsNull(r) {
				continue
			}
			from, to := lists.ValueOffsets(r)
			if vectors++; vectors == 1 {
				width = int(to - from)
			}
			if int(to-from) != width {
				return 0
			}
		}
	}
	if kind.values != nil && vectors*width < fewest {
		return 0
	}
	return width
}

// pageBytes is the size of a page of vectors, as the library has it for others.
const pageBytes = 1 << 20

// writeVectors writes a column of vectors of the same width: their values are copied once, into the page, and their
// levels are runs of known length.
func (w *Writer) writeVectors(pages file.PageWriter, i, width int, kind vectorKind) error {
	if err := kind.writeDictionary(pages); err != nil {
		return err
	}
	most := max(pageBytes/(kind.bytes*width), 1)
	_, present := listDefs(w.schema.Field(i))
	for _, rec := range w.group.batches {
		lists := rec.Column(i).(*array.List)
		for from := 0; from < lists.Len(); from += most {
			page := w.vectorPage(lists, from, min(from+most, lists.Len()), width, kind, byte(present))
			if _, err := pages.WriteDataPage(page); err != nil {
				return err
			}
			page.Release()
		}
	}
	return pages.Close(kind.values != nil, false)
}

// writeDictionary writes the page that says what each byte stands for.
func (k vectorKind) writeDictionary(pages file.PageWriter) error {
	if k.values == nil {
		return nil
	}
	var values []byte
	for index := range 256 {
		values = binary.LittleEndian.AppendUint32(values, k.values(byte(index)))
	}
	_, err := pages.WriteDictionaryPage(file.NewDictionaryPage(memory.NewBufferBytes(values), 256, parquet.Encodings.Plain))
	return err
}

// vectorPage is a page of version 2 of some rows: repetition levels, definition levels, values.
func (w *Writer) vectorPage(lists *array.List, from, to, width int, kind vectorKind, present byte) *file.DataPageV2 {
	nulls := 0
	w.page = w.page[:0]
	for r := from; r < to; r++ {
		w.page = appendRun(w.page, 1, 0)
		if lists.IsNull(r) {
			nulls++
		} else if width > 1 {
			w.page = appendRun(w.page, width-1, 1)
		}
	}
	rep, levels := len(w.page), nulls+(to-from-nulls)*width
	w.page = appendDefs(w.page, lists, from, to, width, present)
	def := len(w.page) - rep
	w.page = kind.appendElements(w.page, lists, from, to)
	return file.NewDataPageV2(memory.NewBufferBytes(w.page), int32(levels), int32(nulls), int32(to-from), kind.encoding,
		int32(def), int32(rep), int32(len(w.page)), false)
}

// appendDefs appends the definition levels of rows: runs of vectors one after the other, and of NULLs.
func appendDefs(b []byte, lists *array.List, from, to, width int, present byte) []byte {
	for from < to {
		end := from + 1
		for end < to && lists.IsNull(end) == lists.IsNull(from) {
			end++
		}
		if lists.IsNull(from) {
			b = appendRun(b, end-from, 0)
		} else {
			b = appendRun(b, (end-from)*width, present)
		}
		from = end
	}
	return b
}

// appendElements appends the elements of rows, which are side by side: NULLs have none.
func (k vectorKind) appendElements(b []byte, lists *array.List, from, to int) []byte {
	first, _ := lists.ValueOffsets(from)
	_, last := lists.ValueOffsets(to - 1)
	var values []byte
	if elements := lists.ListValues().Data(); first < last {
		values = elements.Buffers()[1].Bytes()[(elements.Offset()+int(first))*k.bytes : (elements.Offset()+int(last))*k.bytes]
	}
	if k.values != nil {
		return appendIndexes(b, values)
	}
	return append(b, values...)
}

// appendRun appends a run of Parquet's RLE encoding: n times the same level.
func appendRun(b []byte, n int, level byte) []byte {
	return append(binary.AppendUvarint(b, uint64(n)<<1), level)
}

// appendIndexes appends indexes of a byte each as one packed run of Parquet's RLE encoding, which is of groups of eight.
func appendIndexes(b, indexes []byte) []byte {
	const width = 8 // bits of each
	b, groups := append(b, width), (len(indexes)+7)/8
	if groups == 0 {
		return b
	}
	b = binary.AppendUvarint(b, uint64(groups)<<1|1)
	b = append(b, indexes...)
	return append(b, make([]byte, groups*8-len(indexes))...)
}
