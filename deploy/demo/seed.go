package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"github.com/milvus-io/milvus-sdk-go/v2/entity"
)

const (
	dim      = 384
	batch    = 5_000
	topics   = 64 // documents of one topic lie close together, as real embeddings do
	seedWord = 20260101
)

// seed makes the collection anew and fills it: the same documents each time.
func seed(ctx context.Context, address string, rows int) error {
	c, err := client.NewClient(ctx, client.Config{Address: address})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := drop(ctx, c); err != nil {
		return err
	}
	if err := create(ctx, c); err != nil {
		return err
	}
	gen := newGenerator()
	for from := 0; from < rows; from += batch {
		if err := gen.insert(ctx, c, from, min(from+batch, rows)); err != nil {
			return fmt.Errorf("inserting from row %d: %w", from, err)
		}
	}
	if err := c.Flush(ctx, collection, false); err != nil {
		return fmt.Errorf("flushing %s: %w", collection, err)
	}
	if err := index(ctx, c); err != nil {
		return err
	}
	fmt.Printf("filled %s on %s with %d documents of %d dimensions\n", collection, address, rows, dim)
	return nil
}

// clear drops the collection.
func clear(ctx context.Context, address string) error {
	c, err := client.NewClient(ctx, client.Config{Address: address})
	if err != nil {
		return err
	}
	defer c.Close()
	return drop(ctx, c)
}

func drop(ctx context.Context, c client.Client) error {
	there, err := c.HasCollection(ctx, collection)
	if err != nil || !there {
		return err
	}
	return c.DropCollection(ctx, collection)
}

func create(ctx context.Context, c client.Client) error {
	schema := entity.NewSchema().WithName(collection).WithDynamicFieldEnabled(true).
		WithField(entity.NewField().WithName("id").WithDataType(entity.FieldTypeInt64).WithIsPrimaryKey(true)).
		WithField(entity.NewField().WithName("text").WithDataType(entity.FieldTypeVarChar).WithMaxLength(4096)).
		WithField(entity.NewField().WithName("embedding").WithDataType(entity.FieldTypeFloatVector).WithDim(dim)).
		WithField(entity.NewField().WithName("source").WithDataType(entity.FieldTypeVarChar).WithMaxLength(256)).
		WithField(entity.NewField().WithName("metadata").WithDataType(entity.FieldTypeJSON))
	return c.CreateCollection(ctx, schema, 2, client.WithConsistencyLevel(entity.ClStrong))
}

func index(ctx context.Context, c client.Client) error {
	hnsw, err := entity.NewIndexHNSW(entity.L2, 16, 200)
	if err != nil {
		return err
	}
	if err := c.CreateIndex(ctx, collection, "embedding", hnsw, false); err != nil {
		return fmt.Errorf("indexing %s: %w", collection, err)
	}
	return c.LoadCollection(ctx, collection, false)
}

// generator makes documents whose embeddings are unit vectors around one of several topics.
type generator struct {
	random  *rand.Rand
	centres [][]float32
}

func newGenerator() *generator {
	g := &generator{random: rand.New(rand.NewPCG(seedWord, 1))}
	for range topics {
		g.centres = append(g.centres, g.around(make([]float32, dim), 1))
	}
	return g
}

// around is a unit vector near centre.
func (g *generator) around(centre []float32, spread float64) []float32 {
	v, norm := make([]float32, dim), 0.0
	for i := range v {
		v[i] = centre[i] + float32(g.random.NormFloat64()*spread)
		norm += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(norm))
	}
	return v
}

var words = strings.Fields(`vector index shard segment query node cluster latency recall embedding document chunk answer
	question retrieval context token model storage bucket snapshot migration standalone distributed replica proxy`)

func (g *generator) text() string {
	var b strings.Builder
	for range 20 + g.random.IntN(60) {
		b.WriteString(words[g.random.IntN(len(words))])
		b.WriteByte(' ')
	}
	return b.String()
}

func (g *generator) insert(ctx context.Context, c client.Client, from, to int) error {
	n := to - from
	ids, texts, vectors := make([]int64, n), make([]string, n), make([][]float32, n)
	sources, metadata, pages := make([]string, n), make([][]byte, n), make([]int64, n)
	for i := range n {
		id := from + i
		topic := g.random.IntN(topics)
		ids[i], texts[i], vectors[i] = int64(id), g.text(), g.around(g.centres[topic], 0.05)
		sources[i] = fmt.Sprintf("wiki/%02d/page-%d.md", topic, id/8)
		metadata[i] = fmt.Appendf(nil, `{"topic": %d, "chunk": %d, "tags": ["t%d", "rag"], "score": %.4f}`, topic, id%8, topic, g.random.Float64())
		pages[i] = int64(id / 8)
	}
	_, err := c.Insert(ctx, collection, "",
		entity.NewColumnInt64("id", ids), entity.NewColumnVarChar("text", texts),
		entity.NewColumnFloatVector("embedding", dim, vectors), entity.NewColumnVarChar("source", sources),
		entity.NewColumnJSONBytes("metadata", metadata), entity.NewColumnInt64("page", pages))
	return err
}
