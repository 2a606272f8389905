package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// Rows is what a Writer writes to: a server, which makes each call once.
type Rows interface {
	Insert(ctx context.Context, collection, partition string, rows []*schemapb.FieldData, n int) error
	Upsert(ctx context.Context, collection, partition string, rows []*schemapb.FieldData, n int) error
	Delete(ctx context.Context, collection, partition, filter string) error
}

// Writer writes rows of record batches into a collection and deletes keys from it, a few megabytes a call. What it writes by Upsert and
// deletes may be written and deleted once more, and is as it was.
type Writer struct {
	Rows       Rows
	Collection string // by its name, or by an alias
	Layout     *columns.Layout
	Key        milvus.KeyField
	// AutoIDs: the collection has auto ids and takes those that rows bring. An upsert would have it give others, so that rows are deleted and
	// inserted in its place.
	AutoIDs bool
	// May is asked before each call, also before it is made again, and refuses it by an error; nil: each may be made.
	May func(ctx context.Context) error
	// Within bounds each call, from when its leave was asked for; no bound where zero.
	Within time.Duration
	// Again makes a call that may be repeated until it succeeds, or can't; nil: once, since the caller comes back by itself.
	Again func(ctx context.Context, method string, try func() error) error
}

// BatchBytes is the size aimed at for the rows of one call, and mostDeleted how many keys one deletes.
const (
	BatchBytes  = 4 << 20
	mostDeleted = 2000
)

// AtOnce is how many rows of a batch go into one call: its rows in pieces of about one size.
func AtOnce(rec arrow.Record) int {
	rows := max(rec.NumRows(), 1)
	calls := min((columns.Bytes(rec)+BatchBytes-1)/BatchBytes, rows)
	calls = max(calls, 1)
	return int((rows + calls - 1) / calls)
}

// Upsert writes rows of a batch, by their numbers, in place of those that have their keys.
func (w *Writer) Upsert(ctx context.Context, partition string, rec arrow.Record, rows []int) error {
	for some := range slices.Chunk(rows, AtOnce(rec)) {
		data, err := w.Layout.Encode(rec, some)
		if err != nil {
			return err
		}
		err = w.again(ctx, "Upsert", func(ctx context.Context) error {
			if w.AutoIDs {
				return w.replace(ctx, partition, columns.KeysOf(rec, w.Layout.KeyName()), some, data)
			}
			return w.Rows.Upsert(ctx, w.Collection, partition, data, len(some))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// replace deletes the rows of a batch that have the keys of some of its rows, and inserts these. The server orders the two by time, and the
// insert is made once the delete was answered, so that no row is deleted that it brings. Both are made again where one of them failed: an
// insert that got no answer may have been heard. A context that ends between the two leaves time for the second.
func (w *Writer) replace(ctx context.Context, partition string, keys []model.Key, some []int, data []*schemapb.FieldData) error {
	ctx, cancel := answered(ctx)
	defer cancel()
	old := make([]model.Key, len(some))
	for i, row := range some {
		old[i] = keys[row]
	}
	for few := range slices.Chunk(old, mostDeleted) {
		if err := w.Rows.Delete(ctx, w.Collection, partition, w.Key.In(few)); err != nil {
			return err
		}
	}
	if err := w.may(ctx); err != nil { // a process that was stopped meanwhile brings no row late
		return err
	}
	return w.Rows.Insert(ctx, w.Collection, partition, data, len(some))
}

// ErrUnanswered: a call that adds rows broke off, and nothing tells whether it was heard.
var ErrUnanswered = errors.New("nothing tells whether the rows were added")

// InsertAll adds rows of a batch, in as many calls as it takes. Each is as Insert.
func (w *Writer) InsertAll(ctx context.Context, partition string, rec arrow.Record, rows []int) error {
	for some := range slices.Chunk(rows, AtOnce(rec)) {
		if err := w.Insert(ctx, partition, rec, some); err != nil {
			return err
		}
	}
	return nil
}

// Insert adds rows of a batch, so few that one call takes them, beside all that are there. The call is made again only where the server
// says that it did nothing of it. ErrUnanswered where it may have been heard.
func (w *Writer) Insert(ctx context.Context, partition string, rec arrow.Record, rows []int) error {
	data, err := w.Layout.Encode(rec, rows)
	if err != nil {
		return err
	}
	return w.again(ctx, "Insert", func(ctx context.Context) error {
		ctx, cancel := answered(ctx)
		defer cancel()
		err := w.Rows.Insert(ctx, w.Collection, partition, data, len(rows))
		if err != nil && !milvus.NotTaken(err) {
			return fmt.Errorf("%w: %v", ErrUnanswered, err) // which can't pass, whatever came of the call
		}
		return err
	})
}

// answerTime is how long the answer to a call that adds rows is waited for after its context's end.
const answerTime = 800 * time.Millisecond

// answered is a context that ends that much later.
func answered(ctx context.Context) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(answerTime, cancel) })
	return later, func() { stop(); cancel() }
}

// Delete deletes the rows of some keys.
func (w *Writer) Delete(ctx context.Context, partition string, keys []model.Key) error {
	for some := range slices.Chunk(keys, mostDeleted) {
		filter := w.Key.In(some)
		err := w.again(ctx, "Delete", func(ctx context.Context) error { return w.Rows.Delete(ctx, w.Collection, partition, filter) })
		if err != nil {
			return err
		}
	}
	return nil
}

// again asks for leave before each call.
func (w *Writer) again(ctx context.Context, method string, call func(context.Context) error) error {
	try := func() error {
		if err := w.may(ctx); err != nil {
			return err
		}
		if w.Within == 0 {
			return call(ctx)
		}
		bound, cancel := context.WithTimeout(ctx, w.Within)
		defer cancel()
		return call(bound)
	}
	if w.Again == nil {
		return try()
	}
	return w.Again(ctx, method, try)
}

func (w *Writer) may(ctx context.Context) error {
	if w.May == nil {
		return nil
	}
	return w.May(ctx)
}
