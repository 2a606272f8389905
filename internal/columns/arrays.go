package columns

import (
	"fmt"
	"math/rand/v2"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
)

// arrays is the family of ARRAY. An empty one comes without the type of its elements, so the schema's decides.
type arrays struct{}

func (arrays) arrow(f field) (arrow.DataType, error) {
	if f.elements == nil {
		return nil, fmt.Errorf("field %q (Array of %s): %w", f.name, f.element, ErrType)
	}
	return arrow.ListOf(f.elements.of()), nil
}

func (arrays) rowBytes(field) int { return 8 }

func (arrays) decode(f field, d *schemapb.FieldData) (arrow.Array, error) {
	values, offsets, err := f.elements.join(d.GetScalars().GetArrayData().GetData())
	if err != nil {
		return nil, err
	}
	return lists(values, offsets), nil
}

func (arrays) encode(f field, col arrow.Array, rows []int, d *schemapb.FieldData) error {
	data := &schemapb.ArrayArray{Data: f.elements.cut(col.(*array.List), rows), ElementType: f.element}
	d.Field = &schemapb.FieldData_Scalars{Scalars: &schemapb.ScalarField{Data: &schemapb.ScalarField_ArrayData{ArrayData: data}}}
	return nil
}

func (arrays) measure(col arrow.Array, keys []model.Key) Stats {
	c := col.(*array.List)
	return Stats{
		Elements: longest(c, keys, func(i int) int64 { from, to := c.ValueOffsets(i); return to - from }),
		Longest:  longestElement(c, keys),
	}
}

func longestElement(c *array.List, keys []model.Key) *Most {
	texts, ok := c.ListValues().(*array.String)
	if !ok {
		return nil
	}
	return longest(c, keys, func(i int) (most int64) {
		from, to := c.ValueOffsets(i)
		for j := from; j < to; j++ {
			most = max(most, int64(texts.ValueLen(int(j))))
		}
		return most
	})
}

func (arrays) sample(f field, r *rand.Rand, n int) arrow.Array {
	offsets := make([]int32, n+1)
	for i := range n {
		offsets[i+1] = offsets[i] + r.Int32N(4)
	}
	return lists(f.elements.sample(f, r, int(offsets[n])), offsets)
}
