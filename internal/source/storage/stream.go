package storage

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/model"
)

// A batch has so many rows at most, and about so many bytes.
const (
	mostBatchRows  = 2048
	mostBatchBytes = 1 << 20
)

// stream reads the pieces of a chunk one after the other.
type stream struct {
	ctx    context.Context
	s      *Source
	layout *columns.Layout
	pieces []piece
	batch  int64

	at      int64 // the next row of the first piece
	columns []*column
	keys    *column // read beside, where keys have to be named
	found   model.Findings
	rows    int64 // that came
	want    int64
	err     error
}

func newStream(ctx context.Context, s *Source, layout *columns.Layout, pieces []piece) *stream {
	r := &stream{ctx: ctx, s: s, layout: layout, pieces: pieces}
	r.batch = int64(max(min(mostBatchBytes/s.rowBytes(func(*segment) bool { return true }), mostBatchRows), 1))
	for _, p := range pieces {
		r.want += s.segments[p.segment].alive.count(p.from, p.to)
	}
	if len(pieces) > 0 {
		r.at = pieces[0].from
	}
	return r
}

// Next is the next batch; io.EOF once as many rows have come as the keys and times of all told.
func (r *stream) Next() (arrow.Record, error) {
	for r.err == nil {
		rec, err := r.next()
		if err != nil {
			r.err = err
			r.closeColumns()
			break
		}
		if rec != nil {
			r.rows += rec.NumRows()
			return rec, nil
		}
	}
	return nil, r.err
}

// next is nil where no row of those that it came to is read.
func (r *stream) next() (arrow.Record, error) {
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	if len(r.pieces) == 0 {
		if r.rows != r.want {
			return nil, fmt.Errorf("reading %q from the storage: %w: %d rows came of %d", r.s.coll.Name, ErrContradiction, r.rows, r.want)
		}
		return nil, io.EOF
	}
	p := r.pieces[0]
	if r.at == p.to {
		r.closeColumns()
		if r.pieces = r.pieces[1:]; len(r.pieces) > 0 {
			r.at = r.pieces[0].from
		}
		return nil, nil
	}
	if r.columns == nil {
		r.openColumns(r.s.segments[p.segment])
	}
	return r.read(p)
}

func (r *stream) openColumns(g *segment) {
	for _, name := range r.layout.Names() {
		r.columns = append(r.columns, r.s.column(g, r.s.fieldOf(g, name)))
	}
	r.keys = r.s.column(g, model.PrimaryKey(r.s.coll.Schema))
}

// read reads a batch of a piece.
func (r *stream) read(p piece) (arrow.Record, error) {
	g := r.s.segments[p.segment]
	at, n := r.at, min(r.batch, p.to-r.at, r.columns[0].left(r.at))
	r.at += n
	if g.alive.count(at, at+n) == 0 {
		return nil, nil
	}
	keep := g.alive.slice(at, at+n)
	data := make([]*schemapb.FieldData, len(r.columns))
	for i, c := range r.columns {
		var err error
		if data[i], err = c.next(r.ctx, at, n, keep); err != nil {
			return nil, err
		}
	}
	rec, err := r.layout.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("segment %d: %w", g.ID, err)
	}
	return rec, r.name(piece{p.segment, at, at + n})
}

// name tells of the keys of a batch of which there are other rows.
func (r *stream) name(p piece) error {
	for _, one := range r.s.copiesIn(p) {
		found := model.Duplicates{Keys: 1, Rows: int64(one.copies) - 1}
		if len(r.found.Duplicates.Sample) < model.Sampled {
			key, err := r.keys.next(r.ctx, int64(one.row), 1, nil)
			if err != nil {
				return err
			}
			found.Sample = []model.Copies{{Key: keyAt(key, 0), Copies: int64(one.copies)}}
		}
		r.found.Duplicates.Add(found)
	}
	return nil
}

// Findings are the duplicate keys, of which the newest row was read.
func (r *stream) Findings() model.Findings { return r.found }

// errClosed: the stream was closed before its end.
var errClosed = errors.New("reading from the storage: the stream is closed")

// Close ends the stream.
func (r *stream) Close() error {
	r.closeColumns()
	if r.err == nil {
		r.err = errClosed
	}
	return nil
}

func (r *stream) closeColumns() {
	for _, c := range r.columns {
		c.close()
	}
	if r.keys != nil {
		r.keys.close()
	}
	r.columns, r.keys = nil, nil
}
