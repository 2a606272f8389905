package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
	"migrate/internal/source/storage/binlog"
	"migrate/sinks"
)

// scanned is how many keys and times are read at once.
const scanned = 8192

// timeField is the field that a server adds to each row: when it was written.
var timeField = &schemapb.FieldSchema{FieldID: binlog.Timestamp, Name: "Timestamp", DataType: schemapb.DataType_Int64}

// scan reads the key and the time of each row of a segment, in order, and holds their number against what the server says. It costs
// a hundredth of reading the rows.
func (s *Source) scan(ctx context.Context, g *segment, each func(at int64, keys *schemapb.FieldData, times []int64) error) error {
	if err := s.measure(ctx, g); err != nil {
		return err
	}
	keys, times := s.column(g, model.PrimaryKey(s.coll.Schema)), s.column(g, timeField)
	defer keys.close()
	defer times.close()
	for at := int64(0); at < g.Rows; {
		n := min(scanned, times.left(at))
		k, err := keys.next(ctx, at, n, nil)
		if err != nil {
			return err
		}
		t, err := times.next(ctx, at, n, nil)
		if err != nil {
			return err
		}
		if err := each(at, k, t.GetScalars().GetLongData().GetData()); err != nil {
			return err
		}
		at += n
	}
	return nil
}

// measure asks the logs of the time how many rows each has, which are to be as many as the server says of the segment.
func (s *Source) measure(ctx context.Context, g *segment) error {
	if g.logRows != nil {
		return nil
	}
	var counts []int64
	var rows int64
	for k := range g.fields[binlog.Timestamp] {
		c, object, err := s.openColumn(ctx, g, timeField, k)
		if err != nil {
			return err
		}
		counts = append(counts, c.Rows())
		rows += c.Rows()
		if err := object.Close(); err != nil {
			return err
		}
	}
	if rows != g.Rows {
		return fmt.Errorf("segment %d: %w: its logs have %d rows, and the server says %d", g.ID, ErrContradiction, rows, g.Rows)
	}
	g.logRows = counts
	return nil
}

// logName is that of the k-th log of a field.
func (s *Source) logName(g *segment, f *schemapb.FieldSchema, k int) string {
	return fmt.Sprintf("insert_log/%d/%d/%d/%d/%d", s.coll.ID, g.Partition, g.ID, f.GetFieldID(), g.fields[f.GetFieldID()][k])
}

func (s *Source) openColumn(ctx context.Context, g *segment, f *schemapb.FieldSchema, k int) (*binlog.Column, sinks.Object, error) {
	name := s.logName(g, f, k)
	object, err := s.bucket.Open(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	owner := binlog.Owner{Collection: s.coll.ID, Partition: g.Partition, Segment: g.ID, Field: f.GetFieldID()}
	c, err := binlog.OpenColumn(object, owner, f)
	if err == nil && g.logRows != nil && c.Rows() != g.logRows[k] {
		err = fmt.Errorf("%w: it has %d rows, and the log of their times %d", ErrContradiction, c.Rows(), g.logRows[k])
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", s.bucket.URL(name), err), object.Close())
	}
	return c, object, nil
}

// column reads a field of a segment, log by log.
type column struct {
	s      *Source
	g      *segment
	field  *schemapb.FieldSchema
	log    int   // the next one
	end    int64 // the row after the last of the one that is open
	at     int64
	open   *binlog.Column
	object sinks.Object
}

func (s *Source) column(g *segment, f *schemapb.FieldSchema) *column {
	return &column{s: s, g: g, field: f}
}

// left is how many rows the log has from one on.
func (c *column) left(at int64) int64 {
	end := int64(0)
	for _, rows := range c.g.logRows {
		if end += rows; at < end {
			break
		}
	}
	return end - at
}

// next are the values of n rows from one on, which is not before those that were read, and all in one log.
func (c *column) next(ctx context.Context, at, n int64, keep []bool) (*schemapb.FieldData, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for c.open == nil || at >= c.end {
		if err := c.openNext(ctx, at); err != nil {
			return nil, err
		}
	}
	for c.at < at {
		skip := min(at-c.at, scanned)
		if _, err := c.read(skip, make([]bool, skip)); err != nil {
			return nil, err
		}
	}
	return c.read(n, keep)
}

func (c *column) read(n int64, keep []bool) (*schemapb.FieldData, error) {
	data, err := c.open.Next(int(n), keep)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.s.bucket.URL(c.s.logName(c.g, c.field, c.log-1)), err)
	}
	c.at += n
	return data, nil
}

// openNext opens the log that has a row.
func (c *column) openNext(ctx context.Context, at int64) error {
	c.close()
	for at >= c.end+c.g.logRows[c.log] {
		c.end += c.g.logRows[c.log]
		c.log++
	}
	var err error
	c.open, c.object, err = c.s.openColumn(ctx, c.g, c.field, c.log)
	c.at = c.end
	c.end += c.g.logRows[c.log]
	c.log++
	return err
}

func (c *column) close() {
	if c.object != nil {
		_ = c.object.Close() // what was read is all that counts
		c.object, c.open = nil, nil
	}
}
