package source

import (
	"context"
	"fmt"
	"slices"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/milvus"
)

// CanBeCursor reports whether rows can be found by a field's values: an INT64 or a VARCHAR that is not the primary key.
func CanBeCursor(schema *schemapb.CollectionSchema, name string) bool {
	i := slices.IndexFunc(schema.GetFields(), func(f *schemapb.FieldSchema) bool { return f.GetName() == name })
	if i < 0 || schema.Fields[i].GetIsPrimaryKey() {
		return false
	}
	kind := schema.Fields[i].GetDataType()
	return kind == schemapb.DataType_Int64 || kind == schemapb.DataType_VarChar
}

// Since hands on the keys of the rows of a partition whose field is above a value, of all rows where that is nil, in pages; and
// returns the greatest value that it saw, or after where it saw none. A row that is written meanwhile may be left out.
func (r *Reader) Since(ctx context.Context, partition, field string, after *columns.Key, emit func([]columns.Key) error) (greatest *columns.Key, err error) {
	both := r.Layout.Only(func(name string) bool { return name == r.Layout.KeyName() || name == field })
	var rest columns.Range
	for greatest = after; ; {
		expr := r.Layout.Expr(rest)
		if after != nil {
			expr += " and " + columns.Above(field, *after)
		}
		data, err := r.query(milvus.WasLoaded(ctx), partition, expr, both.Names(), limited(mostLimit))
		if err != nil {
			return greatest, fmt.Errorf("reading %q where %s: %w", r.Collection.Name, expr, err)
		}
		rec, err := both.Record(data)
		if err != nil {
			return greatest, fmt.Errorf("reading %q where %s: %w", r.Collection.Name, expr, err)
		}
		if rec.NumRows() == 0 {
			return greatest, nil
		}
		for _, v := range columns.KeysOf(rec, field) {
			if greatest == nil || v.Compare(*greatest) > 0 {
				v = v.Clone()
				greatest = &v
			}
		}
		keys := both.Keys(rec)
		if err := emit(keys); err != nil {
			return greatest, err
		}
		last := slices.MaxFunc(keys, columns.Key.Compare).Clone()
		rest.After = &last
	}
}
