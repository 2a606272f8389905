package move

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/exporter"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// rights are what was found out about those of a user on one side, by calls that need them.
type rights struct {
	side    string
	found   []Finding
	allowed []string
}

// try makes a call that needs a right. Servers look at rights first, so that a call which is refused for another reason shows the
// right too: that one is told only where nothing failed before that it may come of.
func (r *rights) try(ctx context.Context, right string, call func(context.Context) error) (done bool) {
	err := call(ctx)
	if errors.Is(err, milvus.ErrPrivilege) || err != nil && (len(r.found) == 0 || !milvus.Refused(err)) {
		r.found = append(r.found, broken(r.side+" right "+right, err))
		return false
	}
	r.allowed = append(r.allowed, right)
	return err == nil
}

func (r *rights) findings() []Finding {
	if len(r.allowed) == 0 {
		return r.found
	}
	return append(r.found, fine(r.side+" rights", strings.Join(r.allowed, ", ")))
}

// trySource looks whether the collection can be read, and by this user.
func (d Doctor) trySource(ctx context.Context, conn *milvus.Server) []Finding {
	if d.Collection == "" {
		return []Finding{fine("source rights", "not tried: --collection names none")}
	}
	r := &rights{side: "source"}
	if err := exporter.Check(ctx, conn, d.Collection); err != nil {
		r.found = append(r.found, broken("source collection", err))
	}
	if !conn.Capabilities().Users {
		return append(r.found, fine("source rights", noUsers))
	}
	at := place{conn, d.Collection}
	r.tryDescribe(ctx, at)
	r.try(ctx, "Query", at.count)
	r.try(ctx, "Flush", at.probe().Flush)
	r.try(ctx, "GetFlushState", at.probe().FlushState)
	r.try(ctx, "GetStatistics", at.probe().Statistics)
	return r.findings()
}

const noUsers = "not tried: it knows no users"

// rightsTimeout bounds what is tried on a target: a collection of one row is loaded within seconds.
const rightsTimeout = 2 * time.Minute

// tryTarget makes a collection of one row under the name that the moved one is to have, since rights may be granted by that name,
// and removes it. One that is there is left alone.
func (d Doctor) tryTarget(ctx context.Context, conn *milvus.Server) []Finding {
	const what = "target rights"
	at := place{conn, cmp.Or(d.As, d.Collection)}
	if at.name == "" {
		return []Finding{fine(what, "not tried: --collection names none")}
	}
	if !conn.Capabilities().Users {
		return []Finding{fine(what, noUsers)}
	}
	there, err := conn.Exists(ctx, at.name)
	if err != nil {
		return []Finding{broken(what, err)}
	}
	if there {
		return []Finding{fine(what, fmt.Sprintf("not tried: collection %q is there, and is left alone; --as names another", at.name))}
	}
	r := &rights{side: "target"}
	r.tryAll(ctx, at)
	return r.findings()
}

// tryAll begins with the right to drop, on a name that nobody has: what could not be removed is not made. All others can be tried on
// a collection that is not there.
func (r *rights) tryAll(ctx context.Context, at place) {
	trying, cancel := context.WithTimeout(ctx, rightsTimeout)
	defer cancel()
	nobody := place{at.conn, "doctor_" + rand.Text()}
	if !r.try(trying, "DropCollection", nobody.drop) {
		r.found = append(r.found, fine(r.side+" right CreateCollection", "not tried: what is made could not be removed"))
		r.tryPlace(trying, at)
		return
	}
	probe := tiny(at.name)
	r.try(trying, "CreateCollection", func(ctx context.Context) error { return at.conn.Create(ctx, probe) })
	r.tryPlace(trying, at)
	if err := at.dropOwn(ctx, probe); err != nil {
		r.found = append(r.found, broken(r.side+" right DropCollection", fmt.Errorf("the collection %q that was made to try rights stays, drop it: %w", at.name, err)))
	}
}

