package keys

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"sync"
	"unsafe"

	"github.com/klauspost/compress/zstd"

	"migrate/internal/model"
)

const (
	mostStamps = 4096     // in a block
	mostText   = 64 << 10 // of its keys, in bytes, but for the last
	mostKey    = 256 << 10
	mostBlock  = 1 << 20 // before it is compressed
	mostFooter = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var packer = sync.OnceValues(func() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(mostBlock))
})

var unpacker = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(mostFooter), zstd.WithDecoderConcurrency(2))
})

// packed compresses bytes.
func packed(raw []byte) ([]byte, error) {
	z, err := packer()
	if err != nil {
		return nil, err
	}
	return z.EncodeAll(raw, nil), nil
}

// unpacked has as many bytes as are expected, or is damaged.
func unpacked(stored []byte, sum uint32, size int) ([]byte, error) {
	if crc32.Checksum(stored, castagnoli) != sum {
		return nil, damaged("the checksum of a block does not match")
	}
	z, err := unpacker()
	if err != nil {
		return nil, err
	}
	raw, err := z.DecodeAll(stored, make([]byte, 0, size))
	if err != nil {
		return nil, damaged("a block: %w", err)
	}
	if len(raw) != size {
		return nil, damaged("a block of %d bytes in place of %d", len(raw), size)
	}
	return raw, nil
}

// block is stamps in order.
type block struct {
	ints  []int64
	texts []string
	times []uint64
}

func (b *block) len() int { return len(b.times) }

func (b *block) key(i int) model.Key {
	if len(b.texts) > 0 {
		return model.TextKey(b.texts[i])
	}
	return model.IntKey(b.ints[i])
}

// encodeBlock writes the different times, ascending, then the keys by what each adds to the one before, and then the number of each one's time.
func encodeBlock(stamps []stamp) []byte {
	times := make([]uint64, len(stamps))
	for i, s := range stamps {
		times[i] = s.ts
	}
	slices.Sort(times)
	times = slices.Compact(times)
	raw := binary.AppendUvarint(nil, uint64(len(stamps)))
	raw = binary.AppendUvarint(raw, uint64(len(times)))
	last := uint64(0)
	for _, ts := range times {
		raw = binary.AppendUvarint(raw, ts-last)
		last = ts
	}
	before := model.Key{}
	for i, s := range stamps {
		switch {
		case s.key.IsText():
			raw = appendText(raw, before.Text, s.key.Text)
		case i == 0:
			raw = binary.AppendVarint(raw, s.key.Int)
		default:
			raw = binary.AppendUvarint(raw, uint64(s.key.Int)-uint64(before.Int))
		}
		before = s.key
	}
	for _, s := range stamps {
		n, _ := slices.BinarySearch(times, s.ts)
		raw = binary.AppendUvarint(raw, uint64(n))
	}
	return raw
}

func appendText(raw []byte, before, text string) []byte {
	n := sharedPrefix(before, text)
	raw = binary.AppendUvarint(raw, uint64(n))
	raw = binary.AppendUvarint(raw, uint64(len(text)-n))
	return append(raw, text[n:]...)
}

func sharedPrefix(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// decodeBlock believes nothing: the stamps are as many as are expected, and ascend.
func decodeBlock(raw []byte, text bool, count int) (*block, error) {
	in := &bytesIn{left: raw}
	n := in.upTo(mostStamps)
	if n == 0 || n != count {
		return nil, damaged("a block of %d keys in place of %d", n, count)
	}
	table := make([]uint64, in.upTo(n))
	last := uint64(0)
	for i := range table {
		last += in.uvarint()
		table[i] = last
	}
	b := &block{times: make([]uint64, n)}
	if text {
		b.texts = in.texts(n)
	} else {
		b.ints = in.ints(n)
	}
	for i := range b.times {
		if at := in.upTo(len(table) - 1); !in.bad {
			b.times[i] = table[at]
		}
	}
	if in.bad || len(in.left) > 0 {
		return nil, damaged("a block that is none")
	}
	for i := 1; i < n; i++ {
		if (stamp{b.key(i - 1), b.times[i-1]}).compare(stamp{b.key(i), b.times[i]}) >= 0 {
			return nil, damaged("a block that does not ascend")
		}
	}
	return b, nil
}

// bytesIn reads numbers and texts, and is bad from the first one on that is not there.
type bytesIn struct {
	left []byte
	bad  bool
}

func (in *bytesIn) uvarint() uint64 {
	v, n := binary.Uvarint(in.left)
	if n <= 0 {
		in.bad, in.left = true, nil
		return 0
	}
	in.left = in.left[n:]
	return v
}

func (in *bytesIn) varint() int64 {
	v, n := binary.Varint(in.left)
	if n <= 0 {
		in.bad, in.left = true, nil
		return 0
	}
	in.left = in.left[n:]
	return v
}

// upTo is a number that may be so great.
func (in *bytesIn) upTo(most int) int {
	v := in.uvarint()
	if most < 0 || v > uint64(most) {
		in.bad, in.left = true, nil
		return 0
	}
	return int(v)
}

func (in *bytesIn) take(n int) []byte {
	if n > len(in.left) {
		in.bad, in.left = true, nil
		return nil
	}
	b := in.left[:n]
	in.left = in.left[n:]
	return b
}

func (in *bytesIn) ints(n int) []int64 {
	all := make([]int64, n)
	all[0] = in.varint()
	for i := 1; i < n; i++ {
		all[i] = int64(uint64(all[i-1]) + in.uvarint())
	}
	return all
}

// texts share memory of their own.
func (in *bytesIn) texts(n int) []string {
	ends, all := make([]int, n), make([]byte, 0, 2*len(in.left))
	begin, end := 0, 0 // of the one before
	for i := range n {
		shared := in.upTo(end - begin)
		rest := in.take(in.upTo(mostKey))
		if in.bad || len(all)+shared+len(rest) > mostText+mostKey {
			in.bad = true
			return make([]string, n)
		}
		from := len(all)
		all = append(append(all, all[begin:begin+shared]...), rest...)
		begin, end = from, len(all)
		ends[i] = end
	}
	texts, from := make([]string, n), 0
	for i, end := range ends {
		if end > from {
			texts[i] = unsafe.String(&all[from], end-from)
		}
		from = end
	}
	return texts
}
