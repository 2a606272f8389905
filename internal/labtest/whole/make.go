package whole

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/clock"
	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// maker makes one collection.
type maker struct {
	server Server
	room   *milvus.Server
	is     collection
	number uint64
}

// run makes the collection, its rows and what is around them.
func (m maker) run(ctx context.Context) error {
	if err := m.room.Create(ctx, m.is.model()); err != nil {
		return err
	}
	for _, alias := range m.is.aliases {
		if err := m.room.PointAlias(ctx, alias, m.is.name); err != nil {
			return err
		}
	}
	if err := m.fill(ctx); err != nil {
		return err
	}
	for _, idx := range m.is.indexes {
		if err := m.room.CreateIndex(ctx, m.is.name, idx); err != nil {
			return err
		}
	}
	if err := m.load(ctx); err != nil {
		return err
	}
	return m.change(ctx)
}

// fill inserts the rows, a share into each partition, and flushes them unless they are to stay growing.
func (m maker) fill(ctx context.Context) error {
	rows := m.rows()
	if rows == 0 {
		return nil
	}
	partitions := m.is.filled()
	for i, partition := range partitions {
		from, to := rows*i/len(partitions), rows*(i+1)/len(partitions)
		if err := m.insert(ctx, partition, from, to); err != nil {
			return err
		}
	}
	if m.is.growing {
		return nil
	}
	return m.room.Flush(ctx, m.is.name)
}

// rows are at least the odd ones at the beginning.
func (m maker) rows() int {
	return min(m.is.rows, max(m.is.rows/max(m.server.Scale, 1), 200))
}

const batchBytes = 4 << 20

// insert inserts the rows from one number to another.
func (m maker) insert(ctx context.Context, partition string, from, to int) error {
	step := max(1, min(5000, batchBytes/m.is.rowBytes()))
	for ; from < to; from += step {
		n := min(step, to-from)
		if err := m.room.Insert(ctx, m.is.name, partition, m.batch(from, n), n); err != nil {
			return err
		}
	}
	return nil
}

// batch makes the columns of n rows from a number on.
func (m maker) batch(from, n int) []*schemapb.FieldData {
	var data []*schemapb.FieldData
	for i, f := range m.is.fields {
		if f.GetAutoID() {
			continue
		}
		random := rand.New(rand.NewPCG(m.server.Seed+m.number<<32, uint64(from)<<8|uint64(i)))
		data = append(data, values{f, random, from, n, m.is}.column())
	}
	if m.is.dynamic {
		random := rand.New(rand.NewPCG(m.server.Seed+m.number<<32, uint64(from)<<8|255))
		data = append(data, labtest.Dynamic(labtest.Each(n, func(i int) []byte { return dynamic(random, from+i) })))
	}
	return data
}

// change does what is done to a collection after it was filled: keys that are inserted again, and rows that are deleted.
func (m maker) change(ctx context.Context) error {
	if n := min(m.is.doubled, m.rows()); n > 0 {
		if err := m.insert(ctx, model.DefaultPartition, 0, n); err != nil {
			return err
		}
		if err := m.room.Flush(ctx, m.is.name); err != nil {
			return err
		}
	}
	if m.is.deleted == "" {
		return nil
	}
	return m.room.Delete(ctx, m.is.name, "", m.is.deleted)
}

// load loads the collection, or some of its partitions.
func (m maker) load(ctx context.Context) error {
	if m.is.loaded {
		return m.room.Load(ctx, m.is.name)
	}
	if len(m.is.loadedPartitions) == 0 {
		return nil
	}
	_, err := m.server.Protocol.LoadPartitions(ctx, &milvuspb.LoadPartitionsRequest{
		DbName: m.is.database, CollectionName: m.is.name, PartitionNames: m.is.loadedPartitions, ReplicaNumber: 1,
	})
	if err != nil {
		return err
	}
	asked := &milvuspb.GetLoadStateRequest{DbName: m.is.database, CollectionName: m.is.name, PartitionNames: m.is.loadedPartitions}
	for {
		state, err := m.server.Protocol.GetLoadState(ctx, asked)
		if err != nil {
			return fmt.Errorf("loading partitions: %w", err)
		}
		if state.State == commonpb.LoadState_LoadStateLoaded {
			return nil
		}
		if err := clock.Sleep(ctx, pollEvery); err != nil {
			return err
		}
	}
}
