// Package source is what rows are read from: a collection on a server, or an export of one. A source is cut into chunks, and each
// is read as a stream of record batches that ends only when all of its rows are proved to have come.
//
// There are the query way (source/query), exports (internal/export), and a fake in memory (source/memory). What all of them have to
// keep is written down as a test, in sourcetest.
package source

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"

	"github.com/apache/arrow/go/v15/arrow"

	"migrate/internal/columns"
	"migrate/internal/model"
)

// ErrIncomplete: there are rows that do not come, and nothing explains them.
var ErrIncomplete = errors.New("the server does not return every row that it counts")

// Opener opens a collection to be read as it was when a plan was made that has this pin, or as it stands now where there is none.
type Opener func(ctx context.Context, coll *model.Collection, pin json.RawMessage) (Source, error)

// Source is the rows of one collection. It is safe for use by several goroutines.
type Source interface {
	// Collection is all of the collection but its rows.
	Collection() *model.Collection
	// Plan cuts all rows into chunks: by partition, in the order of keys, and so that they cover every key once; or into scattered
	// chunks, which together have every row once.
	Plan(ctx context.Context, size Size) (*Plan, error)
	// Read reads the rows of a chunk, and of them the columns that are named, in the collection's order; all where none is. A
	// partition that the collection has not is not to be named.
	Read(ctx context.Context, chunk model.Chunk, names ...string) (Stream, error)
	// Close releases what was loaded for the time being. It does so where the context has ended too.
	Close(ctx context.Context) error
}

// Size is what is aimed at for a chunk. The zero value is useful.
type Size struct {
	Rows    int64 // most of them; no bound where zero
	Bytes   int64 // of its rows, about; no bound where zero
	Workers int   // chunks that are read at once: each of them should have one
}

// Plan is how a source is cut.
type Plan struct {
	Chunks   []model.Chunk
	Rows     int64
	Bytes    int64           // estimated
	Snapshot uint64          // the one instant that all reads see, as a timestamp of the server; 0 where there is none
	Pin      json.RawMessage // has an Opener read the same rows, in the same pages
}

// Stream is one read under way. It has to be closed.
type Stream interface {
	// Next is the next batch, which has a row at least. It is valid until Next or Close is called again: Retain it to keep it.
	// io.EOF says that all rows have come, and that this is proved. After an error there are no more.
	Next() (arrow.Record, error)
	// Findings are what was found meanwhile: duplicate keys, of which one row came each, and unreadable rows. They are whole after
	// io.EOF.
	Findings() model.Findings
	// Close ends the read ahead.
	Close() error
}

// Ranged is a source that reads any range of keys, and counts.
type Ranged interface {
	Source
	// Split cuts a range into chunks of at most about so many rows.
	Split(ctx context.Context, partition string, rng model.Range, rows int64) ([]model.Chunk, error)
	// Count counts the rows of a range, each row of a duplicate key included.
	Count(ctx context.Context, partition string, rng model.Range) (int64, error)
	// CountKeys counts the rows of some keys: 0 proves them absent, and more rows than keys are copies.
	CountKeys(ctx context.Context, partition string, keys []model.Key) (int64, error)
	// Lookup reads the rows of some keys, so few that one answer holds them, and of them the columns that are named; all where none is.
	Lookup(ctx context.Context, partition string, keys []model.Key, names ...string) (Found, error)
	// Duplicates finds those of some keys, in ascending order, that have more than one row. It names so many of them at most.
	Duplicates(ctx context.Context, partition string, keys []model.Key, name int) (model.Duplicates, error)
	// RowBytes is the size of these columns of a row, estimated.
	RowBytes(names ...string) float64
	// Now is the same collection as it stands now.
	Now(ctx context.Context) (Ranged, error)
}

// MostAsked is how many duplicate keys are told one by one where each has to be known, at the price of a count or two.
const MostAsked = 10_000

// Found is what there is of some keys: one row of each.
type Found struct {
	Record arrow.Record
	Absent []model.Key // of those that were asked for: neither returned nor counted
	Hidden []model.Key // of those that were asked for: counted and not returned
}

// Hints find rows that may have been written lately, and prove nothing.
type Hints interface {
	// Mark tells the rows of the segments, after a flush; nil where the server does not tell by them what was written.
	Mark(ctx context.Context) (*model.Mark, error)
	// Sealed is the same source without the rows of growing segments, which are those that were written lately; nil where the server
	// tells of no segments.
	Sealed() Ranged
	// CountNow counts all rows, and those that Sealed reads, as they stand when they are counted. That costs the server less than to count them by a
	// range, as of a time that is asked for first.
	CountNow(ctx context.Context) (all, sealed int64, err error)
	// Since reads the key and the cursor's field of the rows that a cursor lets through. Its findings' unreadable ranges are those
	// in which another number of rows is counted than came; what is written meanwhile makes the two differ.
	Since(ctx context.Context, partition string, cursor model.Cursor) (Stream, error)
	// Ties counts the rows that have just the cursor's value.
	Ties(ctx context.Context, cursor model.Cursor) (int64, error)
}

// Spelling is a source whose server may spell JSON documents otherwise than they were written.
type Spelling interface{ RewritesJSON() bool }

// SpelledAnew names the columns of which some sources have the values alone, and not the bytes that were written: those of JSON, where
// a server of them spells it anew.
func SpelledAnew(some ...Source) []string {
	for _, s := range some {
		if spelling, ok := s.(Spelling); ok && spelling.RewritesJSON() {
			return model.Documents(s.Collection().Schema)
		}
	}
	return nil
}

// Rows are the batches of a stream, each valid until the next, and an error at last where one ended it. It closes the stream.
func Rows(s Stream) iter.Seq2[arrow.Record, error] {
	return func(yield func(arrow.Record, error) bool) {
		defer s.Close()
		for {
			rec, err := s.Next()
			if err == io.EOF {
				return
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// Keys are the keys of a stream's rows, which are in the column of that name, and an error at last where one ended it. It closes the
// stream. A key that is kept has to be cloned.
func Keys(s Stream, column string) iter.Seq2[model.Key, error] {
	return func(yield func(model.Key, error) bool) {
		for rec, err := range Rows(s) {
			if err != nil {
				yield(model.Key{}, err)
				return
			}
			for _, k := range columns.KeysOf(rec, column) {
				if !yield(k, nil) {
					return
				}
			}
		}
	}
}

// Empty is a stream without rows.
type Empty struct{}

// Next is the end.
func (Empty) Next() (arrow.Record, error) { return nil, io.EOF }

// Findings are none.
func (Empty) Findings() model.Findings { return model.Findings{} }

// Close does nothing.
func (Empty) Close() error { return nil }
