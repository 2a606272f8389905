package keys

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	"migrate/internal/model"
)

// magic ends a file; its last letter is the format's number.
const magic = "migkeys1"

// tailBytes are two lengths and a checksum of the footer, and the magic.
const tailBytes = 4 + 4 + 4 + len(magic)

// footer says what is in a file, and where.
type footer struct {
	text   bool
	added  int64 // rows or deletes that it was made of: of such as have the same key and time there is one stamp
	rows   int64 // stamps
	newest uint64
	last   model.Key // the first is that of the first block
	blocks []place
}

// place is where a block is. What is before it is below its key, or the same; what is in it is not below.
type place struct {
	at     int64
	stored int
	raw    int
	count  int
	sum    uint32
	from   model.Key
}

// writer writes a file of stamps that ascend.
type writer struct {
	to     io.Writer
	footer footer
	held   []stamp // of the block that is begun
	bytes  int     // of their texts
	last   stamp
	at     int64
}

func newWriter(to io.Writer, text bool) *writer { return &writer{to: to, footer: footer{text: text}} }

// add takes the next stamp. One that is the same as the last is left out.
func (w *writer) add(s stamp) error {
	if w.footer.rows > 0 {
		switch d := w.last.compare(s); {
		case d == 0:
			return nil
		case d > 0:
			return damaged("keys that don't ascend are written: %v after %v", s.key, w.last.key)
		}
	}
	if len(s.key.Text) > mostKey || s.key.IsText() != w.footer.text {
		return damaged("a key of %d bytes, text: %t, can't be kept", len(s.key.Text), s.key.IsText())
	}
	if len(w.held) == mostStamps || w.bytes >= mostText {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if len(w.held) == 0 {
		w.footer.blocks = append(w.footer.blocks, place{at: w.at, from: w.between(s.key)})
	}
	w.held, w.bytes = append(w.held, s), w.bytes+len(s.key.Text)
	w.footer.rows++
	w.footer.newest = max(w.footer.newest, s.ts)
	w.last, w.footer.last = s, s.key
	return nil
}

// between is the shortest text that is above all that was written and not above the next key.
func (w *writer) between(next model.Key) model.Key {
	if w.footer.rows == 0 || !next.IsText() {
		return next
	}
	n := min(sharedPrefix(w.last.key.Text, next.Text)+1, len(next.Text))
	return model.TextKey(next.Text[:n]).Clone()
}

func (w *writer) flush() error {
	if len(w.held) == 0 {
		return nil
	}
	raw := encodeBlock(w.held)
	stored, err := packed(raw)
	if err != nil {
		return err
	}
	p := &w.footer.blocks[len(w.footer.blocks)-1]
	p.stored, p.raw, p.count, p.sum = len(stored), len(raw), len(w.held), crc32.Checksum(stored, castagnoli)
	w.held, w.bytes = w.held[:0], 0
	w.at += int64(len(stored))
	_, err = w.to.Write(stored)
	return err
}

// close writes what is held, and the footer.
func (w *writer) close() error {
	if err := w.flush(); err != nil {
		return err
	}
	raw := w.footer.encode()
	stored, err := packed(raw)
	if err != nil {
		return err
	}
	tail := binary.LittleEndian.AppendUint32(stored, uint32(len(stored)))
	tail = binary.LittleEndian.AppendUint32(tail, uint32(len(raw)))
	tail = binary.LittleEndian.AppendUint32(tail, crc32.Checksum(stored, castagnoli))
	_, err = w.to.Write(append(tail, magic...))
	return err
}

func (f *footer) encode() []byte {
	kind := uint64(0)
	if f.text {
		kind = 1
	}
	raw := binary.AppendUvarint(nil, kind)
	raw = binary.AppendUvarint(raw, uint64(f.added))
	raw = binary.AppendUvarint(raw, uint64(f.rows))
	raw = binary.AppendUvarint(raw, f.newest)
	raw = binary.AppendUvarint(raw, uint64(len(f.blocks)))
	for _, p := range f.blocks {
		raw = binary.AppendUvarint(raw, uint64(p.stored))
		raw = binary.AppendUvarint(raw, uint64(p.raw))
		raw = binary.AppendUvarint(raw, uint64(p.count))
		raw = binary.AppendUvarint(raw, uint64(p.sum))
		raw = appendKey(raw, p.from)
	}
	return appendKey(raw, f.last)
}

func appendKey(raw []byte, k model.Key) []byte {
	if !k.IsText() {
		return binary.AppendVarint(raw, k.Int)
	}
	raw = binary.AppendUvarint(raw, uint64(len(k.Text)))
	return append(raw, k.Text...)
}
