package columns

import (
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// NULLs are the same for all families: they are made where a column is decoded and left out where it is encoded, so that no family
// meets one. What lies under a NULL never counts.

// errNull: NULL where a field takes none.
var errNull = errors.New("it holds NULLs, and its field takes none")

// emptyObject is what a row without dynamic fields has in `$meta`, where later servers may say NULL.
var emptyObject = []byte("{}")

// withNulls makes NULLs of the rows of a decoded column that are not valid.
func (f field) withNulls(col arrow.Array, valid []bool) (arrow.Array, error) {
	if !slices.Contains(valid, false) {
		return col, nil
	}
	if !f.nullable && f.name != Meta {
		return nil, errNull
	}
	col, err := nullable(col, valid)
	if err != nil || f.name != Meta {
		return col, err
	}
	return fill(col, unpackDocuments, packTexts[[]byte], emptyObject)
}

// fill puts a value in the place of NULLs.
func fill[V any](col arrow.Array, values func(arrow.Array) []V, array func([]V) (arrow.Array, error), with V) (arrow.Array, error) {
	filled := slices.Clone(values(col))
	for i := range filled {
		if col.IsNull(i) {
			filled[i] = with
		}
	}
	return array(filled)
}

// nullable makes a column with NULLs of one that has either all rows, or the valid ones alone: a query gives scalars in the one way
// and vectors in the other, and an insert takes all in the other.
func nullable(col arrow.Array, valid []bool) (arrow.Array, error) {
	there := 0
	for _, v := range valid {
		if v {
			there++
		}
	}
	switch n := col.Len(); {
	case n == there:
	case n == len(valid) && !listsUnderNulls(col, valid):
		return masked(col.Data(), col.Data().Buffers(), valid), nil
	case n == len(valid):
		var err error
		if col, err = validAlone(col, valid); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%d values of %d rows, of which %d are valid", n, len(valid), there)
	}
	return masked(col.Data(), spread(col.Data(), valid), valid), nil
}

// unmasked is a column with what lies under its NULLs.
func unmasked(col arrow.Array) arrow.Array {
	d := col.Data()
	buffers := append([]*memory.Buffer{nil}, d.Buffers()[1:]...)
	return array.MakeFromData(array.NewData(d.DataType(), d.Len(), buffers, d.Children(), 0, d.Offset()))
}

// masked is a column whose rows are in some buffers, with the bitmap of those that are valid.
func masked(of arrow.ArrayData, buffers []*memory.Buffer, valid []bool) arrow.Array {
	bits, nulls := make([]byte, bitutil.BytesForBits(int64(len(valid)))), 0
	for i, v := range valid {
		if v {
			bitutil.SetBit(bits, i)
		} else {
			nulls++
		}
	}
	buffers = append([]*memory.Buffer{memory.NewBufferBytes(bits)}, buffers[1:]...)
	return array.MakeFromData(array.NewData(of.DataType(), len(valid), buffers, of.Children(), nulls, 0))
}

// spread puts the values of valid rows where these rows are. What lies between is zero, and an empty list or text.
func spread(of arrow.ArrayData, valid []bool) []*memory.Buffer {
	values := of.Buffers()[1].Bytes()
	switch t := of.DataType().(type) {
	case *arrow.ListType, *arrow.StringType:
		spread := spreadOffsets(arrow.Int32Traits.CastFromBytes(values), valid)
		return append([]*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(spread))}, of.Buffers()[2:]...)
	case *arrow.BooleanType:
		return []*memory.Buffer{nil, memory.NewBufferBytes(spreadBits(values, valid))}
	default:
		width := t.(arrow.FixedWidthDataType).BitWidth() / 8
		return []*memory.Buffer{nil, memory.NewBufferBytes(spreadBytes(values, width, valid))}
	}
}

func spreadOffsets(offsets []int32, valid []bool) []int32 {
	spread, at := make([]int32, len(valid)+1), 0
	spread[0] = offsets[0]
	for i, v := range valid {
		if v {
			at++
		}
		spread[i+1] = offsets[at]
	}
	return spread
}

func spreadBits(bits []byte, valid []bool) []byte {
	spread, at := make([]byte, bitutil.BytesForBits(int64(len(valid)))), 0
	for i, v := range valid {
		if v {
			bitutil.SetBitTo(spread, i, bitutil.BitIsSet(bits, at))
			at++
		}
	}
	return spread
}

func spreadBytes(values []byte, width int, valid []bool) []byte {
	spread, at := make([]byte, len(valid)*width), 0
	for i, v := range valid {
		if v {
			copy(spread[i*width:], values[at:at+width])
			at += width
		}
	}
	return spread
}

// listsUnderNulls reports whether rows that are not valid have elements. They must not: a part holds the elements side by side.
func listsUnderNulls(col arrow.Array, valid []bool) bool {
	lists, ok := col.(*array.List)
	for i, v := range valid {
		if ok && !v {
			if from, to := lists.ValueOffsets(i); from < to {
				return true
			}
		}
	}
	return false
}

// validAlone are the valid rows of a column that has all.
func validAlone(col arrow.Array, valid []bool) (arrow.Array, error) {
	runs := []arrow.Array{array.NewSlice(col, 0, 0)}
	for from := 0; from < len(valid); {
		to := from + 1
		for to < len(valid) && valid[to] == valid[from] {
			to++
		}
		if valid[from] {
			runs = append(runs, array.NewSlice(col, int64(from), int64(to)))
		}
		from = to
	}
	return array.Concatenate(runs, memory.DefaultAllocator)
}

// validRows are those of some rows of a column that hold a value, and says of each row whether it does.
func validRows(col arrow.Array, rows []int) (there []int, valid []bool) {
	there, valid = make([]int, 0, len(rows)), make([]bool, len(rows))
	for i, r := range rows {
		if valid[i] = col.IsValid(r); valid[i] {
			there = append(there, r)
		}
	}
	return there, valid
}