// tryPlace makes the calls of import and sync, in an order in which they succeed.
func (r *rights) tryPlace(ctx context.Context, at place) {
	r.try(ctx, "CreatePartition", at.createPartition)
	r.try(ctx, "CreateIndex", at.createIndex)
	r.tryDescribe(ctx, at)
	r.try(ctx, "Load", at.load)
	r.try(ctx, "Upsert", at.upsert)
	r.try(ctx, "Query", at.count)
	r.try(ctx, "Delete", func(ctx context.Context) error { return at.conn.Delete(ctx, at.name, "", "id in [1]") })
	r.try(ctx, "Flush", at.probe().Flush)
	r.try(ctx, "GetFlushState", at.probe().FlushState)
	r.try(ctx, "GetStatistics", at.probe().Statistics)
	if at.conn.Capabilities().GRPCImport { // by REST the list of jobs needs it, which was asked for already
		r.try(ctx, "Import", at.probe().Import)
	}
	r.try(ctx, "Release", func(ctx context.Context) error { return at.conn.Release(ctx, at.name) })
}

// tryDescribe makes the calls of a description one by one: a refusal for another reason shows the right to one call only.
func (r *rights) tryDescribe(ctx context.Context, at place) {
	r.try(ctx, "DescribeCollection", at.describe)
	r.try(ctx, "ShowPartitions", at.probe().Partitions)
	r.try(ctx, "IndexDetail", at.indexes)
	r.try(ctx, "GetLoadState", at.probe().LoadState)
}

// place is where calls are tried: a collection of one name, be it there or not.
type place struct {
	conn *milvus.Server
	name string
}

func (p place) probe() milvus.Probe { return milvus.Probe{Server: p.conn, Collection: p.name} }

func (p place) describe(ctx context.Context) error {
	_, err := p.probe().Schema(ctx)
	return err
}

func (p place) indexes(ctx context.Context) error {
	_, err := p.conn.Indexes(ctx, p.name)
	return err
}

// load asks first, without a look at how things are, which would need other rights.
func (p place) load(ctx context.Context) error {
	if err := p.probe().Load(ctx); err != nil {
		return err
	}
	return p.conn.Load(ctx, p.name)
}

// count counts the rows. That a collection is not loaded is told of it otherwise.
func (p place) count(ctx context.Context) error {
	err := p.probe().Count(ctx)
	if errors.Is(err, milvus.ErrNotLoaded) {
		return nil
	}
	return err
}

func (p place) createPartition(ctx context.Context) error {
	return p.probe().CreatePartition(ctx, "doctor")
}

func (p place) createIndex(ctx context.Context) error {
	flat := []*commonpb.KeyValuePair{{Key: "index_type", Value: "FLAT"}, {Key: "metric_type", Value: "L2"}}
	return p.conn.CreateIndex(ctx, p.name, model.Index{Name: "v", Field: "v", Params: flat})
}

func (p place) upsert(ctx context.Context) error {
	return p.conn.Upsert(ctx, p.name, "", []*schemapb.FieldData{
		{Type: schemapb.DataType_Int64, FieldName: "id", Field: &schemapb.FieldData_Scalars{Scalars: &schemapb.ScalarField{
			Data: &schemapb.ScalarField_LongData{LongData: &schemapb.LongArray{Data: []int64{1}}},
		}}},
		{Type: schemapb.DataType_FloatVector, FieldName: "v", Field: &schemapb.FieldData_Vectors{Vectors: &schemapb.VectorField{
			Dim: 2, Data: &schemapb.VectorField_FloatVector{FloatVector: &schemapb.FloatArray{Data: []float32{1, 0}}},
		}}},
	}, 1)
}

func (p place) drop(ctx context.Context) error { return p.conn.Drop(ctx, p.name) }

const dropTimeout = 30 * time.Second

// dropOwn removes what was made, also where the context has ended: by its description it is told from what somebody else may have
// made meanwhile.
func (p place) dropOwn(ctx context.Context, probe *model.Collection) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
	defer cancel()
	have, err := p.probe().Schema(ctx)
	switch {
	case errors.Is(err, milvus.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("looking for %q on %s: %w", p.name, p.conn.Address, err)
	case have.GetDescription() != probe.Schema.GetDescription():
		return nil
	}
	return p.drop(ctx)
}

// tiny is a collection to try rights with, of a description that no other has.
func tiny(name string) *model.Collection {
	return &model.Collection{Name: name, Shards: 1, Schema: &schemapb.CollectionSchema{
		Name: name, Description: "made by migrate doctor to try rights, " + rand.Text(),
		Fields: []*schemapb.FieldSchema{
			{Name: "id", DataType: schemapb.DataType_Int64, IsPrimaryKey: true},
			{Name: "v", DataType: schemapb.DataType_FloatVector, TypeParams: []*commonpb.KeyValuePair{{Key: "dim", Value: "2"}}},
		},
	}}
}
