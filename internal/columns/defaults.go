package columns

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// Defaults are what servers put in the place of NULLs when rows are inserted or imported, by fields. Of a schema without any they are
// nil.
type Defaults map[string]fallback

// fallback is the default of a field.
type fallback struct {
	family family
	value  *schemapb.ValueField
}

// DefaultsOf are those of a schema.
func DefaultsOf(schema *schemapb.CollectionSchema) Defaults {
	var all Defaults
	for _, f := range schema.GetFields() {
		if f.GetDefaultValue() == nil {
			continue
		}
		if all == nil {
			all = Defaults{}
		}
		all[f.GetName()] = fallback{families[f.GetDataType()], f.GetDefaultValue()}
	}
	return all
}

// Fill is a record batch as a server has it that was given it to write, and how many NULLs became defaults. Without these it is the
// same batch.
func (d Defaults) Fill(rec arrow.Record) (arrow.Record, int64, error) {
	var nulls int64
	var cols []arrow.Array
	for i, col := range rec.Columns() {
		with, ok := d[rec.ColumnName(i)]
		if !ok || col.NullN() == 0 {
			continue
		}
		filled, err := with.fill(col)
		if err != nil {
			return nil, 0, fmt.Errorf("column %q: putting its default in the place of NULLs: %w", rec.ColumnName(i), err)
		}
		if cols == nil {
			cols = append(cols, rec.Columns()...)
		}
		cols[i], nulls = filled, nulls+int64(col.NullN())
	}
	if cols == nil {
		return rec, 0, nil
	}
	return array.NewRecord(rec.Schema(), cols, rec.NumRows()), nulls, nil
}

// Hash hashes the rows of a record batch, as Hash does, as a server has them that was given them to write, and says how many NULLs
// became defaults.
func (d Defaults) Hash(rec arrow.Record, without ...string) (hashes []uint64, nulls int64, err error) {
	filled, nulls, err := d.Fill(rec)
	if err != nil {
		return nil, 0, err
	}
	hashes, err = Hash(filled, without...)
	return hashes, nulls, err
}

// filler is a family whose fields may have a default.
type filler interface {
	family
	// filled has a value in the place of NULLs.
	filled(arrow.Array, *schemapb.ValueField) (arrow.Array, error)
}

func (b fallback) fill(col arrow.Array) (arrow.Array, error) {
	f, ok := b.family.(filler)
	if !ok {
		return nil, fmt.Errorf("no default is known of %s", col.DataType())
	}
	return f.filled(col, b.value)
}

func (s scalars[V]) filled(col arrow.Array, with *schemapb.ValueField) (arrow.Array, error) {
	any := valueOf(with)
	value, ok := any.(V)
	if !ok {
		return nil, fmt.Errorf("%#v is no %s", any, s.typ)
	}
	return fill(col, s.values, s.array, value)
}

// valueOf is the value of a default, as families have theirs; nil where they have none such.
func valueOf(v *schemapb.ValueField) any {
	switch d := v.GetData().(type) {
	case *schemapb.ValueField_BoolData:
		return d.BoolData
	case *schemapb.ValueField_IntData:
		return d.IntData
	case *schemapb.ValueField_LongData:
		return d.LongData
	case *schemapb.ValueField_FloatData:
		return d.FloatData
	case *schemapb.ValueField_DoubleData:
		return d.DoubleData
	case *schemapb.ValueField_StringData:
		return d.StringData
	}
	return nil
}
