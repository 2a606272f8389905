package keys

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"

	"migrate/internal/model"
	"migrate/sinks"
)

// object is what a file is read from.
type object interface {
	io.ReaderAt
	Size() int64
}

// openFile opens a file on a sink, and reads its footer.
func openFile(ctx context.Context, sink sinks.Sink, name string) (*cursor, io.Closer, error) {
	o, err := sink.Open(ctx, name)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the file of keys %s: %w", sink.URL(name), err)
	}
	f, err := readFooter(o)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("reading the file of keys %s: %w", sink.URL(name), err), o.Close())
	}
	return &cursor{from: o, footer: f, name: sink.URL(name)}, o, nil
}

func readFooter(o object) (*footer, error) {
	if o.Size() < int64(tailBytes) {
		return nil, damaged("it has %d bytes", o.Size())
	}
	var tail [tailBytes]byte
	if err := readAt(o, tail[:], o.Size()-int64(tailBytes)); err != nil {
		return nil, err
	}
	stored, raw := int64(binary.LittleEndian.Uint32(tail[:])), int64(binary.LittleEndian.Uint32(tail[4:]))
	end := o.Size() - int64(tailBytes) - stored
	if string(tail[12:]) != magic || end < 0 || stored > mostFooter || raw > mostFooter {
		return nil, damaged("its end is none")
	}
	b := make([]byte, stored)
	if err := readAt(o, b, end); err != nil {
		return nil, err
	}
	text, err := unpacked(b, binary.LittleEndian.Uint32(tail[8:]), int(raw))
	if err != nil {
		return nil, err
	}
	return decodeFooter(text, end)
}

// decodeFooter believes nothing: the blocks are all that is before it, and ascend.
func decodeFooter(raw []byte, size int64) (*footer, error) {
	in := &bytesIn{left: raw}
	f := &footer{text: in.upTo(1) == 1}
	f.added, f.rows, f.newest = int64(in.uvarint()), int64(in.uvarint()), in.uvarint()
	n, at, rows := in.upTo(len(raw)), int64(0), int64(0)
	for range n {
		p := place{at: at, stored: in.upTo(mostBlock), raw: in.upTo(mostBlock), count: in.upTo(mostStamps), sum: uint32(in.uvarint())}
		p.from = in.key(f.text)
		if in.bad || len(f.blocks) > 0 && p.from.Compare(f.blocks[len(f.blocks)-1].from) < 0 {
			return nil, damaged("its blocks are none")
		}
		f.blocks = append(f.blocks, p)
		at, rows = at+int64(p.stored), rows+int64(p.count)
	}
	f.last = in.key(f.text)
	if in.bad || len(in.left) > 0 || at != size || rows != f.rows || f.added < rows {
		return nil, damaged("its blocks have %d bytes of %d, and %d keys of %d", at, size, rows, f.rows)
	}
	return f, nil
}

func (in *bytesIn) key(text bool) model.Key {
	if !text {
		return model.IntKey(in.varint())
	}
	return model.TextKey(string(in.take(in.upTo(mostKey))))
}

func readAt(o object, b []byte, at int64) error {
	n, err := o.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return damaged("it ends at %d", at+int64(n))
	}
	return err
}

// cursor is a place in a file, from which it goes on. It holds one block.
type cursor struct {
	from   object
	footer *footer
	name   string
	number int    // of the block
	block  *block // nil where it was not read yet
	i      int    // of the stamp in it
}

func (c *cursor) done() bool { return c.number == len(c.footer.blocks) }

// lower is the key that it is at, or one that is not above it.
func (c *cursor) lower() model.Key {
	if c.block == nil {
		return c.footer.blocks[c.number].from
	}
	return c.block.key(c.i)
}

func (c *cursor) load() error {
	p := c.footer.blocks[c.number]
	stored := make([]byte, p.stored)
	err := readAt(c.from, stored, p.at)
	var raw []byte
	if err == nil {
		raw, err = unpacked(stored, p.sum, p.raw)
	}
	if err == nil {
		c.block, err = decodeBlock(raw, c.footer.text, p.count)
	}
	if err == nil && c.block.key(0).Compare(p.from) < 0 {
		err = damaged("block %d begins before its place", c.number)
	}
	if err != nil {
		return fmt.Errorf("reading the file of keys %s: %w", c.name, err)
	}
	c.i = 0
	return nil
}

// stamp is the one that it is at.
func (c *cursor) stamp() (stamp, error) {
	if c.block == nil {
		if err := c.load(); err != nil {
			return stamp{}, err
		}
	}
	return stamp{c.block.key(c.i), c.block.times[c.i]}, nil
}

func (c *cursor) next() {
	if c.i++; c.i == c.block.len() {
		c.leave()
	}
}

func (c *cursor) leave() { c.number, c.block, c.i = c.number+1, nil, 0 }

// seek goes on to the first stamp whose key is not below one, without reading the blocks that have no such.
func (c *cursor) seek(key model.Key) error {
	for !c.done() {
		if c.block == nil {
			if c.lower().Compare(key) > 0 {
				return nil
			}
			c.skip(key)
			if err := c.load(); err != nil {
				return err
			}
		}
		n := c.block.len()
		c.i += sort.Search(n-c.i, func(j int) bool { return c.block.key(c.i+j).Compare(key) >= 0 })
		if c.i < n {
			return nil
		}
		c.leave()
	}
	return nil
}

// skip goes to the last block that may have stamps of a key, or the first ones above it.
func (c *cursor) skip(key model.Key) {
	left := c.footer.blocks[c.number+1:]
	c.number += sort.Search(len(left), func(i int) bool { return left[i].from.Compare(key) >= 0 })
}
