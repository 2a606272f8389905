package binlog

import (
	"encoding/binary"
	"fmt"
	"io"
)

// What Milvus writes of Parquet is little: flat columns of one row group or more, in pages that are compressed by zstd. That much is read
// here, and everything that a file says of itself is held against the bytes that there are before anything is allocated by it: a library that
// believes a damaged file ends the process.

// physical types of Parquet
const (
	boolean   = 0
	int32s    = 1
	int64s    = 2
	float32s  = 4
	float64s  = 5
	byteArray = 6
	fixed     = 7
)

const (
	parquetMagic = "PAR1"
	codecZstd    = 6
	// mostFooter bounds the description of a file: that of one column a few row groups has some hundred bytes.
	mostFooter = 256 << 10
)

// file is a Parquet file within an object.
type file struct {
	base    int64 // where it begins in the object
	size    int64 // without its footer
	rows    int64
	columns []*column
}

// column is one that is never NULL, or may be, and has no lists.
type column struct {
	name     string
	physical int64
	width    int // bytes of a value; 0 where they are of any length
	optional bool
	chunks   []chunk // by row groups
}

// chunk is the pages of a column in a row group.
type chunk struct {
	offset, size int64
	values       int64 // NULLs included
}

func openFile(from io.ReaderAt, size int64) (*file, error) {
	var tail [8]byte
	if size < 12 {
		return nil, damaged("a Parquet file of %d bytes", size)
	}
	if _, err := from.ReadAt(tail[:], size-8); err != nil && err != io.EOF {
		return nil, err
	}
	length := int64(binary.LittleEndian.Uint32(tail[:]))
	if string(tail[4:]) != parquetMagic || length > min(size-12, mostFooter) {
		return nil, damaged("its Parquet has no end")
	}
	footer := make([]byte, length)
	if _, err := from.ReadAt(footer, size-8-length); err != nil {
		return nil, err
	}
	f := &file{size: size - 8 - length}
	return f, f.describe(footer)
}

// element is one of a schema.
type element struct {
	name                                    string
	physical, width, repetition, numOfNodes int64
}

func (f *file) describe(footer []byte) error {
	t := &thrift{bytes: footer}
	var elements []element
	var groups [][]described
	f.rows = -1
	t.fields(func(id int16) bool {
		switch id {
		case 2:
			t.list(func() { elements = append(elements, t.element()) })
		case 3:
			f.rows = t.number()
		case 4:
			t.list(func() { groups = append(groups, t.rowGroup()) })
		default:
			return false
		}
		return true
	})
	if t.err == nil && len(t.bytes) > 0 { // it would have ended in the midst of what it says
		t.fail()
	}
	if t.err != nil {
		return damaged("%w", t.err)
	}
	if len(elements) == 0 || elements[0].numOfNodes != int64(len(elements)-1) {
		return damaged("its Parquet has %d elements in its schema, and not flat columns", len(elements))
	}
	for _, e := range elements[1:] {
		c, err := e.column()
		if err != nil {
			return err
		}
		f.columns = append(f.columns, c)
	}
	return f.addGroups(groups)
}

func (t *thrift) element() (e element) {
	e.repetition = -1
	e.physical = -1
	t.fields(func(id int16) bool {
		switch id {
		case 1:
			e.physical = t.number()
		case 2:
			e.width = t.number()
		case 3:
			e.repetition = t.number()
		case 4:
			e.name = string(t.binary())
		case 5:
			e.numOfNodes = t.number()
		default:
			return false
		}
		return true
	})
	return e
}

// mostWidth is that of a vector of 32,768 dimensions of 8 bytes.
const mostWidth = 1 << 18

func (e element) column() (*column, error) {
	widths := map[int64]int{boolean: 1, int32s: 4, int64s: 8, float32s: 4, float64s: 8, byteArray: 0}
	width, ok := widths[e.physical]
	if e.physical == fixed {
		width, ok = int(e.width), e.width > 0 && e.width <= mostWidth
	}
	if !ok || e.numOfNodes != 0 || e.repetition < 0 || e.repetition > 1 {
		return nil, damaged("its Parquet column %q is of type %d, width %d and repetition %d", e.name, e.physical, e.width, e.repetition)
	}
	return &column{name: e.name, physical: e.physical, width: width, optional: e.repetition == 1}, nil
}

// described is a chunk as the footer describes it.
type described struct {
	chunk
	physical, codec        int64
	dataPage, dictionaryAt int64
}

func (t *thrift) rowGroup() (chunks []described) {
	t.fields(func(id int16) bool {
		if id != 1 {
			return false
		}
		t.list(func() {
			var d described
			t.fields(func(id int16) bool {
				if id != 3 {
					return false
				}
				d = t.chunk()
				return true
			})
			chunks = append(chunks, d)
		})
		return true
	})
	return chunks
}

func (t *thrift) chunk() (d described) {
	d.physical = -1
	t.fields(func(id int16) bool {
		switch id {
		case 1:
			d.physical = t.number()
		case 4:
			d.codec = t.number()
		case 5:
			d.values = t.number()
		case 7:
			d.size = t.number()
		case 9:
			d.dataPage = t.number()
		case 11:
			d.dictionaryAt = t.number()
		default:
			return false
		}
		return true
	})
	d.offset = d.dataPage
	if d.dictionaryAt > 0 {
		d.offset = min(d.dictionaryAt, d.dataPage)
	}
	return d
}

// addGroups hands the chunks to their columns: all columns have equally many values, and as many as the file has rows.
func (f *file) addGroups(groups [][]described) error {
	var rows int64
	for _, group := range groups {
		if len(group) != len(f.columns) {
			return damaged("its Parquet has a row group of %d columns, of %d", len(group), len(f.columns))
		}
		for i, d := range group {
			if err := f.check(d, f.columns[i], group[0].values); err != nil {
				return err
			}
			f.columns[i].chunks = append(f.columns[i].chunks, d.chunk)
		}
		if len(group) > 0 {
			rows += group[0].values
		}
	}
	if rows != f.rows {
		return damaged("its Parquet has %d rows in its row groups, and says %d", rows, f.rows)
	}
	return nil
}

func (f *file) check(d described, c *column, values int64) error {
	switch {
	case d.codec != codecZstd:
		return damaged("its Parquet is compressed by codec %d, and not by zstd", d.codec)
	case d.physical != c.physical:
		return damaged("its Parquet column %q has type %d in one place and %d in another", c.name, c.physical, d.physical)
	case d.values < 0 || d.values != values || d.values > mostRows:
		return damaged("its Parquet column %q has %d values of %d", c.name, d.values, values)
	case d.offset < 4 || d.size < 0 || d.offset > f.size || d.size > f.size-d.offset:
		return damaged("its Parquet column %q lies at %d to %d of %d bytes", c.name, d.offset, d.offset+d.size, f.size)
	}
	return nil
}

// mostRows is how many a log has at most: Milvus counts those of a segment by 32 bits.
const mostRows = 1 << 31

// damaged is ErrDamaged, and says how.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
}
