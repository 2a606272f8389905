package memory

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"

	"migrate/internal/columns"
	"migrate/internal/model"
)

// layouts are the columns of a collection, by what of NULLs is taken.
type layouts struct {
	layout  *columns.Layout // as the schema says: what queries answer
	written *columns.Layout // in fields with a default too, which it then is: what comes
	plain   *columns.Layout // in none
}

func layoutsOf(schema *schemapb.CollectionSchema) (l layouts, err error) {
	if l.layout, err = columns.NewLayout(schema); err != nil {
		return l, err
	}
	l.written, err = columns.NewLayout(with(schema, func(f *schemapb.FieldSchema) { f.Nullable = mayLack(f) }))
	if err != nil {
		return l, err
	}
	l.plain, err = columns.NewLayout(with(schema, func(f *schemapb.FieldSchema) { f.Nullable, f.DefaultValue = false, nil }))
	return l, err
}

func with(schema *schemapb.CollectionSchema, change func(*schemapb.FieldSchema)) *schemapb.CollectionSchema {
	changed := model.CloneSchema(schema)
	for _, f := range changed.Fields {
		change(f)
	}
	return changed
}

// mayLack reports whether rows may lack a value of a field.
func mayLack(f *schemapb.FieldSchema) bool { return f.Nullable || f.DefaultValue != nil }

// decode makes rows of what came: NULLs in fields with a default are the default.
func (s *Server) decode(c *collection, data []*schemapb.FieldData) (arrow.Record, error) {
	rec, err := c.written.Decode(data)
	if err != nil {
		return nil, err
	}
	schema := c.Schema
	if s.KeepsNulls {
		schema = with(schema, func(f *schemapb.FieldSchema) {
			if f.Nullable {
				f.DefaultValue = nil
			}
		})
	}
	rec, _, err = columns.DefaultsOf(schema).Fill(rec)
	return rec, err
}

// takes refuses the columns of n rows that Milvus refuses from 2.5 on (fillWithValue of its proxy): of a field that rows may lack it
// wants a word on each row and the values that there are, of another one a value of each row and no word.
func (c *collection) takes(n int, data []*schemapb.FieldData) error {
	for _, f := range c.Schema.Fields {
		i := slices.IndexFunc(data, func(d *schemapb.FieldData) bool { return d.FieldName == f.Name })
		if i < 0 {
			continue
		}
		words, values := 0, n
		if mayLack(f) {
			words, values = n, len(slices.DeleteFunc(slices.Clone(data[i].ValidData), func(valid bool) bool { return !valid }))
		}
		if have := len(data[i].ValidData); have != words {
			return fmt.Errorf("the length of valid_data of field(%s) is wrong: invalid parameter[expected=%d][actual=%d]", f.Name, words, have)
		}
		have, err := c.valuesOf(data[i])
		if err != nil {
			return err
		}
		if have != values {
			return fmt.Errorf("the length of field is wrong: invalid parameter[expected=%d][actual=%d]", values, have)
		}
	}
	return nil
}

// valuesOf is how many values a column has.
func (c *collection) valuesOf(d *schemapb.FieldData) (int, error) {
	alone := &schemapb.FieldData{Type: d.Type, FieldName: d.FieldName, Field: d.Field}
	rec, err := c.plain.Only(func(name string) bool { return name == d.FieldName }).Decode([]*schemapb.FieldData{alone})
	if err != nil {
		return 0, err
	}
	return int(rec.NumRows()), nil
}

// loseEmpty makes NULLs of empty arrays where NULL is taken, as bulk insert does from 2.5 on.
func (c *collection) loseEmpty(data []*schemapb.FieldData) {
	for i, f := range c.Schema.Fields {
		if f.DataType != schemapb.DataType_Array || !f.Nullable {
			continue
		}
		arrays := data[i].GetScalars().GetArrayData()
		var left []*schemapb.ScalarField
		for row, at := 0, 0; row < len(data[i].ValidData); row++ {
			if !data[i].ValidData[row] {
				continue
			}
			if array := arrays.Data[at]; proto.Size(array) > emptyArray {
				left = append(left, array)
			} else {
				data[i].ValidData[row] = false
			}
			at++
		}
		arrays.Data = left
	}
}

// emptyArray is the most bytes of an array without elements.
const emptyArray = 2
