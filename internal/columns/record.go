package columns

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
)

// Decode makes a record batch of a server's columns, which come in any order: they are matched by name. Numbers and
// vectors share the memory of data, which must not change afterwards.
func (l *Layout) Decode(data []*schemapb.FieldData) (arrow.Record, error) {
	byName := make(map[string]*schemapb.FieldData, len(data))
	for _, d := range data {
		byName[nameOf(d)] = d
	}
	cols, rows := make([]arrow.Array, len(l.fields)), 0
	for i, f := range l.fields {
		d, ok := byName[f.name]
		if !ok {
			return nil, fmt.Errorf("the server's answer has no column %q", f.name)
		}
		col, err := f.decode(d)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", f.name, err)
		}
		if i > 0 && col.Len() != rows {
			return nil, fmt.Errorf("column %q has %d rows where %q has %d", f.name, col.Len(), l.fields[0].name, rows)
		}
		cols[i], rows = col, col.Len()
	}
	return array.NewRecord(l.Arrow, cols, int64(rows)), nil
}

// nameOf names a column; some servers leave the dynamic one without a name.
func nameOf(d *schemapb.FieldData) string {
	if d.GetIsDynamic() {
		return Meta
	}
	return d.GetFieldName()
}

// decode makes an array of a column.
func (f field) decode(d *schemapb.FieldData) (arrow.Array, error) {
	if err := model.CheckColumn(d); err != nil {
		return nil, err
	}
	col, err := f.family.decode(f, d)
	if err != nil {
		return nil, err
	}
	return f.withNulls(col, d.GetValidData())
}

// Encode gives rows of a record batch, by their numbers, as an insert or an upsert takes them: the layout's columns in order, of a
// batch that may have others too. A column with NULLs has the values of the other rows alone. They may share the memory of rec.
func (l *Layout) Encode(rec arrow.Record, rows []int) ([]*schemapb.FieldData, error) {
	data := make([]*schemapb.FieldData, len(l.fields))
	for i, f := range l.fields {
		at := rec.Schema().FieldIndices(f.name)
		if len(at) != 1 {
			return nil, fmt.Errorf("the record batch has %d columns %q", len(at), f.name)
		}
		d, err := f.encode(rec.Column(at[0]), l.Arrow.Field(i).Type, rows)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", f.name, err)
		}
		data[i] = d
	}
	return data, nil
}

// encode gives rows of a column: the values of those that have one, and of each whether it does, where the field may lack some.
func (f field) encode(col arrow.Array, typ arrow.DataType, rows []int) (*schemapb.FieldData, error) {
	if !arrow.TypeEqual(col.DataType(), typ) {
		return nil, fmt.Errorf("its type is %s, not %s", col.DataType(), typ)
	}
	d := &schemapb.FieldData{Type: f.kind, FieldName: f.name, IsDynamic: f.name == Meta}
	there := rows
	switch {
	case f.nullable || f.defaulted: // servers want to be told of each row then
		there, d.ValidData = validRows(col, rows)
	case slices.ContainsFunc(rows, col.IsNull):
		return nil, errNull
	}
	return d, f.family.encode(f, col, there, d)
}

// Answer gives rows as a server answers a query, for a stand-in of one: as Encode does, but that scalars have a value of each row, also
// under a NULL, and that nothing is said of fields that take no NULL.
func (l *Layout) Answer(rec arrow.Record, rows []int) ([]*schemapb.FieldData, error) {
	data, err := l.Encode(rec, rows)
	if err != nil {
		return nil, err
	}
	for i, f := range l.fields {
		if !f.nullable {
			data[i].ValidData = nil
		} else if data[i].GetVectors() == nil {
			col := rec.Column(rec.Schema().FieldIndices(f.name)[0])
			if err := f.family.encode(f, unmasked(col), rows, data[i]); err != nil {
				return nil, fmt.Errorf("column %q: %w", f.name, err)
			}
		}
	}
	return data, nil
}

// Rows copies rows of a record batch of this layout, by their numbers.
func (l *Layout) Rows(rec arrow.Record, rows []int) (arrow.Record, error) {
	data, err := l.Encode(rec, rows)
	if err != nil {
		return nil, err
	}
	return l.Decode(data)
}

// Join makes one record batch of several of this layout.
func (l *Layout) Join(recs ...arrow.Record) (arrow.Record, error) {
	if len(recs) == 0 {
		return array.NewRecordBuilder(memory.DefaultAllocator, l.Arrow).NewRecord(), nil
	}
	cols, rows := make([]arrow.Array, len(l.fields)), int64(0)
	for _, rec := range recs {
		rows += rec.NumRows()
	}
	for i, f := range l.fields {
		parts := make([]arrow.Array, len(recs))
		for j, rec := range recs {
			parts[j] = rec.Column(i)
		}
		col, err := array.Concatenate(parts, memory.DefaultAllocator)
		if err != nil {
			return nil, fmt.Errorf("joining column %q: %w", f.name, err)
		}
		cols[i] = col
	}
	return array.NewRecord(l.Arrow, cols, rows), nil
}

// Bytes is the size of a record batch in memory.
func Bytes(rec arrow.Record) int64 {
	var n int64
	for _, col := range rec.Columns() {
		n += dataBytes(col.Data())
	}
	return n
}

func dataBytes(d arrow.ArrayData) int64 {
	var n int64
	for _, b := range d.Buffers() {
		if b != nil { // a column without NULLs has no bitmap
			n += int64(b.Len())
		}
	}
	for _, child := range d.Children() {
		n += dataBytes(child)
	}
	return n
}
