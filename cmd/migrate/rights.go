package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/exporter"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// rights are what was found out about those of a user on one side, by calls that need them.
type rights struct {
	side    string
	found   []finding
	allowed []string
}

// try makes a call that needs a right. Servers look at rights first, so that a call which is refused for another reason shows the
// right too: that one is told only where nothing failed before that it may come of.
func (r *rights) try(ctx context.Context, right string, call func(context.Context) error) (done bool) {
	err := call(ctx)
	if errors.Is(err, milvus.ErrPrivilege) || err != nil && (len(r.found) == 0 || !refused(err)) {
		r.found = append(r.found, finding{r.side + " right " + right, explain(err), true})
		return false
	}
	r.allowed = append(r.allowed, right)
	return err == nil
}

// refused reports whether an error is the answer of a server.
func refused(err error) bool {
	return errors.As(err, new(*milvus.StatusError)) || errors.Is(err, milvus.ErrNotFound)
}

func (r *rights) findings() []finding {
	if len(r.allowed) == 0 {
		return r.found
	}
	return append(r.found, finding{r.side + " rights", strings.Join(r.allowed, ", "), false})
}

// trySource looks whether the collection can be read, and by this user.
func (c config) trySource(ctx context.Context, conn *milvus.Server) []finding {
	if c.Collection == "" {
		return []finding{{"source rights", "not tried: --collection names none", false}}
	}
	r := &rights{side: "source"}
	if err := exporter.Check(ctx, conn, c.Collection); err != nil {
		r.found = append(r.found, finding{"source collection", explain(err), true})
	}
	at := place{conn, c.Collection}
	r.tryDescribe(ctx, at)
	r.try(ctx, "Query", at.count)
	r.try(ctx, "Flush", at.flush)
	r.try(ctx, "GetFlushState", at.flushState)
	r.try(ctx, "GetStatistics", at.statistics)
	return r.findings()
}

// rightsTimeout bounds what is tried on a target: a collection of one row is loaded within seconds.
const rightsTimeout = 2 * time.Minute

