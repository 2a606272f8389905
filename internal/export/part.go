package export

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// ErrDamaged: a file is not the Parquet that it should be.
var ErrPartDamaged = errors.New("parquet damaged")

// digester hashes and counts what passes through. It keeps the first error to itself, and passes nothing on from then:
// the parquet writer panics where its first write fails.
type digester struct {
	w    io.Writer
	hash hash.Hash
	n    int64
	err  error
}

func (d *digester) Write(b []byte) (int, error) {
	if d.err != nil {
		return len(b), nil
	}
	var n int
	n, d.err = d.w.Write(b)
	d.hash.Write(b[:n])
	d.n += int64(n)
	return len(b), nil
}

// Tell is the position in the file.
func (d *digester) Tell() int64 { return d.n }

// Digest reads r to its end, and gives the checksum and size that a Writer would have given.
func Digest(r io.Reader) (sum string, n int64, err error) {
	d := &digester{w: io.Discard, hash: sha256.New()}
	if _, err := io.Copy(d, r); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(d.hash.Sum(nil)), d.n, nil
}

// File is what a part is read from; sinks.Object is one.
type File interface {
	io.ReadSeeker
	io.ReaderAt
}

const readBatch = 4096

// Read hands on the rows of the part whose bytes have this SHA-256, in batches of up to 4096, in the columns of schema.
// A batch is released after emit returns. Memory is that of one row group. Of other bytes no row is read, which is
// ErrDamaged: where a single bit is flipped, the parquet library may read for ever, or take all the memory that there is.
func ReadParquet(ctx context.Context, f File, sum string, schema *arrow.Schema, emit func(arrow.Record) error) error {
	if err := check(f, sum); err != nil {
		return err
	}
	return readRows(ctx, f, schema, emit)
}

func check(f File, want string) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("checking parquet: %w", err)
	}
	have, _, err := Digest(f)
	if err != nil {
		return fmt.Errorf("checking parquet: %w", err)
	}
	if have != want {
		return fmt.Errorf("%w: its SHA-256 is %s instead of %s", ErrPartDamaged, have, want)
	}
	return nil
}

func readRows(ctx context.Context, f File, schema *arrow.Schema, emit func(arrow.Record) error) (err error) {
	defer func() {
		if p := recover(); p != nil { // the parquet reader panics on some damaged files
			err = fmt.Errorf("%w: %v", ErrPartDamaged, p)
		}
	}()
	// Its Close would close f too, which is the caller's.
	pf, err := file.NewParquetReader(struct{ File }{f})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPartDamaged, err)
	}
	defer pf.Close()
	fr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: readBatch}, memory.DefaultAllocator)
	if err != nil {
		return fmt.Errorf("opening parquet: %w", err)
	}
	for g := range pf.NumRowGroups() {
		if err := readGroup(ctx, fr, g, schema, emit); err != nil {
			return err
		}
	}
	return nil
}

func readGroup(ctx context.Context, fr *pqarrow.FileReader, group int, schema *arrow.Schema, emit func(arrow.Record) error) error {
	rr, err := fr.GetRecordReader(ctx, nil, []int{group})
	if err != nil {
		return fmt.Errorf("reading parquet row group %d: %w", group, err)
	}
	defer rr.Release()
	if !sameColumns(rr.Schema(), schema) {
		return fmt.Errorf("reading parquet row group %d: its columns are %v, the collection's %v", group, rr.Schema(), schema)
	}
	for rr.Next() {
		if err := emit(rr.Record()); err != nil {
			return err
		}
	}
	if err := rr.Err(); err != nil && err != io.EOF {
		return fmt.Errorf("reading parquet row group %d: %w", group, err)
	}
	return nil
}

func sameColumns(a, b *arrow.Schema) bool {
	if a.NumFields() != b.NumFields() {
		return false
	}
	for i, f := range a.Fields() {
		if f.Name != b.Field(i).Name || !arrow.TypeEqual(f.Type, b.Field(i).Type) {
			return false
		}
	}
	return true
}
