package columns

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/zeebo/xxh3"
)

// Hash hashes each row of a record batch over all its columns, leaving out those named in without: model.Sum adds the hashes up, so
// that the order in which rows come does not matter.
//
// A row's hash depends on the columns' names, not on their order. A number counts by its bits (vectors too), a text by its bytes, a
// list by its length and elements. NULL is none of these.
func Hash(rec arrow.Record, without ...string) ([]uint64, error) {
	rows := make([]uint64, rec.NumRows())
	column := make([]uint64, rec.NumRows())
	for i, col := range rec.Columns() {
		name := rec.ColumnName(i)
		if slices.Contains(without, name) {
			continue
		}
		if err := hashColumn(column, col, xxh3.HashString(name)); err != nil {
			return nil, fmt.Errorf("hashing column %q: %w", name, err)
		}
		hashNulls(column, col, xxh3.HashString(name))
		for r, h := range column {
			rows[r] += h
		}
	}
	for r, h := range rows {
		rows[r] = mix(h)
	}
	return rows, nil
}

// mix spreads a row's hash, so that a sum over rows is no longer a sum over columns: two rows that swap a value must
// not keep their sum.
func mix(h uint64) uint64 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], h)
	return xxh3.Hash(b[:])
}

// hashNulls takes the place of the hash of what lies under NULLs.
func hashNulls(out []uint64, col arrow.Array, seed uint64) {
	if col.NullN() == 0 {
		return
	}
	null := mix(^seed) // that of an empty list of texts is mix(seed)
	for i := range out {
		if col.IsNull(i) {
			out[i] = null
		}
	}
}

func hashColumn(out []uint64, col arrow.Array, seed uint64) error {
	switch c := col.(type) {
	case *array.String:
		for i := range out {
			out[i] = xxh3.HashStringSeed(c.Value(i), seed)
		}
		return nil
	case *array.List:
		return hashLists(out, c, seed)
	}
	width, bits, err := fixedBits(col)
	if err != nil {
		return err
	}
	for i := range out {
		out[i] = xxh3.HashSeed(bits[i*width:(i+1)*width], seed)
	}
	return nil
}

func hashLists(out []uint64, c *array.List, seed uint64) error {
	if text, ok := c.ListValues().(*array.String); ok {
		hashTextLists(out, c, text, seed)
		return nil
	}
	width, bits, err := fixedBits(c.ListValues())
	if err != nil {
		return err
	}
	for i := range out {
		from, to := c.ValueOffsets(i)
		out[i] = xxh3.HashSeed(bits[int(from)*width:int(to)*width], seed)
	}
	return nil
}

func hashTextLists(out []uint64, c *array.List, text *array.String, seed uint64) {
	for i := range out {
		from, to := c.ValueOffsets(i)
		h := seed
		for j := from; j < to; j++ {
			h = xxh3.HashStringSeed(text.Value(int(j)), h+1)
		}
		out[i] = mix(h)
	}
}

// fixedBits gives the bytes of an array of numbers or booleans, and how many a value takes.
func fixedBits(col arrow.Array) (width int, bits []byte, err error) {
	switch c := col.(type) {
	case *array.Boolean:
		bits = make([]byte, c.Len())
		for i := range bits {
			if c.Value(i) {
				bits[i] = 1
			}
		}
		return 1, bits, nil
	case *array.Uint8:
		return 1, c.Uint8Values(), nil
	case *array.Int8:
		return 1, arrow.Int8Traits.CastToBytes(c.Int8Values()), nil
	case *array.Int16:
		return 2, arrow.Int16Traits.CastToBytes(c.Int16Values()), nil
	case *array.Int32:
		return 4, arrow.Int32Traits.CastToBytes(c.Int32Values()), nil
	case *array.Int64:
		return 8, arrow.Int64Traits.CastToBytes(c.Int64Values()), nil
	case *array.Float32:
		return 4, arrow.Float32Traits.CastToBytes(c.Float32Values()), nil
	case *array.Float64:
		return 8, arrow.Float64Traits.CastToBytes(c.Float64Values()), nil
	}
	return 0, nil, fmt.Errorf("no hash for %s", col.DataType())
}