// tryTarget makes a collection of one row under the name that the moved one is to have, since rights may be granted by that name,
// and removes it. One that is there is left alone.
func (c config) tryTarget(ctx context.Context, conn *milvus.Server) []finding {
	const what = "target rights"
	at := place{conn, cmp.Or(c.As, c.Collection)}
	if at.name == "" {
		return []finding{{what, "not tried: --collection names none", false}}
	}
	there, err := conn.Exists(ctx, at.name)
	if err != nil {
		return []finding{{what, explain(err), true}}
	}
	if there {
		return []finding{{what, fmt.Sprintf("not tried: collection %q is there, and is left alone; --as names another", at.name), false}}
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
		r.found = append(r.found, finding{r.side + " right CreateCollection", "not tried: what is made could not be removed", false})
		r.tryPlace(trying, at)
		return
	}
	probe := tiny(at.name)
	r.try(trying, "CreateCollection", func(ctx context.Context) error { return at.conn.Create(ctx, probe) })
	r.tryPlace(trying, at)
	if err := at.dropOwn(ctx, probe); err != nil {
		r.found = append(r.found, finding{r.side + " right DropCollection", fmt.Sprintf("the collection %q that was made to try rights stays, drop it: %s", at.name, explain(err)), true})
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
	r.try(ctx, "Flush", at.flush)
	r.try(ctx, "GetFlushState", at.flushState)
	r.try(ctx, "GetStatistics", at.statistics)
	if at.conn.Capabilities().GRPCImport { // by REST the list of jobs needs it, which was asked for already
		r.try(ctx, "Import", at.importNothing)
	}
	r.try(ctx, "Release", func(ctx context.Context) error { return at.conn.Release(ctx, at.name) })
}

// tryDescribe makes the calls of a description one by one: a refusal for another reason shows the right to one call only.
func (r *rights) tryDescribe(ctx context.Context, at place) {
	r.try(ctx, "DescribeCollection", at.describe)
	r.try(ctx, "ShowPartitions", at.partitions)
	r.try(ctx, "IndexDetail", at.indexes)
	r.try(ctx, "GetLoadState", at.loadState)
}

// place is where calls are tried: a collection of one name, be it there or not.
type place struct {
	conn *milvus.Server
	name string
}

func (p place) describe(ctx context.Context) error {
	_, err := p.conn.Service().DescribeCollection(ctx, &milvuspb.DescribeCollectionRequest{DbName: p.conn.Database(), CollectionName: p.name})
	return err
}

func (p place) partitions(ctx context.Context) error {
	_, err := p.conn.Service().ShowPartitions(ctx, &milvuspb.ShowPartitionsRequest{DbName: p.conn.Database(), CollectionName: p.name})
	return err
}

func (p place) indexes(ctx context.Context) error {
	_, err := p.conn.Indexes(ctx, p.name)
	return err
}

func (p place) loadState(ctx context.Context) error {
	_, err := p.conn.Service().GetLoadState(ctx, &milvuspb.GetLoadStateRequest{DbName: p.conn.Database(), CollectionName: p.name})
	return err
}

// load asks first, without a look at how things are, which would need other rights.
func (p place) load(ctx context.Context) error {
	if _, err := p.conn.Service().LoadCollection(ctx, &milvuspb.LoadCollectionRequest{DbName: p.conn.Database(), CollectionName: p.name}); err != nil {
		return err
	}
	return p.conn.Load(ctx, p.name)
}

// count counts the rows without a filter. That a collection is not loaded is told of it otherwise.
func (p place) count(ctx context.Context) error {
	_, err := p.conn.Service().Query(ctx, &milvuspb.QueryRequest{DbName: p.conn.Database(), CollectionName: p.name, OutputFields: []string{"count(*)"}})
	if errors.Is(err, milvus.ErrNotLoaded) {
		return nil
	}
	return err
}

func (p place) flush(ctx context.Context) error {
	_, err := p.conn.Service().Flush(ctx, &milvuspb.FlushRequest{DbName: p.conn.Database(), CollectionNames: []string{p.name}})
	return err
}

func (p place) flushState(ctx context.Context) error {
	_, err := p.conn.Service().GetFlushState(ctx, &milvuspb.GetFlushStateRequest{DbName: p.conn.Database(), CollectionName: p.name})
	return err
}

func (p place) statistics(ctx context.Context) error {
	_, err := p.conn.Service().GetCollectionStatistics(ctx, &milvuspb.GetCollectionStatisticsRequest{DbName: p.conn.Database(), CollectionName: p.name})
	return err
}

func (p place) createPartition(ctx context.Context) error {
	_, err := p.conn.Service().CreatePartition(ctx, &milvuspb.CreatePartitionRequest{DbName: p.conn.Database(), CollectionName: p.name, PartitionName: "doctor"})
	return err
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

// importNothing asks for the import of no file, which a server refuses to whom it would let import, and keeps no job of.
func (p place) importNothing(ctx context.Context) error {
	_, err := p.conn.Service().Import(ctx, &milvuspb.ImportRequest{DbName: p.conn.Database(), CollectionName: p.name})
	if errors.Is(err, milvus.ErrPrivilege) || !refused(err) {
		return err
	}
	return nil
}

func (p place) drop(ctx context.Context) error { return p.conn.Drop(ctx, p.name) }

const dropTimeout = 30 * time.Second

// dropOwn removes what was made, also where the context has ended: by its description it is told from what somebody else may have
// made meanwhile.
func (p place) dropOwn(ctx context.Context, probe *model.Collection) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
	defer cancel()
	have, err := p.conn.Service().DescribeCollection(ctx, &milvuspb.DescribeCollectionRequest{DbName: p.conn.Database(), CollectionName: p.name})
	switch {
	case errors.Is(err, milvus.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("looking for %q on %s: %w", p.name, p.conn.Address, err)
	case have.GetSchema().GetDescription() != probe.Schema.GetDescription():
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
