package columns

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
)

// texts is the family of VARCHAR.
var texts = scalars[string]{
	typ:  arrow.BinaryTypes.String,
	list: func(s *schemapb.ScalarField) []string { return s.GetStringData().GetData() },
	box: boxes(func(f *schemapb.ScalarField, d *schemapb.ScalarField_StringData, l *schemapb.StringArray, v []string) {
		f.Data, d.StringData, l.Data = d, l, v
	}),
	array:  packTexts[string],
	values: unpackTexts,
	stats: func(col arrow.Array, keys []model.Key) Stats {
		c := col.(*array.String)
		return Stats{Longest: longest(c, keys, func(i int) int64 { return int64(c.ValueLen(i)) })}
	},
	any: anyText,
}

// packTexts makes a string array; its bytes are kept as they are.
func packTexts[T string | []byte](v []T) (arrow.Array, error) {
	total := 0
	for _, s := range v {
		total += len(s)
	}
	if total > math.MaxInt32 {
		return nil, fmt.Errorf("%d bytes of text in one batch: more than an Arrow string array holds", total)
	}
	offsets, data := make([]int32, len(v)+1), make([]byte, 0, total)
	for i, s := range v {
		data = append(data, s...)
		offsets[i+1] = int32(len(data))
	}
	buffers := []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets)), memory.NewBufferBytes(data)}
	return array.MakeFromData(array.NewData(arrow.BinaryTypes.String, len(v), buffers, nil, 0, 0)), nil
}

func unpackTexts(col arrow.Array) []string {
	c := col.(*array.String)
	v := make([]string, c.Len())
	for i := range v {
		v[i] = c.Value(i)
	}
	return v
}

// anyText is of up to 12 letters of more than one byte each.
func anyText(r *rand.Rand) string {
	letters := make([]rune, r.IntN(13))
	for i := range letters {
		letters[i] = 'а' + rune(r.IntN(32))
	}
	return string(letters)
}
