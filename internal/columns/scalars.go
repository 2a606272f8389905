package columns

import (
	"fmt"
	"math/rand/v2"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"

	"migrate/internal/model"
)

// scalars is the family of a type that the protocol carries as lists of V: those of a column, or of one row of an ARRAY.
type scalars[V any] struct {
	typ    arrow.DataType
	list   func(*schemapb.ScalarField) []V
	box    func([][]V) []*schemapb.ScalarField // which share their memory
	array  func([]V) (arrow.Array, error)
	values func(arrow.Array) []V
	stats  func(arrow.Array, []model.Key) Stats // nil: every target takes every value
	any    func(*rand.Rand) V
}

// elements is a family whose values may be those of ARRAYs.
type elements interface {
	family
	// join makes one array of all rows' values, and says where in it each row begins; the last offset is the end.
	join([]*schemapb.ScalarField) (arrow.Array, []int32, error)
	// cut gives the values of some lists by their numbers, each with its type, also where it is empty.
	cut(*array.List, []int) []*schemapb.ScalarField
	// of is the array's type, which may not be that of a column.
	of() arrow.DataType
}

func (s scalars[V]) of() arrow.DataType                  { return s.typ }
func (s scalars[V]) arrow(field) (arrow.DataType, error) { return s.typ, nil }
func (s scalars[V]) rowBytes(field) int                  { return 8 }

func (s scalars[V]) decode(_ field, d *schemapb.FieldData) (arrow.Array, error) {
	return s.array(s.list(d.GetScalars()))
}

func (s scalars[V]) encode(_ field, col arrow.Array, rows []int, d *schemapb.FieldData) error {
	values, picked := s.values(col), make([]V, len(rows))
	for i, r := range rows {
		picked[i] = values[r]
	}
	d.Field = &schemapb.FieldData_Scalars{Scalars: s.box([][]V{picked})[0]}
	return nil
}

func (s scalars[V]) measure(col arrow.Array, keys []model.Key) Stats {
	if s.stats == nil {
		return Stats{}
	}
	return s.stats(col, keys)
}

func (s scalars[V]) sample(_ field, r *rand.Rand, n int) arrow.Array {
	values := make([]V, n)
	for i := range values {
		values[i] = s.any(r)
	}
	col, _ := s.array(values) // they fit
	return col
}

// emptyRow is the most bytes that the protocol takes for a row without elements, with or without an element type.
const emptyRow = 2

func (s scalars[V]) join(rows []*schemapb.ScalarField) (arrow.Array, []int32, error) {
	offsets := make([]int32, len(rows)+1)
	for i, row := range rows {
		n := len(s.list(row))
		if n == 0 && proto.Size(row) > emptyRow {
			return nil, nil, fmt.Errorf("row %d: its elements are not %s", i, s.typ)
		}
		offsets[i+1] = offsets[i] + int32(n)
	}
	all := make([]V, 0, offsets[len(rows)])
	for _, row := range rows {
		all = append(all, s.list(row)...)
	}
	values, err := s.array(all)
	return values, offsets, err
}

func (s scalars[V]) cut(lists *array.List, rows []int) []*schemapb.ScalarField {
	values, picked := s.values(lists.ListValues()), make([][]V, len(rows))
	for i, r := range rows {
		from, to := lists.ValueOffsets(r)
		picked[i] = values[from:to:to]
	}
	return s.box(picked)
}

// boxes returns what puts lists of V into messages, for all rows of a batch at once: set ties the three of a row together.
func boxes[V, D, L any](set func(*schemapb.ScalarField, *D, *L, []V)) func([][]V) []*schemapb.ScalarField {
	return func(values [][]V) []*schemapb.ScalarField {
		made, fields := make([]struct {
			field schemapb.ScalarField
			data  D
			list  L
		}, len(values)), make([]*schemapb.ScalarField, len(values))
		for i, v := range values {
			set(&made[i].field, &made[i].data, &made[i].list, v)
			fields[i] = &made[i].field
		}
		return fields
	}
}

// fixed makes an array of n numbers of the memory that they are in.
func fixed(t arrow.DataType, n int, values []byte) arrow.Array {
	return array.MakeFromData(array.NewData(t, n, []*memory.Buffer{nil, memory.NewBufferBytes(values)}, nil, 0, 0))
}
