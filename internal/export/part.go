package export

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
)

// ErrPartDamaged: a file is not the Parquet that it should be.
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

// check gives the checksum of a file, which is to be the one that is wanted; any where that is empty.
func check(f File, want string) (have string, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("checking parquet: %w", err)
	}
	if have, _, err = Digest(f); err != nil {
		return "", fmt.Errorf("checking parquet: %w", err)
	}
	if want != "" && have != want {
		return "", fmt.Errorf("%w: its SHA-256 is %s instead of %s", ErrPartDamaged, have, want)
	}
	return have, nil
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
