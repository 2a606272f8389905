package export

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"migrate/internal/columns"
	"migrate/sinks"
)

// ReadPart hands on the rows of one part of the export, in batches that are released after emit returns. Its bytes are
// held against their checksum first: part.ErrDamaged where they are others.
func (m *Manifest) ReadPart(ctx context.Context, sink sinks.Sink, p Part, emit func(arrow.Record) error) (err error) {
	layout, err := columns.NewLayout(m.Collection.Schema.CollectionSchema)
	if err != nil {
		return err
	}
	obj, err := sink.Open(ctx, m.ObjectName(p))
	if err != nil {
		return fmt.Errorf("opening part %s: %w", p.Object, err)
	}
	defer func() { err = errors.Join(err, obj.Close()) }()
	if err := ReadParquet(ctx, obj, p.SHA256, layout.Arrow, emit); err != nil {
		return fmt.Errorf("reading part %s: %w", p.Object, err)
	}
	return nil
}
