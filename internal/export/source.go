package export

import (
	"context"
	"fmt"
	"slices"

	"migrate/internal/columns"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/sinks"
)

// Source is a complete export as a source of rows. Its chunks are its parts, whatever size is aimed at, and only these can be read.
type Source struct {
	Sink     sinks.Sink
	Manifest *Manifest
}

// Collection is the exported collection.
func (s Source) Collection() *model.Collection { return s.Manifest.Collection.Milvus() }

// Findings are what was found when the rows were exported.
func (s Source) Findings() model.Findings { return s.Manifest.Findings }

// Plan is the parts.
func (s Source) Plan(context.Context, source.Size) (*source.Plan, error) {
	m := s.Manifest
	plan := &source.Plan{Rows: m.Total.Rows, Bytes: m.Bytes, Snapshot: m.Snapshot}
	number := map[string]int{}
	for _, p := range m.Parts {
		plan.Chunks = append(plan.Chunks, model.Chunk{
			Partition: p.Partition, Range: p.Range, Number: number[p.Partition], Rows: p.Rows.Rows, Scattered: p.Scattered,
		})
		number[p.Partition]++
	}
	return plan, nil
}

// Read reads the part of a chunk, as ReadPart does.
func (s Source) Read(ctx context.Context, chunk model.Chunk, names ...string) (source.Stream, error) {
	number := 0
	for _, p := range s.Manifest.Parts {
		if p.Partition != chunk.Partition {
			continue
		}
		if number == chunk.Number && p.Range.Equal(chunk.Range) {
			return s.Manifest.ReadPart(ctx, s.Sink, p, names...)
		}
		number++
	}
	return nil, fmt.Errorf("the export has no part %d of partition %q for keys %s", chunk.Number, chunk.Partition, chunk.Range)
}

// Close does nothing: the sink is its caller's.
func (s Source) Close(context.Context) error { return nil }

// ReadPart reads the rows of one part of the export, and of them the columns that are named; all where none is. Its bytes are held
// against their checksum first: ErrPartDamaged where they are others.
func (m *Manifest) ReadPart(ctx context.Context, sink sinks.Sink, p Part, names ...string) (source.Stream, error) {
	layout, err := columns.NewLayout(m.Collection.Schema.CollectionSchema)
	if err != nil {
		return nil, err
	}
	var some []int
	for _, name := range names {
		i := slices.Index(layout.Names(), name)
		if i < 0 {
			return nil, fmt.Errorf("reading part %s: it has no column %q", p.Object, name)
		}
		some = append(some, i)
	}
	if p.Object == "" {
		return source.Empty{}, nil
	}
	if p.Foreign != nil {
		return newForeign(ctx, sink, p.Object, p.SHA256, m.Collection.Schema.CollectionSchema, names), nil
	}
	slices.Sort(some)
	stream := newPart(ctx, sink, m.ObjectName(p), p.SHA256)
	stream.name, stream.parse, stream.columns = p.Object, ours(layout.Arrow), some
	return stream, nil
}
