package source

import (
	"context"
	"encoding/json"
	"errors"
	"iter"

	"migrate/internal/model"
)

// ErrUntold: what changed can't be told exactly.
var ErrUntold = errors.New("what changed can't be told exactly")

// Changes tells which keys of a collection were written, deleted ones too, without comparing rows.
type Changes interface {
	// Changes tells what changed since a position that it gave before, until now. Where there is none it tells nothing, and begins. ErrUntold
	// where it can't be told; then it begins anew without a position.
	Changes(ctx context.Context, since json.RawMessage) (Changed, error)
	// Same reports, without a flush, whether the source lists just what it did at a position. What was written since and is not listed yet, and
	// deletes, are not seen by it.
	Same(ctx context.Context, since json.RawMessage) (bool, error)
	// Forget removes what was stored for other positions than one.
	Forget(ctx context.Context, keep json.RawMessage) error
}

// Changed is what has changed.
type Changed struct {
	// Keys are those of which the newest row is another one, or none any more, by partitions and then in order; each is there once. They can
	// be gone through several times. A key that is kept has to be cloned.
	Keys iter.Seq2[Change, error]
	Next json.RawMessage // since it
}

// Change is a key whose row is another one.
type Change struct {
	Partition string
	Key       model.Key
	Gone      bool // there is no row any more
}

// ChangesOpener opens what tells the changes of a collection.
type ChangesOpener func(ctx context.Context, coll *model.Collection) (Changes, error)
