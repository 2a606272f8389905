package milvus

import (
	"context"
	"errors"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// Probe makes single calls on a collection, be it there or not, for their errors, which show what the user has a right to. What
// makes several calls elsewhere is apart here.
type Probe struct {
	Server     *Server
	Collection string
}

// Schema is that of the collection.
func (p Probe) Schema(ctx context.Context) (*schemapb.CollectionSchema, error) {
	resp, err := p.Server.svc.DescribeCollection(ctx, &milvuspb.DescribeCollectionRequest{DbName: p.Server.database, CollectionName: p.Collection})
	return resp.GetSchema(), err
}

// Partitions lists them.
func (p Probe) Partitions(ctx context.Context) error {
	_, err := p.Server.svc.ShowPartitions(ctx, &milvuspb.ShowPartitionsRequest{DbName: p.Server.database, CollectionName: p.Collection})
	return err
}

// CreatePartition makes one.
func (p Probe) CreatePartition(ctx context.Context, name string) error {
	_, err := p.Server.svc.CreatePartition(ctx, &milvuspb.CreatePartitionRequest{DbName: p.Server.database, CollectionName: p.Collection, PartitionName: name})
	return err
}

// LoadState asks whether it is loaded.
func (p Probe) LoadState(ctx context.Context) error {
	_, err := p.Server.svc.GetLoadState(ctx, &milvuspb.GetLoadStateRequest{DbName: p.Server.database, CollectionName: p.Collection})
	return err
}

// Load begins to load it.
func (p Probe) Load(ctx context.Context) error {
	_, err := p.Server.svc.LoadCollection(ctx, &milvuspb.LoadCollectionRequest{DbName: p.Server.database, CollectionName: p.Collection})
	return err
}

// Count counts its rows without a filter. ErrNotLoaded where it is not loaded.
func (p Probe) Count(ctx context.Context) error {
	_, err := p.Server.svc.Query(ctx, &milvuspb.QueryRequest{DbName: p.Server.database, CollectionName: p.Collection, OutputFields: []string{"count(*)"}})
	return err
}

// Flush begins to seal its rows.
func (p Probe) Flush(ctx context.Context) error {
	_, err := p.Server.svc.Flush(ctx, &milvuspb.FlushRequest{DbName: p.Server.database, CollectionNames: []string{p.Collection}})
	return err
}

// FlushState asks whether they are sealed.
func (p Probe) FlushState(ctx context.Context) error {
	_, err := p.Server.svc.GetFlushState(ctx, &milvuspb.GetFlushStateRequest{DbName: p.Server.database, CollectionName: p.Collection})
	return err
}

// Statistics asks for the rows of its segments.
func (p Probe) Statistics(ctx context.Context) error {
	_, err := p.Server.svc.GetCollectionStatistics(ctx, &milvuspb.GetCollectionStatisticsRequest{DbName: p.Server.database, CollectionName: p.Collection})
	return err
}

// noName is one that no partition, alias or database can have, and no filter.
const noName = "0 no.name"

// CreateCollection asks for a collection without a schema, which a server refuses to whom it would let create.
func (p Probe) CreateCollection(ctx context.Context) error {
	_, err := p.Server.svc.CreateCollection(ctx, &milvuspb.CreateCollectionRequest{DbName: p.Server.database, CollectionName: p.Collection})
	return err
}

// CreateDatabase asks for one of a name that none can have.
func (p Probe) CreateDatabase(ctx context.Context) error {
	_, err := p.Server.svc.CreateDatabase(ctx, &milvuspb.CreateDatabaseRequest{DbName: noName})
	return err
}

// CreateAlias asks for one of a name that none can have.
func (p Probe) CreateAlias(ctx context.Context) error {
	_, err := p.Server.svc.CreateAlias(ctx, &milvuspb.CreateAliasRequest{DbName: p.Server.database, CollectionName: p.Collection, Alias: noName})
	return err
}

// CreateNoPartition asks for one of a name that none can have.
func (p Probe) CreateNoPartition(ctx context.Context) error { return p.CreatePartition(ctx, noName) }

// CreateIndex asks for one on no field.
func (p Probe) CreateIndex(ctx context.Context) error {
	_, err := p.Server.svc.CreateIndex(ctx, &milvuspb.CreateIndexRequest{DbName: p.Server.database, CollectionName: p.Collection})
	return err
}

// LoadNothing asks to load a partition that there can't be.
func (p Probe) LoadNothing(ctx context.Context) error {
	_, err := p.Server.svc.LoadPartitions(ctx, &milvuspb.LoadPartitionsRequest{DbName: p.Server.database, CollectionName: p.Collection, PartitionNames: []string{noName}})
	return err
}

// ReleaseNothing asks to release a partition that there can't be.
func (p Probe) ReleaseNothing(ctx context.Context) error {
	_, err := p.Server.svc.ReleasePartitions(ctx, &milvuspb.ReleasePartitionsRequest{DbName: p.Server.database, CollectionName: p.Collection, PartitionNames: []string{noName}})
	return err
}

// InsertNothing asks to insert no row.
func (p Probe) InsertNothing(ctx context.Context) error {
	_, err := p.Server.svc.Insert(ctx, &milvuspb.InsertRequest{DbName: p.Server.database, CollectionName: p.Collection})
	return err
}

// UpsertNothing asks to upsert no row.
func (p Probe) UpsertNothing(ctx context.Context) error {
	_, err := p.Server.svc.Upsert(ctx, &milvuspb.UpsertRequest{DbName: p.Server.database, CollectionName: p.Collection})
	return err
}

// DeleteNothing asks to delete by what is no filter.
func (p Probe) DeleteNothing(ctx context.Context) error {
	_, err := p.Server.svc.Delete(ctx, &milvuspb.DeleteRequest{DbName: p.Server.database, CollectionName: p.Collection, Expr: noName})
	return err
}

// Import asks for the bulk insert of no file, by an option that a proxy of 2.3 refuses to whom it would let import: before it asks others,
// who take up to 52 seconds to say that there is no such collection.
func (p Probe) Import(ctx context.Context) error {
	_, err := p.Server.svc.Import(ctx, &milvuspb.ImportRequest{
		DbName: p.Server.database, CollectionName: p.Collection, Options: []*commonpb.KeyValuePair{{Key: importsFrom, Value: "no time"}},
	})
	if errors.Is(err, ErrPrivilege) || !Refused(err) {
		return err
	}
	return nil
}

// importsFrom is the option of a bulk insert by which rows before an instant are left out.
const importsFrom = "start_ts"
