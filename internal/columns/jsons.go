package columns

import (
	"fmt"
	"math/rand/v2"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
)

// jsons is the family of JSON and of the dynamic field, whose documents are strings in Arrow. There are no ARRAYs of them.
var jsons family = columnOnly{scalars[[]byte]{
	typ:  arrow.BinaryTypes.String,
	list: func(s *schemapb.ScalarField) [][]byte { return s.GetJsonData().GetData() },
	box: boxes(func(f *schemapb.ScalarField, d *schemapb.ScalarField_JsonData, l *schemapb.JSONArray, v [][]byte) {
		f.Data, d.JsonData, l.Data = d, l, v
	}),
	array:  packTexts[[]byte],
	values: unpackDocuments,
	stats: func(col arrow.Array, keys []model.Key) Stats {
		c := col.(*array.String)
		return Stats{
			Longest: longest(c, keys, func(i int) int64 { return int64(c.ValueLen(i)) }),
			NotUTF8: first(c, keys, func(i int) bool { return !utf8.ValidString(c.Value(i)) }),
		}
	},
	any: func(r *rand.Rand) []byte { return fmt.Appendf(nil, `{"%s": %d}`, anyText(r), r.Int32()) },
}}

// columnOnly hides what of a family is for elements.
type columnOnly struct{ filler }

func unpackDocuments(col arrow.Array) [][]byte {
	c := col.(*array.String)
	v, all := make([][]byte, c.Len()), c.ValueBytes()
	for i := range v {
		n := c.ValueLen(i)
		v[i], all = all[:n:n], all[n:]
	}
	return v
}
