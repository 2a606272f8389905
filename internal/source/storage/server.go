// Package storage reads a collection from the storage of its server: from the logs that Milvus up to 2.5 keeps its rows and deletes in. All
// rows are those of one instant, the collection need not be loaded, and the server does next to nothing for it.
//
// Nothing is believed that was not held against something else: the rows of each segment's logs against what the server says of it, the
// columns against each other, the whole against count(*) where nobody wrote meanwhile. What does not add up is refused by name.
package storage

import (
	"context"
	"errors"

	"migrate/internal/milvus"
	"migrate/internal/model"
)

// Errors that a caller decides on.
var (
	// ErrUnsupported: it can't be read from the storage of such a server.
	ErrUnsupported = errors.New("it can't be read from the storage")
	// ErrContradiction: what lies in the storage is not what the server says.
	ErrContradiction = errors.New("the storage does not hold what the server says")
	// ErrLostDeletes: the server compacted segments while deletes were written, and lost some of them.
	ErrLostDeletes = errors.New("the server lost deletes in a compaction")
	// ErrElsewhere: a collection that has rows has none of them in the storage.
	ErrElsewhere = errors.New("no row of it lies in the storage")
	// ErrBusy: something is under way on the server that has to end first.
	ErrBusy = errors.New("the server is at work on the collection")
)

// Server is what of a Milvus tells what its storage holds.
type Server interface {
	Capabilities() model.Capabilities
	Version() string
	Now(ctx context.Context) (uint64, error)
	CountAsOf(ctx context.Context, collection string, asOf uint64) (int64, error)
	FlushAt(ctx context.Context, collection string) (milvus.Flushed, error)
	PersistentSegments(ctx context.Context, collection string) ([]milvus.Segment, error)
	PartitionIDs(ctx context.Context, collection string) (map[int64]string, error)
	SegmentLogs(ctx context.Context, collection int64, segments []int64) (map[int64]milvus.SegmentLogs, error)
	Importing(ctx context.Context, collection string) (bool, error)
}
