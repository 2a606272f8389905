package verify

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/export"
	"migrate/internal/model"
	"migrate/sinks"
)

// Export is the side of an export on a sink.
type Export struct {
	Sink     sinks.Sink
	Manifest *export.Manifest
}

// Schema is that of the exported collection.
func (e Export) Schema() *schemapb.CollectionSchema {
	return e.Manifest.Collection.Schema.CollectionSchema
}

// Described is the exported collection.
func (e Export) Described() *model.Collection { return e.Manifest.Collection.Milvus() }

// Partitions are those of the exported collection.
func (e Export) Partitions() []string {
	var names []string
	for _, p := range e.Manifest.Parts {
		names = append(names, p.Partition)
	}
	return slices.Compact(names)
}

// Ranges are those of the parts.
func (e Export) Ranges(_ context.Context, partition string) ([]model.Range, error) {
	var ranges []model.Range
	for _, p := range e.Manifest.Parts {
		if p.Partition == partition {
			ranges = append(ranges, p.Range)
		}
	}
	return ranges, nil
}

// Read reads the part of a range, which has to be one of Ranges.
func (e Export) Read(ctx context.Context, partition string, rng model.Range, emit func(arrow.Record) error) (model.Findings, error) {
	i := slices.IndexFunc(e.Manifest.Parts, func(p export.Part) bool {
		return p.Partition == partition && p.Range.Equal(rng)
	})
	if i < 0 {
		return model.Findings{}, fmt.Errorf("the export has no part for keys %s", rng)
	}
	p := e.Manifest.Parts[i]
	if p.Object == "" {
		return model.Findings{}, nil
	}
	return model.Findings{}, e.Manifest.ReadPart(ctx, e.Sink, p, emit)
}
