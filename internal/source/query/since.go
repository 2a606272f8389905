package query

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
)

// CanBeCursor reports whether rows can be found by a field's values: an INT64 or a VARCHAR that is not the primary key, and takes no
// NULL, which no comparison lets through.
func CanBeCursor(schema *schemapb.CollectionSchema, name string) bool {
	i := slices.IndexFunc(schema.GetFields(), func(f *schemapb.FieldSchema) bool { return f.GetName() == name })
	if i < 0 || schema.Fields[i].GetIsPrimaryKey() || schema.Fields[i].GetNullable() {
		return false
	}
	kind := schema.Fields[i].GetDataType()
	return kind == schemapb.DataType_Int64 || kind == schemapb.DataType_VarChar
}

// filterOf lets the rows through that a cursor does.
func filterOf(f milvus.Filters, c model.Cursor) string {
	if c.Above {
		return f.Above(c.Field, *c.Value)
	}
	return f.From(c.Field, *c.Value)
}

// Ties counts the rows that have just the cursor's value.
func (s *Source) Ties(ctx context.Context, cursor model.Cursor) (int64, error) {
	return s.countWhere(ctx, model.AllPartitions, s.server.Filters().Is(cursor.Field, *cursor.Value))
}

// Since reads the key and the field of the rows that a cursor lets through, page by page.
func (s *Source) Since(ctx context.Context, partition string, cursor model.Cursor) (source.Stream, error) {
	some, err := s.only([]string{s.layout.KeyName(), cursor.Field})
	if err != nil {
		return nil, err
	}
	return &since{Source: some, ctx: ctx, partition: partition, cursor: cursor, limit: mostLimit}, nil
}

// since is one Since under way.
type since struct {
	*Source   // of the key and the field
	ctx       context.Context
	partition string
	cursor    model.Cursor
	limit     int64
	rest      model.Range
	current   arrow.Record
	err       error // that ended it
	found     model.Findings
}

// Next is the next page.
func (s *since) Next() (arrow.Record, error) {
	s.release()
	if s.err != nil {
		return nil, s.err
	}
	if s.current, s.err = s.proved(); s.err != nil {
		return nil, s.err
	}
	if s.current.NumRows() == 0 {
		s.release()
		s.err = io.EOF
		return nil, s.err
	}
	last := slices.MaxFunc(s.layout.Keys(s.current), model.Key.Compare).Clone()
	s.rest.After = &last
	return s.current, nil
}

func (s *since) release() {
	if s.current != nil {
		s.current.Release()
		s.current = nil
	}
}

// Findings are the pages of which another number of rows is counted than came.
func (s *since) Findings() model.Findings { return s.found }

// Close ends it; nothing is read ahead.
func (s *since) Close() error {
	s.release()
	if s.err == nil {
		s.err = context.Canceled
	}
	return nil
}

func (s *since) filter(rng model.Range) string {
	expr := s.key.Within(rng)
	if s.cursor.Value != nil {
		expr += " and " + filterOf(s.server.Filters(), s.cursor)
	}
	return expr
}

// proved is the next page, read again a few times where the server counts another number of rows in it: what is written
// meanwhile makes the two differ.
func (s *since) proved() (rec arrow.Record, err error) {
	var off model.Unreadable
	for range len(pauses) + 1 {
		if rec, err = s.page(); err != nil {
			return nil, err
		}
		off.Range = s.rest
		if rec.NumRows() > 0 {
			last := slices.MaxFunc(s.layout.Keys(rec), model.Key.Compare).Clone()
			off.UpTo = &last
		}
		n, err := s.countWhere(s.ctx, s.partition, s.filter(off.Range))
		if err != nil || n == rec.NumRows() {
			return rec, err
		}
		off.Rows = n - rec.NumRows()
	}
	s.found.Unreadable = append(s.found.Unreadable, off)
	return rec, nil
}

func (s *since) page() (arrow.Record, error) {
	expr := s.filter(s.rest)
	data, err := s.query(s.ctx, s.partition, expr, s.layout.Names(), limited(s.limit))
	if errors.Is(err, milvus.ErrTooLarge) && s.limit > 1 {
		s.limit /= 2
		return s.page()
	}
	if err != nil {
		return nil, fmt.Errorf("reading %q where %s: %w", s.coll.Name, expr, err)
	}
	rec, err := s.layout.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("reading %q where %s: %w", s.coll.Name, expr, err)
	}
	return rec, nil
}

// Mark tells the rows of the flushed segments, where they tell what was written. It flushes.
func (s *Source) Mark(ctx context.Context) (*model.Mark, error) {
	if !s.server.Capabilities().SegmentRows {
		return nil, nil
	}
	segments, err := s.server.Segments(ctx, s.coll.Name)
	if err != nil || segments == nil {
		return nil, err
	}
	return &model.Mark{Segments: segments}, nil
}
