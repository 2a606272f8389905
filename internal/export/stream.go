package export

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"migrate/internal/model"
	"migrate/sinks"
)

// readBatch is how many rows a batch has at most.
const readBatch = 4096

// rows is a stream of the rows of one part, row group by row group; memory is that of one. Of a part whose bytes have another SHA-256
// than they should no row comes, which is ErrPartDamaged: where a single bit is flipped, the parquet library may read for ever, or
// take all the memory that there is.
type rows struct {
	ctx     context.Context
	open    func() (File, error)
	sha256  string                                                // any where empty
	parse   func(File) (*file.Reader, *pqarrow.FileReader, error) // opens it as Parquet, and looks at its columns
	columns []int                                                 // of those that are read; all where nil

	checked File // nil until its bytes are
	file    *file.Reader
	groups  *pqarrow.FileReader
	group   int                  // the next one
	batch   pqarrow.RecordReader // of the one before; nil where there is none
	err     error                // that ended the stream, io.EOF included
}

// Next is the next batch.
func (r *rows) Next() (rec arrow.Record, err error) {
	defer func() {
		if p := recover(); p != nil { // the parquet reader panics on some damaged files
			err = fmt.Errorf("%w: %v", ErrPartDamaged, p)
		}
		r.err = err
	}()
	if r.err != nil {
		return nil, r.err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	if r.file == nil {
		if r.file, r.groups, err = r.parse(r.checked); err != nil {
			return nil, err
		}
	}
	for {
		if err := r.ctx.Err(); err != nil {
			return nil, context.Cause(r.ctx)
		}
		if r.batch != nil && r.batch.Next() {
			return r.batch.Record(), nil
		}
		if err := r.nextGroup(); err != nil {
			return nil, err
		}
	}
}

// check opens what is read, and checks its bytes, unless that is done.
func (r *rows) check() error {
	if r.checked != nil {
		return nil
	}
	f, err := r.open()
	if err != nil {
		return err
	}
	if r.sha256, err = check(f, r.sha256); err == nil {
		r.checked = f
	}
	return err
}

// ours opens a part that migrate wrote, which has just these columns.
func ours(schema *arrow.Schema) func(File) (*file.Reader, *pqarrow.FileReader, error) {
	return func(f File) (*file.Reader, *pqarrow.FileReader, error) {
		// Its Close would close f too, which is whose it was opened by.
		opened, err := file.NewParquetReader(struct{ File }{f})
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrPartDamaged, err)
		}
		groups, have, err := asArrow(opened, readBatch)
		if err == nil && !sameColumns(have, schema) {
			err = fmt.Errorf("reading parquet: its columns are %v, the collection's %v", have, schema)
		}
		return opened, groups, err
	}
}

// asArrow reads a file in batches of so many rows.
func asArrow(opened *file.Reader, rows int64) (*pqarrow.FileReader, *arrow.Schema, error) {
	groups, err := pqarrow.NewFileReader(opened, pqarrow.ArrowReadProperties{BatchSize: rows}, memory.DefaultAllocator)
	if err != nil {
		return nil, nil, fmt.Errorf("opening parquet: %w", err)
	}
	have, err := groups.Schema()
	if err != nil {
		return nil, nil, fmt.Errorf("opening parquet: %w", err)
	}
	return groups, have, nil
}

// nextGroup ends a row group and begins the one after it.
func (r *rows) nextGroup() (err error) {
	if err := r.endGroup(); err != nil {
		return err
	}
	if r.group == r.file.NumRowGroups() {
		return io.EOF
	}
	if r.batch, err = r.groups.GetRecordReader(r.ctx, r.columns, []int{r.group}); err != nil {
		return fmt.Errorf("reading parquet row group %d: %w", r.group, err)
	}
	r.group++
	return nil
}

func (r *rows) endGroup() error {
	if r.batch == nil {
		return nil
	}
	err := r.batch.Err()
	r.batch.Release()
	r.batch = nil
	if err != nil && err != io.EOF {
		return fmt.Errorf("reading parquet row group %d: %w", r.group-1, err)
	}
	return nil
}

// Findings are none: an export has one row of each key, and all of them can be read.
func (r *rows) Findings() model.Findings { return model.Findings{} }

// Close closes the Parquet; what it was read from is closed by whoever opened it.
func (r *rows) Close() error {
	if r.err == nil {
		r.err = context.Canceled
	}
	if r.batch != nil {
		r.batch.Release()
		r.batch = nil
	}
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// part is a stream of a part on a sink, which it opens when the first row is asked for.
type part struct {
	rows
	name   string
	object io.Closer // nil where it is not open
	bytes  int64     // of it, once it is open
}

// newPart is the stream of an object with a checksum; how it is parsed is left to be said.
func newPart(ctx context.Context, sink sinks.Sink, object, sha256 string) *part {
	p := &part{name: object, rows: rows{ctx: ctx, sha256: sha256}}
	p.open = func() (File, error) {
		obj, err := sink.Open(ctx, object)
		if err != nil {
			return nil, err
		}
		p.object, p.bytes = obj, obj.Size()
		return obj, nil
	}
	return p
}

// Next is the next batch.
func (p *part) Next() (arrow.Record, error) {
	rec, err := p.rows.Next()
	if err != nil && err != io.EOF {
		err = fmt.Errorf("reading part %s: %w", p.name, err)
	}
	return rec, err
}

// Close closes the object too.
func (p *part) Close() error {
	return errors.Join(p.rows.Close(), p.closeObject())
}

func (p *part) closeObject() (err error) {
	if p.object != nil {
		err = p.object.Close()
		p.object = nil
	}
	return err
}
