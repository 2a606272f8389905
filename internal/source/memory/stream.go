package memory

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"migrate/internal/columns"
	"migrate/internal/model"
	"migrate/internal/source"
)

// Read reads the rows that a chunk has when the first is asked for.
func (s *Source) Read(ctx context.Context, chunk model.Chunk, names ...string) (source.Stream, error) {
	return s.stream(ctx, chunk, func() ([]row, model.Findings, error) {
		rows, duplicates, hidden := s.apart(s.found(chunk.Partition, within(chunk.Range)))
		found := model.Findings{Duplicates: duplicates}
		found.Duplicates.Sample = duplicates.Sample[:min(model.Sampled, len(duplicates.Sample))]
		for _, k := range hidden {
			found.Unreadable = append(found.Unreadable, model.Unreadable{Range: model.Range{UpTo: &k}, Rows: 1})
		}
		return rows, found, nil
	}, names...)
}

// stream reads what begin gives of a chunk, once whoever wants to know has been told.
func (s *Source) stream(ctx context.Context, chunk model.Chunk, begin func() ([]row, model.Findings, error), names ...string) (source.Stream, error) {
	layout, err := s.only(names)
	if err != nil {
		return nil, err
	}
	return &stream{ctx: ctx, layout: layout, most: cmp.Or(s.BatchRows, batchRows), begin: func() ([]row, model.Findings, error) {
		if s.Reading != nil {
			if err := s.Reading(ctx, chunk); err != nil {
				return nil, model.Findings{}, err
			}
		}
		return begin()
	}}, nil
}

func (s *Source) only(names []string) (*columns.Layout, error) {
	if len(names) == 0 {
		return s.layout, nil
	}
	for _, name := range names {
		if !slices.Contains(s.layout.Names(), name) {
			return nil, fmt.Errorf("reading %q: it has no column %q", s.coll.Name, name)
		}
	}
	return s.layout.Only(func(name string) bool { return slices.Contains(names, name) }), nil
}

// apart tells the one row of each key that a read returns from those that it does not.
func (s *Source) apart(rows []row) (first []row, several model.Duplicates, hidden []model.Key) {
	for _, r := range rows {
		last := len(first) - 1
		switch {
		case slices.Contains(s.Hide, r.key):
			hidden = append(hidden, r.key)
		case last < 0 || first[last].key != r.key:
			first = append(first, r)
		default:
			several.Rows++
			if n := len(several.Sample) - 1; n >= 0 && several.Sample[n].Key == r.key {
				several.Sample[n].Copies++
				continue
			}
			several.Keys++
			several.Sample = append(several.Sample, model.Copies{Key: r.key, Copies: 2})
		}
	}
	return first, several, hidden
}

// Since reads the rows that a cursor lets through.
func (s *Source) Since(ctx context.Context, partition string, cursor model.Cursor) (source.Stream, error) {
	layout, err := s.only([]string{s.layout.KeyName(), cursor.Field})
	if err != nil {
		return nil, err
	}
	return &stream{ctx: ctx, layout: layout, most: cmp.Or(s.BatchRows, batchRows), begin: func() ([]row, model.Findings, error) {
		return slices.DeleteFunc(s.found(partition, within(model.Range{})), func(r row) bool {
			return cursor.Value != nil && r.value(cursor.Field).Compare(*cursor.Value) < least(cursor)
		}), model.Findings{}, nil
	}}, nil
}

// least is how a value that a cursor lets through compares with its own at least.
func least(c model.Cursor) int {
	if c.Above {
		return 1
	}
	return 0
}

func (r row) value(field string) model.Key { return columns.KeysOf(r.rec, field)[0] }

// Ties counts the rows that have just the cursor's value.
func (s *Source) Ties(ctx context.Context, cursor model.Cursor) (n int64, err error) {
	for _, r := range s.found(model.AllPartitions, within(model.Range{})) {
		if r.value(cursor.Field) == *cursor.Value {
			n++
		}
	}
	return n, ctx.Err()
}

// Lookup reads the rows of some keys.
func (s *Source) Lookup(ctx context.Context, partition string, keys []model.Key, names ...string) (found source.Found, err error) {
	layout, err := s.only(names)
	if err != nil {
		return found, err
	}
	rows, _, hidden := s.apart(s.found(partition, among(keys)))
	found.Hidden = slices.Compact(hidden)
	found.Absent = slices.DeleteFunc(slices.Clone(keys), func(k model.Key) bool {
		return slices.Contains(hidden, k) || slices.ContainsFunc(rows, func(r row) bool { return r.key == k })
	})
	found.Record, err = joined(layout, rows)
	return found, cmp.Or(ctx.Err(), err)
}

// stream is one read under way.
type stream struct {
	ctx     context.Context
	layout  *columns.Layout
	most    int
	begin   func() ([]row, model.Findings, error) // nil once it began
	rows    []row                                 // that did not come yet
	found   model.Findings
	current arrow.Record
	err     error
}

// Next is the next batch.
func (s *stream) Next() (arrow.Record, error) {
	s.release()
	if s.err == nil {
		s.current, s.err = s.next()
	}
	return s.current, s.err
}

func (s *stream) next() (arrow.Record, error) {
	if err := s.ctx.Err(); err != nil {
		return nil, context.Cause(s.ctx)
	}
	if s.begin != nil {
		begin := s.begin
		s.begin = nil
		var err error
		if s.rows, s.found, err = begin(); err != nil {
			return nil, err
		}
	}
	if len(s.rows) == 0 {
		return nil, io.EOF
	}
	n := min(s.most, len(s.rows))
	rec, err := joined(s.layout, s.rows[:n])
	s.rows = s.rows[n:]
	return rec, err
}

func (s *stream) release() {
	if s.current != nil {
		s.current.Release()
		s.current = nil
	}
}

// Findings are what was found.
func (s *stream) Findings() model.Findings { return s.found }

// Close ends the read.
func (s *stream) Close() error {
	s.release()
	if s.err == nil {
		s.err = context.Canceled
	}
	return nil
}

// joined is one batch of some rows.
func joined(layout *columns.Layout, rows []row) (arrow.Record, error) {
	batch := make([]arrow.Record, len(rows))
	for i, r := range rows {
		batch[i] = layout.Pick(r.rec)
	}
	return layout.Join(batch...)
}
