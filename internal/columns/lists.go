package columns

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// lists makes a list array of values, of which each row has those from its offset to the next.
func lists(values arrow.Array, offsets []int32) arrow.Array {
	buffers := []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets))}
	t := arrow.ListOf(values.DataType())
	return array.NewListData(array.NewData(t, len(offsets)-1, buffers, []arrow.ArrayData{values.Data()}, 0, 0))
}

// cutInto cuts values into lists of width values each.
func cutInto(values arrow.Array, width int) (arrow.Array, error) {
	if values.Len()%width != 0 {
		return nil, fmt.Errorf("%d values do not make vectors of %d", values.Len(), width)
	}
	offsets := make([]int32, values.Len()/width+1)
	for i := range offsets {
		offsets[i] = int32(i * width)
	}
	return lists(values, offsets), nil
}

// pick copies some lists of values, by their numbers, one after the other: width values each.
func pick[T any](lists *array.List, values []T, width int, rows []int) ([]T, error) {
	picked := make([]T, 0, len(rows)*width)
	for _, r := range rows {
		from, to := lists.ValueOffsets(r)
		if int(to-from) != width {
			return nil, fmt.Errorf("row %d: a vector of %d values where all have %d", r, to-from, width)
		}
		picked = append(picked, values[from:to]...)
	}
	return picked, nil
}
