package storage

import (
	"context"
	"fmt"

	"migrate/internal/model"
	"migrate/sinks"
)

// Holds refuses a storage in which nothing lies of a collection that has rows: ErrElsewhere. It is that of another server, or another folder
// of it. A collection none of whose rows is stored yet is flushed to find out.
func Holds(ctx context.Context, server Server, bucket sinks.Sink, coll *model.Collection) error {
	prefix := fmt.Sprintf("insert_log/%d/", coll.ID)
	rows, err := storedRows(ctx, server, coll.Name)
	if err != nil {
		return err
	}
	if rows == 0 {
		if _, err := server.FlushAt(ctx, coll.Name); err != nil {
			return err
		}
		if rows, err = storedRows(ctx, server, coll.Name); err != nil || rows == 0 {
			return err
		}
	}
	for _, err := range bucket.List(ctx, prefix) {
		if err != nil {
			return fmt.Errorf("looking for the logs of %q: %w", coll.Name, err)
		}
		return nil
	}
	return fmt.Errorf("collection %q: %w: the server says that it has %d rows, and %s is not there", coll.Name, ErrElsewhere, rows, bucket.URL(prefix))
}

// storedRows is how many rows the server says are in the storage, of the partitions that are there, deleted ones included.
func storedRows(ctx context.Context, server Server, collection string) (rows int64, err error) {
	partitions, err := server.PartitionIDs(ctx, collection)
	if err != nil {
		return 0, err
	}
	all, err := server.PersistentSegments(ctx, collection)
	for _, g := range all {
		if _, there := partitions[g.Partition]; there && g.Flushed {
			rows += g.Rows
		}
	}
	return rows, err
}
