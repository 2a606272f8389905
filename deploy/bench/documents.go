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

// batch is the rows of an insert.
const batch = 5_000

// documents are a collection to read.
type documents struct {
	collection string
	rows       int // with different keys
	again      int // of these, the first ones, that were inserted twice
	dim        int
	shards     int
}

// fields are the collection's columns; any other key of a row is dynamic.
var fields = []string{"id", "text", "embedding", "source", "metadata", "pages"}

func (d documents) String() string {
	return fmt.Sprintf("%d rows x (%s and dynamic keys; embedding of %d dimensions) in %d shards",
		d.rows, strings.Join(fields, ", "), d.dim, d.shards)
}

// prepare makes sure that the collection is there, whole, indexed and loaded, and returns the server's version. The
// documents are the same each time.
func (d documents) prepare(ctx context.Context, address string) (version string, err error) {
	c, err := client.NewClient(ctx, client.Config{Address: address})
	if err != nil {
		return "", fmt.Errorf("connecting to %s, the lab's standalone (start it with make lab-up): %w", address, err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	whole, err := d.isWhole(ctx, c)
	if err != nil {
		return "", err
	}
	if !whole {
		fmt.Printf("filling %s on %s\n", d.collection, address)
		if err := d.remake(ctx, c); err != nil {
			return "", fmt.Errorf("filling %s: %w", d.collection, err)
		}
	}
	return c.GetVersion(ctx)
}

func (d documents) isWhole(ctx context.Context, c client.Client) (bool, error) {
	there, err := c.HasCollection(ctx, d.collection)
	if err != nil || !there {
		return false, err
	}
	have, err := c.DescribeCollection(ctx, d.collection)
	if err != nil || have.ShardNum != int32(d.shards) {
		return false, err
	}
	indexes, err := c.DescribeIndex(ctx, d.collection, "embedding")
	if err != nil || len(indexes) == 0 {
		return false, nil // a run that was ended before it had made the index
	}
	if err := c.LoadCollection(ctx, d.collection, false); err != nil {
		return false, fmt.Errorf("loading %s: %w", d.collection, err)
	}
	n, err := d.count(ctx, c)
	return n == int64(d.rows+d.again), err
}

func (d documents) count(ctx context.Context, c client.Client) (int64, error) {
	found, err := c.Query(ctx, d.collection, nil, "", []string{"count(*)"}, client.WithSearchQueryConsistencyLevel(entity.ClStrong))
	if err != nil {
		return 0, fmt.Errorf("counting the rows of %s: %w", d.collection, err)
	}
	return found.GetColumn("count(*)").GetAsInt64(0)
}

// remake drops the collection and makes it again, with the SDK's default consistency: strong reads would hold the peers
// up at each page.
func (d documents) remake(ctx context.Context, c client.Client) error {
	if err := d.recreate(ctx, c); err != nil {
		return err
	}
	for _, rows := range []int{d.rows, d.again} {
		if err := d.insert(ctx, c, rows); err != nil {
			return err
		}
	}
	flat, err := entity.NewIndexFlat(entity.L2)
	if err != nil {
		return err
	}
	if err := c.CreateIndex(ctx, d.collection, "embedding", flat, false); err != nil {
		return err
	}
	return c.LoadCollection(ctx, d.collection, false)
}

// insert inserts the first documents.
func (d documents) insert(ctx context.Context, c client.Client, rows int) error {
	random := rand.New(rand.NewPCG(20_260_101, 1))
	for from := 0; from < rows; from += batch {
		if _, err := c.Insert(ctx, d.collection, "", d.columns(random, from, min(batch, rows-from))...); err != nil {
			return fmt.Errorf("inserting from row %d: %w", from, err)
		}
	}
	return c.Flush(ctx, d.collection, false)
}

func (d documents) recreate(ctx context.Context, c client.Client) error {
	there, err := c.HasCollection(ctx, d.collection)
	if err != nil {
		return err
	}
	if there {
		if err := c.DropCollection(ctx, d.collection); err != nil {
			return err
		}
	}
	schema := entity.NewSchema().WithName(d.collection).WithDynamicFieldEnabled(true).
		WithField(entity.NewField().WithName("id").WithDataType(entity.FieldTypeInt64).WithIsPrimaryKey(true)).
		WithField(entity.NewField().WithName("text").WithDataType(entity.FieldTypeVarChar).WithMaxLength(4096)).
		WithField(entity.NewField().WithName("embedding").WithDataType(entity.FieldTypeFloatVector).WithDim(int64(d.dim))).
		WithField(entity.NewField().WithName("source").WithDataType(entity.FieldTypeVarChar).WithMaxLength(256)).
		WithField(entity.NewField().WithName("metadata").WithDataType(entity.FieldTypeJSON)).
		WithField(entity.NewField().WithName("pages").WithDataType(entity.FieldTypeArray).
			WithElementType(entity.FieldTypeInt32).WithMaxCapacity(16))
	return c.CreateCollection(ctx, schema, int32(d.shards))
}

// columns are some documents; the last two columns are dynamic.
func (d documents) columns(random *rand.Rand, from, n int) []entity.Column {
	ids, chunks := make([]int64, n), make([]int64, n)
	texts, sources, langs := make([]string, n), make([]string, n), make([]string, n)
	vectors, metadata, pages := make([][]float32, n), make([][]byte, n), make([][]int32, n)
	for i := range n {
		id := from + i
		ids[i], chunks[i] = int64(id), int64(id%8)
		texts[i], sources[i] = text(random), fmt.Sprintf("wiki/page-%05d.md", id/8)
		langs[i] = []string{"en", "de", "fr"}[id%3]
		vectors[i], pages[i] = unit(random, d.dim), someInts(random)
		metadata[i] = fmt.Appendf(nil, `{"chunk": %d, "score": %.4f, "tags": ["t%d", "rag"]}`, id%8, random.Float64(), id%64)
	}
	return []entity.Column{
		entity.NewColumnInt64("id", ids), entity.NewColumnVarChar("text", texts),
		entity.NewColumnFloatVector("embedding", d.dim, vectors), entity.NewColumnVarChar("source", sources),
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
func unit(random *rand.Rand, dim int) []float32 {
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
