package columns

import (
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
)

// ErrUnfit: columns that others wrote are not those of a collection, or hold what its fields don't take.
var ErrUnfit = errors.New("does not fit the collection")

// Adoption makes record batches of a layout of those that others wrote by the rules of bulk insert: with columns in another order, of
// other types of Arrow that hold the same values, and without those that may be left out.
type Adoption struct {
	Altered bool // a batch was given other columns than it had: bulk insert may not take these as they are
	layout  *Layout
	takes   []taking
}

// taking is how a column is taken; nil where it is left out.
type taking func(arrow.Array) (arrow.Array, error)

// Adopt looks at columns that others wrote. ErrUnfit names the first that is missing, unknown, or of a type that its field can't have.
func Adopt(schema *schemapb.CollectionSchema, have *arrow.Schema) (*Adoption, error) {
	layout, err := NewLayout(schema)
	if err != nil {
		return nil, err
	}
	if len(have.FieldIndices(layout.KeyName())) == 0 && model.AutoID(schema) {
		layout = layout.Only(func(name string) bool { return name != layout.KeyName() })
	}
	for i, f := range have.Fields() {
		switch {
		case !slices.Contains(layout.Names(), f.Name):
			return nil, fmt.Errorf("column %q: %w: %s", f.Name, ErrUnfit, whyUnknown(schema, f.Name))
		case have.FieldIndices(f.Name)[0] != i:
			return nil, fmt.Errorf("column %q: %w: it is there twice", f.Name, ErrUnfit)
		}
	}
	a := &Adoption{layout: layout, takes: make([]taking, len(layout.fields))}
	for i, f := range layout.fields {
		if err := a.look(i, f, have); err != nil {
			return nil, fmt.Errorf("column %q: %w", f.name, err)
		}
	}
	return a, nil
}

func whyUnknown(schema *schemapb.CollectionSchema, name string) string {
	for _, f := range schema.GetFields() {
		if f.GetName() == name && model.IsComputed(schema, f) {
			return "a function computes that field, and files must not have it"
		}
	}
	return "it has no such field"
}

func (a *Adoption) look(i int, f field, have *arrow.Schema) error {
	at := have.FieldIndices(f.name)
	if len(at) == 0 {
		if f.nullable || f.defaulted || f.name == Meta {
			return nil
		}
		return fmt.Errorf("%w: it is missing", ErrUnfit)
	}
	typ := have.Field(at[0]).Type
	if a.takes[i] = f.takes(typ); a.takes[i] == nil {
		return fmt.Errorf("%w: it is %s, and its field %s", ErrUnfit, typ, f.words())
	}
	return nil
}

// words describe a field.
func (f field) words() string {
	switch {
	case f.kind == schemapb.DataType_Array:
		return fmt.Sprintf("an Array of %s", f.element)
	case f.dim > 0:
		return fmt.Sprintf("a %s of %d dimensions", f.kind, f.dim)
	}
	return f.kind.String()
}

// Layout is that of the batches that are made. It lacks the key where the target is to give it, and the columns have none.
func (a *Adoption) Layout() *Layout { return a.layout }

// Only is the adoption of some of the columns.
func (a *Adoption) Only(names []string) *Adoption {
	some := &Adoption{layout: a.layout.Only(func(name string) bool { return slices.Contains(names, name) })}
	for i, f := range a.layout.fields {
		if slices.Contains(names, f.name) {
			some.takes = append(some.takes, a.takes[i])
		}
	}
	return some
}

// Batch makes a batch of the layout. ErrUnfit names a column and a row, counted from a number on, that the collection can't have.
func (a *Adoption) Batch(rec arrow.Record, from int64) (arrow.Record, error) {
	cols := make([]arrow.Array, len(a.takes))
	for i, take := range a.takes {
		f := a.layout.fields[i]
		var is arrow.Array
		col, err := f.missing(int(rec.NumRows()), a.layout.Arrow.Field(i).Type)
		if take != nil {
			is = rec.Column(rec.Schema().FieldIndices(f.name)[0])
			col, err = take(is)
		}
		if err == nil {
			col, err = f.withoutNulls(col)
		}
		var in inRow
		if errors.As(err, &in) {
			return nil, fmt.Errorf("column %q, row %d: %w: %w", f.name, from+int64(in.row), ErrUnfit, in.error)
		}
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", f.name, err)
		}
		cols[i] = col
		a.Altered = a.Altered || col != is
	}
	return array.NewRecord(a.layout.Arrow, cols, rec.NumRows()), nil
}

// inRow is what is wrong with a row of a batch.
type inRow struct {
	row int
	error
}

func (e inRow) Unwrap() error { return e.error }

// missing is a column that was left out: NULL, and no dynamic fields.
func (f field) missing(rows int, typ arrow.DataType) (arrow.Array, error) {
	if f.name == Meta {
		return packTexts(slices.Repeat([][]byte{emptyObject}, rows))
	}
	return array.MakeArrayOfNull(memory.DefaultAllocator, typ, rows), nil
}

// withoutNulls refuses NULLs where the field takes none, and makes its default of them where it has one, as servers do.
func (f field) withoutNulls(col arrow.Array) (arrow.Array, error) {
	if f.nullable || col.NullN() == 0 {
		return col, nil
	}
	if f.defaulted {
		return f.fallback.fill(col)
	}
	for i := range col.Len() {
		if col.IsNull(i) {
			return nil, inRow{i, errors.New("it is NULL, and its field takes none")}
		}
	}
	return col, nil
}

// takes is how a field takes a column of a type; nil where it can't.
func (f field) takes(typ arrow.DataType) taking {
	switch f.kind {
	case schemapb.DataType_Array:
		return f.takesLists(typ)
	case schemapb.DataType_FloatVector:
		return f.takesVectors(typ, schemapb.DataType_Float)
	case schemapb.DataType_Float16Vector, schemapb.DataType_BFloat16Vector:
		if halves := f.takesHalves(typ); halves != nil {
			return halves
		}
		return f.takesBytes(typ, 2*f.dim)
	case schemapb.DataType_BinaryVector:
		return f.takesBytes(typ, f.dim/8)
	case schemapb.DataType_Int8Vector:
		return f.takesVectors(typ, schemapb.DataType_Int8)
	case schemapb.DataType_SparseFloatVector:
		return takesSparse(typ)
	}
	return takesScalars(f.kind, f.name, typ)
}
