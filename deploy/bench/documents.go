package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"github.com/milvus-io/milvus-sdk-go/v2/entity"
)

const (
	collection = "bench_documents"
	dim        = 384
	batch      = 5_000
)

// fields are the collection's columns; any other key of a row is dynamic.
var fields = []string{"id", "text", "embedding", "source", "metadata", "pages"}

func describe(rows, shards int) string {
	return fmt.Sprintf("%d rows x (%s and dynamic keys; embedding of %d dimensions) in %d shards",
		rows, strings.Join(fields, ", "), dim, shards)
}

// prepare makes sure that the collection is there, whole, indexed and loaded, and returns the server's version. The
// documents are the same each time.
func prepare(ctx context.Context, address string, rows, shards int) (version string, err error) {
	c, err := client.NewClient(ctx, client.Config{Address: address})
	if err != nil {
		return "", fmt.Errorf("connecting to %s, the lab's standalone (start it with make lab-up): %w", address, err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	whole, err := isWhole(ctx, c, rows, shards)
	if err != nil {
		return "", err
	}
	if !whole {
		fmt.Printf("filling %s on %s\n", collection, address)
		if err := remake(ctx, c, rows, shards); err != nil {
			return "", fmt.Errorf("filling %s: %w", collection, err)
		}
	}
	return c.GetVersion(ctx)
}

func isWhole(ctx context.Context, c client.Client, rows, shards int) (bool, error) {
	there, err := c.HasCollection(ctx, collection)
	if err != nil || !there {
		return false, err
	}
	have, err := c.DescribeCollection(ctx, collection)
	if err != nil || have.ShardNum != int32(shards) {
		return false, err
	}
	indexes, err := c.DescribeIndex(ctx, collection, "embedding")
	if err != nil || len(indexes) == 0 {
		return false, nil // a run that was ended before it had made the index
	}
	if err := c.LoadCollection(ctx, collection, false); err != nil {
		return false, fmt.Errorf("loading %s: %w", collection, err)
	}
	n, err := count(ctx, c)
	return n == int64(rows), err
}

func count(ctx context.Context, c client.Client) (int64, error) {
	found, err := c.Query(ctx, collection, nil, "", []string{"count(*)"}, client.WithSearchQueryConsistencyLevel(entity.ClStrong))
	if err != nil {
		return 0, fmt.Errorf("counting the rows of %s: %w", collection, err)
	}
	return found.GetColumn("count(*)").GetAsInt64(0)
}

// remake drops the collection and makes it again, with the SDK's default consistency: strong reads would hold the peers
// up at each page.
func remake(ctx context.Context, c client.Client, rows, shards int) error {
	if err := recreate(ctx, c, shards); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(20_260_101, 1))
	for from := 0; from < rows; from += batch {
		if _, err := c.Insert(ctx, collection, "", columns(random, from, min(batch, rows-from))...); err != nil {
			return fmt.Errorf("inserting from row %d: %w", from, err)
		}
	}
	if err := c.Flush(ctx, collection, false); err != nil {
		return err
	}
	flat, err := entity.NewIndexFlat(entity.L2)
	if err != nil {
		return err
	}
	if err := c.CreateIndex(ctx, collection, "embedding", flat, false); err != nil {
		return err
	}
	return c.LoadCollection(ctx, collection, false)
}

func recreate(ctx context.Context, c client.Client, shards int) error {
	there, err := c.HasCollection(ctx, collection)
	if err != nil {
		return err
	}
	if there {
		if err := c.DropCollection(ctx, collection); err != nil {
			return err
		}
	}
	schema := entity.NewSchema().WithName(collection).WithDynamicFieldEnabled(true).
		WithField(entity.NewField().WithName("id").WithDataType(entity.FieldTypeInt64).WithIsPrimaryKey(true)).
		WithField(entity.NewField().WithName("text").WithDataType(entity.FieldTypeVarChar).WithMaxLength(4096)).
		WithField(entity.NewField().WithName("embedding").WithDataType(entity.FieldTypeFloatVector).WithDim(dim)).
		WithField(entity.NewField().WithName("source").WithDataType(entity.FieldTypeVarChar).WithMaxLength(256)).
		WithField(entity.NewField().WithName("metadata").WithDataType(entity.FieldTypeJSON)).
		WithField(entity.NewField().WithName("pages").WithDataType(entity.FieldTypeArray).
			WithElementType(entity.FieldTypeInt32).WithMaxCapacity(16))
	return c.CreateCollection(ctx, schema, int32(shards))
}

// columns are some documents; the last two columns are dynamic.
func columns(random *rand.Rand, from, n int) []entity.Column {
	ids, chunks := make([]int64, n), make([]int64, n)
	texts, sources, langs := make([]string, n), make([]string, n), make([]string, n)
	vectors, metadata, pages := make([][]float32, n), make([][]byte, n), make([][]int32, n)
	for i := range n {
		id := from + i
		ids[i], chunks[i] = int64(id), int64(id%8)
		texts[i], sources[i] = text(random), fmt.Sprintf("wiki/page-%05d.md", id/8)
		langs[i] = []string{"en", "de", "fr"}[id%3]
		vectors[i], pages[i] = unit(random), someInts(random)
		metadata[i] = fmt.Appendf(nil, `{"chunk": %d, "score": %.4f, "tags": ["t%d", "rag"]}`, id%8, random.Float64(), id%64)
	}
	return []entity.Column{
		entity.NewColumnInt64("id", ids), entity.NewColumnVarChar("text", texts),
		entity.NewColumnFloatVector("embedding", dim, vectors), entity.NewColumnVarChar("source", sources),
		entity.NewColumnJSONBytes("metadata", metadata), entity.NewColumnInt32Array("pages", pages),
		entity.NewColumnInt64("chunk", chunks), entity.NewColumnVarChar("lang", langs),
	}
}

var words = strings.Fields(`vector index shard segment query node cluster latency recall embedding document chunk answer
	question retrieval context token model storage bucket snapshot migration standalone distributed replica proxy`)

func text(random *rand.Rand) string {
	some := make([]string, 20+random.IntN(60))
	for i := range some {
		some[i] = words[random.IntN(len(words))]
	}
	return strings.Join(some, " ")
}

func someInts(random *rand.Rand) []int32 {
	ints := make([]int32, random.IntN(9))
	for i := range ints {
		ints[i] = random.Int32N(1000)
	}
	return ints
}

// unit is a random vector of length 1.
func unit(random *rand.Rand) []float32 {
	v, norm := make([]float32, dim), 0.0
	for i := range v {
		v[i] = float32(random.NormFloat64())
		norm += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(norm))
	}
	return v
}
