package binlog

import (
	"encoding/binary"
	"errors"
)

// errThrift: bytes are no thrift of the compact protocol, or they end too early.
var errThrift = errors.New("its Parquet description is no thrift")

// types of thrift's compact protocol that are read; all others are passed over.
const (
	thriftStop   = 0
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

// deepest is how many structs and lists may be within each other. Parquet's have six.
const deepest = 12

// thrift reads the compact protocol, in which Parquet describes itself. After an error all reads are of zeros, and it is kept.
type thrift struct {
	bytes []byte
	kind  byte // of the field that is being read; a truth is told by it alone
	depth int
	err   error
}

func (t *thrift) fail() {
	t.bytes, t.err = nil, errThrift
}

func (t *thrift) next() byte {
	if len(t.bytes) == 0 {
		t.fail()
		return 0
	}
	b := t.bytes[0]
	t.bytes = t.bytes[1:]
	return b
}

func (t *thrift) unsigned() uint64 {
	v, n := binary.Uvarint(t.bytes)
	if n <= 0 {
		t.fail()
		return 0
	}
	t.bytes = t.bytes[n:]
	return v
}

// number is of 16, 32 or 64 bits.
func (t *thrift) number() int64 {
	v := t.unsigned()
	return int64(v>>1) ^ -int64(v&1)
}

func (t *thrift) binary() []byte {
	n := t.unsigned()
	if n > uint64(len(t.bytes)) {
		t.fail()
		return nil
	}
	b := t.bytes[:n]
	t.bytes = t.bytes[n:]
	return b
}

// fields calls read for each field of a struct, which reads it, or says that it has not.
func (t *thrift) fields(read func(id int16) bool) {
	if t.depth++; t.depth > deepest {
		t.fail()
	}
	defer func() { t.depth-- }()
	id := int16(0)
	for t.err == nil {
		head := t.next()
		kind := head & 15
		if kind == thriftStop {
			return
		}
		if step := int16(head >> 4); step > 0 {
			id += step
		} else {
			id = int16(t.number())
		}
		before := t.bytes
		if t.kind = kind; !read(id) {
			t.bytes = before
			t.skip(kind, false)
		}
	}
}

// list calls read for each element of a list.
func (t *thrift) list(read func()) {
	_, n := t.listHead()
	for ; n > 0 && t.err == nil; n-- {
		read()
	}
}

func (t *thrift) listHead() (kind byte, n uint64) {
	head := t.next()
	if n = uint64(head >> 4); n == 15 {
		n = t.unsigned()
	}
	if n > uint64(len(t.bytes)) { // an element has a byte at least
		t.fail()
	}
	return head & 15, n
}

// skip passes over a value. A truth has a byte of its own as an element, and none as a field.
func (t *thrift) skip(kind byte, element bool) {
	switch kind {
	case thriftTrue, thriftFalse:
		if element {
			t.next()
		}
	case thriftByte:
		t.next()
	case thriftDouble:
		for range 8 {
			t.next()
		}
	case thriftBinary:
		t.binary()
	case thriftList, thriftSet:
		t.skipElements()
	case thriftMap:
		if t.unsigned() > 0 { // Parquet has none
			t.fail()
		}
	case thriftStruct:
		t.fields(func(int16) bool { return false })
	default:
		if kind > thriftStruct {
			t.fail()
		}
		t.unsigned()
	}
}

func (t *thrift) skipElements() {
	if t.depth++; t.depth > deepest {
		t.fail()
	}
	defer func() { t.depth-- }()
	kind, n := t.listHead()
	for ; n > 0 && t.err == nil; n-- {
		t.skip(kind, true)
	}
}
