package whole

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/model"
)

const (
	pollEvery = 100 * time.Millisecond
	longest   = 65535 // bytes of a VARCHAR
)

// values are those of a field, of n rows from a number on.
type values struct {
	field   *schemapb.FieldSchema
	random  *rand.Rand
	from, n int
	of      collection
}

// column makes the field's column.
func (v values) column() *schemapb.FieldData {
	switch f := v.field; {
	case f.IsPrimaryKey && f.DataType == integer:
		return labtest.Column(f, labtest.Each(v.n, func(i int) int64 { return int64(v.from + i) }))
	case f.IsPrimaryKey:
		return labtest.Column(f, labtest.Each(v.n, func(i int) string { return v.name(v.from + i) }))
	case f.DataType == schemapb.DataType_Array:
		return v.arrays()
	case f.DataType == floats:
		return labtest.Vectors(f.Name, v.dim(), v.n, v.random.Uint64())
	case f.DataType == bits:
		return labtest.BinaryVectors(f.Name, v.dim(), v.n, v.random.Uint64())
	}
	return v.scalars()
}

func (v values) dim() (dim int) {
	fmt.Sscan(model.TypeParam(v.field, "dim"), &dim)
	return dim
}

func (v values) scalars() *schemapb.FieldData {
	switch f := v.field; f.DataType {
	case schemapb.DataType_Bool:
		return labtest.Column(f, each(v, v.bool))
	case schemapb.DataType_Int8, schemapb.DataType_Int16, schemapb.DataType_Int32:
		return labtest.Column(f, each(v, v.small))
	case integer:
		return labtest.Column(f, each(v, v.integer))
	case schemapb.DataType_Float:
		return labtest.Column(f, each(v, v.float))
	case schemapb.DataType_Double:
		return labtest.Column(f, each(v, v.double))
	case text:
		return labtest.Column(f, each(v, v.text))
	case schemapb.DataType_JSON:
		return labtest.Column(f, each(v, v.document))
	}
	panic("no values of " + v.field.DataType.String())
}

func (v values) arrays() *schemapb.FieldData {
	switch f := v.field; f.ElementType {
	case schemapb.DataType_Bool:
		return labtest.Arrays(f, lists(v, v.bool))
	case schemapb.DataType_Int8, schemapb.DataType_Int16, schemapb.DataType_Int32:
		return labtest.Arrays(f, lists(v, v.small))
	case integer:
		return labtest.Arrays(f, lists(v, v.integer))
	case schemapb.DataType_Float:
		return labtest.Arrays(f, lists(v, v.float))
	case schemapb.DataType_Double:
		return labtest.Arrays(f, lists(v, v.double))
	case text:
		return labtest.Arrays(f, lists(v, v.text))
	}
	panic("no arrays of " + v.field.ElementType.String())
}

// each makes a value of each row.
func each[T any](v values, value func(row int) T) []T {
	return labtest.Each(v.n, func(i int) T { return value(v.from + i) })
}

// lists makes a list of each row: none, or some values.
func lists[T any](v values, value func(row int) T) [][]T {
	return each(v, func(row int) []T { return labtest.Each(v.random.IntN(5), func(int) T { return value(row) }) })
}

func (v values) bool(int) bool { return v.random.IntN(2) == 0 }

// small is an integer of the field's width, its bounds among them.
func (v values) small(row int) int32 {
	bits := map[schemapb.DataType]int{schemapb.DataType_Int8: 8, schemapb.DataType_Int16: 16, schemapb.DataType_Int32: 32}
	width := max(bits[v.field.DataType], bits[v.field.ElementType])
	lowest := -int64(1) << (width - 1)
	switch row {
	case 0:
		return int32(lowest)
	case 1:
		return int32(-lowest - 1)
	}
	return int32(lowest + v.random.Int64N(-2*lowest))
}

func (v values) integer(row int) int64 {
	switch {
	case v.field.IsPartitionKey:
		return v.random.Int64N(40)
	case row == 0:
		return math.MinInt64
	case row == 1:
		return math.MaxInt64
	}
	return int64(v.random.Uint64())
}

// oddDoubles are those that bulk insert refuses, and those that a text may lose.
var oddDoubles = []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), math.SmallestNonzeroFloat64, math.MaxFloat64, 0.1}

func (v values) double(row int) float64 {
	if v.of.odd && row%50 == 0 {
		return oddDoubles[row/50%len(oddDoubles)]
	}
	return v.random.NormFloat64()
}

func (v values) float(row int) float32 {
	if v.of.odd && row%70 == 0 {
		return float32(oddDoubles[row/70%len(oddDoubles)])
	}
	return v.random.Float32()
}

var oddTexts = []string{"", `"`, `\`, `\"`, "'", "a\nb", "a\tb", "%", "ключ", "🗝", " ", `x" or id != "`, "\u0001"}

func (v values) text(row int) string {
	switch {
	case v.field.IsPartitionKey:
		return fmt.Sprintf(`tenant "%d"`, v.random.IntN(30))
	case v.field.Name == "long":
		return strings.Repeat(fmt.Sprintf("%05d", row), longest/5)[:longest-row%3]
	case row < len(oddTexts):
		return oddTexts[row]
	}
	return fmt.Sprintf("%x", v.random.Uint64())
}

// name is a key: where keys are to be quoted, some have in them whatever a filter has to escape.
func (v values) name(row int) string {
	if v.field.Name != "quoted" {
		return fmt.Sprintf("key-%06d", row)
	}
	if row < len(oddTexts) {
		return oddTexts[row]
	}
	return fmt.Sprintf(`k"%05d\`, row)
}

// oddDocuments are objects: 2.3 takes no other documents.
var oddDocuments = []string{
	`{}`, `{"n": 1.0}`, `{"n": 12345678901234567890}`, `{"n": -0.0}`, `{"s": "\ud83d\uddfd"}`, `{"a": {"b": [1, {"c": null}]}, "a.b": 2, "": 3}`,
	` {"spaced" : true } `, `{"z":1,"a":2}`, `{"tab\t": "\u0000"}`,
}

func (v values) document(row int) []byte {
	if row < len(oddDocuments) {
		return []byte(oddDocuments[row])
	}
	return fmt.Appendf(nil, `{"n": %d, "words": ["%x", "ключ"], "deep": {"x": %v}}`, row, v.random.Uint32(), v.random.Float64())
}

// dynamic is what a row has beside its fields: nothing, or names that have to be quoted.
func dynamic(random *rand.Rand, row int) []byte {
	switch row % 4 {
	case 0:
		return []byte(`{}`)
	case 1:
		return fmt.Appendf(nil, `{"a b": %d, "\"q\"": "x", "ключ": [1, 2.5, null]}`, row)
	}
	return fmt.Appendf(nil, `{"colour": "%x", "size": %v}`, random.Uint32(), random.Float32())
}
