package importer

import (
	"context"
	"errors"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/checkpoint"
	"migrate/internal/export"
	"migrate/internal/model"
)

// Way is how rows come into a target.
type Way string

// The ways.
const (
	Bulk   Way = "bulk"   // files that lie in its own bucket, which it imports
	Insert Way = "insert" // upserts, or inserts into a collection with auto ids
)

// named is a way in the parameters of a job.
func (w Way) named() Way {
	if w == Bulk {
		return ""
	}
	return w
}

// way is one of them at work. Chunks are cut, and what is kept of one is read, by it alone.
type way interface {
	// fits refuses a server that takes no such rows so, by what is known of it.
	fits() error
	// open refuses one that does not answer as it would have to.
	open(ctx context.Context) error
	// planned are the chunks that bring some parts.
	planned(ctx context.Context, parts []export.Part) ([]checkpoint.Planned, error)
	// left are the parts of which rows are still to come.
	left() ([]export.Part, error)
	// begin puts in order what owners of the job before this one have left.
	begin(ctx context.Context) error
	// work brings the rows of all chunks that are not finished.
	work(ctx context.Context, claims checkpoint.Claims) error
	// forget does away with what was begun for a collection that is gone.
	forget(ctx context.Context) error
}

// choose takes the way that is asked for, or the best that there is.
func (im *importing) choose(staged bool) {
	if im.opts.Via == "" {
		im.opts.Via = Insert
		if staged {
			im.opts.Via = best(im.server.Capabilities(), im.target, im.opts.NewKeys || im.otherKeys)
		}
	}
	if im.opts.Via == Insert {
		im.way = &inserts{importing: im}
		return
	}
	im.way = &bulk{importing: im, dialect: im.opts.Dialect}
}

// best is the way by which rows best come into a collection, as it is to be on a server: by bulk insert, unless that loses keys which
// inserts keep, or gives none.
func best(can model.Capabilities, wanted *model.Collection, newKeys bool) Way {
	switch {
	case !can.BulkInserts():
		return Insert
	case !model.AutoID(wanted.Schema):
		return Bulk
	case !newKeys && can.KeepsKeys(wanted):
		if can.ImportsAutoIDs {
			return Bulk
		}
		return Insert
	case bulkGivesKeys(can, wanted.Schema):
		return Bulk
	}
	return Insert
}

// bulkGivesKeys reports whether a bulk insert gives keys of the type that the schema says.
func bulkGivesKeys(can model.Capabilities, schema *schemapb.CollectionSchema) bool {
	return can.GivesTexts || model.PrimaryKey(schema).GetDataType() == schemapb.DataType_Int64
}

// onStaging has a bulk insert use the store that the target reads. Its checkpoint lies there.
func (im *importing) onStaging(staging Staging) error {
	way, ok := im.way.(*bulk)
	switch {
	case !ok:
		return nil
	case staging == nil:
		return errors.New("bulk insert reads what is staged in the target's bucket, and no staging store is given")
	}
	im.jobs, way.staging = staging, staging
	return nil
}
