package keys

import (
	"context"

	"migrate/internal/model"
	"migrate/sinks"
)

// Stamp is a key and a time.
type Stamp struct {
	Key model.Key
	TS  uint64
}

// Put stores stamps as a file, of which so many bytes are sorted in memory.
func Put(ctx context.Context, sink sinks.Sink, name string, text bool, held int, stamps []Stamp) (int64, uint64, error) {
	return put(ctx, sink, name, text, held, func(add func(model.Key, uint64) error) error {
		for _, s := range stamps {
			if err := add(s.Key, s.TS); err != nil {
				return err
			}
		}
		return nil
	})
}

// Read reads a file.
func Read(ctx context.Context, sink sinks.Sink, name string) (all []Stamp, err error) {
	c, o, err := openFile(ctx, sink, name)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	for !c.done() {
		s, err := c.stamp()
		if err != nil {
			return nil, err
		}
		all = append(all, Stamp{s.key.Clone(), s.ts})
		c.next()
	}
	return all, nil
}

// Seek reads, for each of some keys in order, what a file has of it.
func Seek(ctx context.Context, sink sinks.Sink, name string, wanted []model.Key) (all []Stamp, err error) {
	c, o, err := openFile(ctx, sink, name)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	d := &diff{upTo: [2]uint64{1<<64 - 1, 1<<64 - 1}}
	for _, key := range wanted {
		p := &part{of: &unit{}, in: [2]bool{true, true}, at: c}
		if c.done() {
			break
		}
		if err := d.askOne(p, key); err != nil {
			return nil, err
		}
		if p.of.row[0] > 0 {
			all = append(all, Stamp{key, p.of.row[0]})
		}
	}
	return all, nil
}

// Holding has a keeper sort so many bytes in memory.
func (k *Keeper) Holding(bytes int) *Keeper {
	k.held = bytes
	return k
}

// Encoded are the stamps of a block, and the footer of a file that has no other, as they are before they are compressed.
func Encoded(stamps []Stamp) (block, end []byte) {
	var all []stamp
	for _, s := range stamps {
		all = append(all, stamp{s.Key, s.TS})
	}
	block = encodeBlock(all)
	f := &footer{text: all[0].key.IsText(), rows: int64(len(all)), added: int64(len(all)), last: all[len(all)-1].key}
	f.blocks = []place{{stored: 10, raw: len(block), count: len(all), from: all[0].key}}
	return block, f.encode()
}

// Decode reads what would be a block of so many stamps.
func Decode(raw []byte, text bool, count int) (all []Stamp, err error) {
	b, err := decodeBlock(raw, text, count)
	if err != nil {
		return nil, err
	}
	for i := range b.len() {
		all = append(all, Stamp{b.key(i), b.times[i]})
	}
	return all, nil
}

// DecodeEnd reads what would be the footer of a file of so many bytes, and tells how many blocks that has.
func DecodeEnd(raw []byte, size int64) (int, error) {
	f, err := decodeFooter(raw, size)
	if err != nil {
		return 0, err
	}
	return len(f.blocks), nil
}
