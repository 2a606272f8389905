package main

import (
	"context"
	"fmt"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"github.com/milvus-io/milvus-sdk-go/v2/entity"
)

const (
	questions = 3
	topK      = 10
	ef        = 2048 // wide enough for HNSW to find the true neighbours, however each side cut its segments
)

// hit is one document found.
type hit struct {
	id    int64
	score float32
}

// compareSearches asks both sides the same questions, and prints what they answer.
func compareSearches(ctx context.Context, left, right string) (same bool, err error) {
	gen, same := newGenerator(), true
	for q := range questions {
		vector := gen.around(gen.centres[q], 0.05)
		a, err := search(ctx, left, vector)
		if err != nil {
			return false, fmt.Errorf("searching %s: %w", left, err)
		}
		b, err := search(ctx, right, vector)
		if err != nil {
			return false, fmt.Errorf("searching %s: %w", right, err)
		}
		same = compare(q+1, a, b) && same
	}
	return same, nil
}

func compare(question int, a, b []hit) bool {
	verdict := "the same"
	for i := range topK {
		if len(a) <= i || len(b) <= i || a[i] != b[i] {
			verdict = "DIFFERENT"
		}
	}
	fmt.Printf("question %d: top %d %s\n  left  %v\n  right %v\n", question, topK, verdict, a, b)
	return verdict == "the same"
}

func search(ctx context.Context, address string, vector []float32) ([]hit, error) {
	c, err := client.NewClient(ctx, client.Config{Address: address})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	params, err := entity.NewIndexHNSWSearchParam(ef)
	if err != nil {
		return nil, err
	}
	found, err := c.Search(ctx, collection, nil, "", nil, []entity.Vector{entity.FloatVector(vector)}, "embedding", entity.L2, topK, params)
	if err != nil {
		return nil, err
	}
	var hits []hit
	for _, f := range found {
		for i, score := range f.Scores {
			id, err := f.IDs.GetAsInt64(i)
			if err != nil {
				return nil, err
			}
			hits = append(hits, hit{id, score})
		}
	}
	return hits, nil
}
