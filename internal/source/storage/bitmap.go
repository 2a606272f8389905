package storage

import "math/bits"

// bitmap is a bit for each of some rows.
type bitmap []uint64

// allOf has the bits of n rows set.
func allOf(n int64) bitmap {
	b := make(bitmap, (n+63)/64)
	for i := range b {
		b[i] = 1<<64 - 1
	}
	if n%64 != 0 {
		b[len(b)-1] = 1<<(n%64) - 1
	}
	return b
}

func (b bitmap) has(i int64) bool { return b == nil || b[i/64]&(1<<(i%64)) != 0 }
func (b bitmap) clear(i int64)    { b[i/64] &^= 1 << (i % 64) }

// count is how many of the rows from one to before another are set.
func (b bitmap) count(from, to int64) (n int64) {
	if b == nil {
		return to - from
	}
	for from < to && from%64 != 0 {
		if b.has(from) {
			n++
		}
		from++
	}
	for ; from+64 <= to; from += 64 {
		n += int64(bits.OnesCount64(b[from/64]))
	}
	for ; from < to; from++ {
		if b.has(from) {
			n++
		}
	}
	return n
}

// slice says of each of some rows whether it is set; nil where all are.
func (b bitmap) slice(from, to int64) []bool {
	if b.count(from, to) == to-from {
		return nil
	}
	some := make([]bool, to-from)
	for i := range some {
		some[i] = b.has(from + int64(i))
	}
	return some
}
