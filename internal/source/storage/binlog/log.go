// Package binlog reads the logs in which Milvus up to 2.5 keeps its rows and its deletes, and which it calls v1: an object is a
// descriptor and events, and each event is a small Parquet file of one column. Nothing of an object is believed before it was held against
// the bytes that there are.
package binlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Errors that a caller decides on.
var (
	// ErrDamaged: an object is not what Milvus wrote, or not all of it.
	ErrDamaged = errors.New("log is damaged")
	// ErrLayout: it was written in a way that later servers have.
	ErrLayout = errors.New("log is not of the layout v1")
)

// Object is one that is read: its bytes are asked for at their places, and along one stream.
type Object interface {
	io.ReaderAt
	io.ReadSeeker
	Size() int64
}

// Owner is what a log belongs to, by the numbers that a server gave.
type Owner struct{ Collection, Partition, Segment, Field int64 }

const (
	magic      = 0xfffabc
	headBytes  = 17
	fixedBytes = 52 // of a descriptor: its owner, two timestamps, a type
	postBytes  = 8  // of lengths of other heads
	spanBytes  = 16 // two timestamps before the Parquet file of an event
)

// kinds of events
const (
	descriptorEvent = 0
	insertEvent     = 1
	deleteEvent     = 2
)

// log is an object whose events were found.
type log struct {
	object Object
	owner  Owner
	typ    int32
	files  []*file
}

// event is the head of one.
type event struct {
	kind         byte
	length, next int64
}

// open finds the events of an object, all of one kind.
func open(object Object, kind byte) (*log, error) {
	l := &log{object: object}
	at, err := l.describe()
	if err != nil {
		return nil, err
	}
	for at < object.Size() {
		e, err := l.eventAt(at)
		if err != nil {
			return nil, err
		}
		if e.kind != kind || e.length < headBytes+spanBytes {
			return nil, damaged("an event of kind %d and %d bytes at %d", e.kind, e.length, at)
		}
		from := at + headBytes + spanBytes
		f, err := openFile(io.NewSectionReader(object, from, e.next-from), e.next-from)
		if err != nil {
			return nil, fmt.Errorf("event at %d: %w", at, err)
		}
		f.base = from
		l.files = append(l.files, f)
		at = e.next
	}
	if l.rows() == 0 {
		return nil, damaged("it has no row")
	}
	return l, nil
}

// describe reads the descriptor, and says where the next event is.
func (l *log) describe() (int64, error) {
	var first [4]byte
	if err := l.readAt(first[:], 0); err != nil {
		return 0, err
	}
	if string(first[:]) == parquetMagic {
		return 0, fmt.Errorf("%w: it is Parquet as it stands, as Milvus 2.6 and later write", ErrLayout)
	}
	if binary.LittleEndian.Uint32(first[:]) != magic {
		return 0, damaged("it begins with %x", first)
	}
	e, err := l.eventAt(4)
	if err != nil {
		return 0, err
	}
	if e.kind != descriptorEvent || e.length < headBytes+fixedBytes+postBytes+4 {
		return 0, damaged("a descriptor of kind %d and %d bytes", e.kind, e.length)
	}
	var b [fixedBytes + postBytes + 4]byte
	if err := l.readAt(b[:], 4+headBytes); err != nil {
		return 0, err
	}
	extra := int64(int32(binary.LittleEndian.Uint32(b[fixedBytes+postBytes:])))
	if extra < 0 || headBytes+int64(len(b))+extra != e.length {
		return 0, damaged("a descriptor of %d bytes with %d beside", e.length, extra)
	}
	l.owner = Owner{number(b[0:]), number(b[8:]), number(b[16:]), number(b[24:])}
	l.typ = int32(binary.LittleEndian.Uint32(b[48:]))
	return e.next, nil
}

func number(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) }

func (l *log) eventAt(at int64) (e event, err error) {
	var b [headBytes]byte
	if err := l.readAt(b[:], at); err != nil {
		return e, err
	}
	e = event{b[8], int64(int32(binary.LittleEndian.Uint32(b[9:]))), int64(int32(binary.LittleEndian.Uint32(b[13:])))}
	if e.length < headBytes || e.next != at+e.length || e.next > l.object.Size() {
		return e, damaged("an event of %d bytes at %d of %d, and the next at %d", e.length, at, l.object.Size(), e.next)
	}
	return e, nil
}

func (l *log) readAt(b []byte, at int64) error {
	n, err := l.object.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return damaged("it ends at %d", l.object.Size())
	}
	return err
}

// rows are those of all events.
func (l *log) rows() (n int64) {
	for _, f := range l.files {
		n += f.rows
	}
	return n
}

// reader reads a column of one of the files.
func (l *log) reader(f *file, column int) *reader {
	return &reader{column: f.columns[column], stream: func(offset, size int64) (io.Reader, error) {
		if _, err := l.object.Seek(f.base+offset, io.SeekStart); err != nil {
			return nil, err
		}
		return io.LimitReader(l.object, size), nil
	}}
}
