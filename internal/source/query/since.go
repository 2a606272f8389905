package query

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/milvus"
	"migrate/internal/model"
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

// Seen is what Since saw.
type Seen struct {
	Greatest *model.Key // value of the field; the one that was given where there was no row
	Whole    bool       // as many rows were returned as are counted; a row that is written meanwhile may make them differ
}

// From says which rows Since finds: those whose field has a value or a greater one, or only a greater one.
type From struct {
	Field string
	Value *model.Key // all rows where it is nil
	Above bool       // not those with the value itself
}

func (f From) filter() string {
	if f.Above {
		return milvus.Above(f.Field, *f.Value)
	}
	return milvus.From(f.Field, *f.Value)
}

// Since hands on the keys of the rows of a partition from a value of a field on, in pages.
func (r *Reader) Since(ctx context.Context, partition string, from From, emit func([]model.Key) error) (Seen, error) {
	s := since{
		Reader: r, partition: partition, from: from, limit: mostLimit, seen: Seen{Greatest: from.Value, Whole: true},
		layout: r.Layout.Only(func(name string) bool { return name == r.Layout.KeyName() || name == from.Field }),
	}
	var rest model.Range
	for {
		rec, err := s.proved(ctx, rest)
		if err != nil || rec.NumRows() == 0 {
			return s.seen, err
		}
		keys := s.layout.Keys(rec)
		last := slices.MaxFunc(keys, model.Key.Compare).Clone()
		s.note(columns.KeysOf(rec, s.from.Field))
		if err := emit(keys); err != nil {
			return s.seen, err
		}
		rest.After = &last
	}
}

// since is one Since under way.
type since struct {
	*Reader
	layout    *columns.Layout // of the key and the field
	partition string
	from      From
	limit     int64
	seen      Seen
}

func (s *since) filter(rng model.Range) string {
	expr := s.Reader.key.Within(rng)
	if s.from.Value != nil {
		expr += " and " + s.from.filter()
	}
	return expr
}

// proved is the next page, read again a few times where the server counts another number of rows in it: what is written
// meanwhile makes the two differ.
func (s *since) proved(ctx context.Context, rest model.Range) (rec arrow.Record, err error) {
	for range len(pauses) + 1 {
		if rec, err = s.page(ctx, rest); err != nil {
			return nil, err
		}
		page := rest
		if rec.NumRows() > 0 {
			last := slices.MaxFunc(s.layout.Keys(rec), model.Key.Compare)
			page.UpTo = &last
		}
		n, err := s.CountWhere(ctx, s.partition, s.filter(page))
		if err != nil || n == rec.NumRows() {
			return rec, err
		}
	}
	s.seen.Whole = false
	return rec, nil
}

func (s *since) page(ctx context.Context, rest model.Range) (arrow.Record, error) {
	expr := s.filter(rest)
	data, err := s.query(ctx, s.partition, expr, s.layout.Names(), limited(s.limit))
	if errors.Is(err, milvus.ErrTooLarge) && s.limit > 1 {
		s.limit /= 2
		return s.page(ctx, rest)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %q where %s: %w", s.Collection.Name, expr, err)
	}
	rec, err := s.layout.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("reading %q where %s: %w", s.Collection.Name, expr, err)
	}
	return rec, nil
}

func (s *since) note(values []model.Key) {
	for _, v := range values {
		if s.seen.Greatest == nil || v.Compare(*s.seen.Greatest) > 0 {
			v = v.Clone()
			s.seen.Greatest = &v
		}
	}
}
