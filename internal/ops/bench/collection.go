package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/milvus"
	"migrate/internal/model"
)

const (
	keyField    = "id"
	vectorField = "vector"
	shards      = 2
)

// Metric is how the collections of a test measure distance.
const Metric = "L2"

// Name is a collection's name that nobody else has.
func CollectionName() string { return "migrate_bench_" + strings.ToLower(rand.Text()[:12]) }

// An Index is a kind of index, and how widely a search looks around in it.
type Index struct {
	Type   string // HNSW, IVF_FLAT or FLAT
	NProbe int    // of IVF_FLAT: clusters that a search looks into
	EF     int    // of HNSW: candidates that a search keeps
}

// build are the parameters that the index is built with.
func (x Index) build() (string, error) {
	switch x.Type {
	case "HNSW":
		return `{"M":16,"efConstruction":200}`, nil
	case "IVF_FLAT":
		return `{"nlist":1024}`, nil
	case "FLAT":
		return `{}`, nil
	}
	return "", fmt.Errorf("%w: index %q is not HNSW, IVF_FLAT or FLAT", ErrPlan, x.Type)
}

// search are the parameters that a search gives.
func (x Index) search() string {
	switch x.Type {
	case "HNSW":
		return fmt.Sprintf(`{"ef":%d}`, x.EF)
	case "IVF_FLAT":
		return fmt.Sprintf(`{"nprobe":%d}`, x.NProbe)
	}
	return `{}`
}

// Create makes a collection of vectors of so many dimensions, without an index.
func Create(ctx context.Context, server *milvus.Server, name string, dim int) error {
	return server.Create(ctx, &model.Collection{
		Name: name, Shards: shards, ConsistencyLevel: commonpb.ConsistencyLevel_Bounded,
		Schema: &schemapb.CollectionSchema{Fields: []*schemapb.FieldSchema{
			{Name: keyField, DataType: schemapb.DataType_Int64, IsPrimaryKey: true},
			{Name: vectorField, DataType: schemapb.DataType_FloatVector, TypeParams: []*commonpb.KeyValuePair{
				{Key: "dim", Value: strconv.Itoa(dim)},
			}},
		}},
	})
}

// stall is how long an index may make no progress.
const stall = 10 * time.Minute

// MakeSearchable builds the index, and loads the collection.
func MakeSearchable(ctx context.Context, server *milvus.Server, name string, x Index) error {
	params, err := x.build()
	if err != nil {
		return err
	}
	index := model.Index{Name: vectorField, Field: vectorField, Params: []*commonpb.KeyValuePair{
		{Key: "index_type", Value: x.Type}, {Key: "metric_type", Value: Metric}, {Key: "params", Value: params},
	}}
	if err := server.CreateIndex(ctx, name, index); err != nil {
		return err
	}
	built, err := server.WaitIndexes(ctx, name, stall, func(milvus.IndexProgress) {})
	if err != nil {
		return err
	}
	if len(built.Unfinished) > 0 {
		return fmt.Errorf("building the index of %q on %s: no row more within %v", name, server.Address, stall)
	}
	return server.Load(ctx, name)
}

// Width is how widely a search looks around, in the terms of the type.
func (x Index) Width() int {
	switch x.Type {
	case "HNSW":
		return x.EF
	case "IVF_FLAT":
		return x.NProbe
	}
	return 0
}
