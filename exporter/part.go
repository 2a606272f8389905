package exporter

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/apache/arrow/go/v15/arrow"

	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/model"
	"migrate/internal/source"
)

// partWriter reads one range into one object, and keeps what the manifest says of it.
type partWriter struct {
	export *exporting
	part   *part
	warned map[string]bool // by what was warned of
}

// write is what sinks.Sink.Put calls.
func (w *partWriter) write(ctx context.Context) func(io.Writer) error {
	return func(out io.Writer) error {
		file, err := export.NewWriter(out, w.export.columns.Arrow)
		if err != nil {
			return err
		}
		if err := w.addAll(ctx, file); err != nil {
			return err
		}
		if w.part.Rows.Rows == 0 {
			return errEmpty
		}
		if err := file.Close(); err != nil {
			return err
		}
		w.part.Bytes, w.part.SHA256 = file.Bytes(), file.SHA256()
		return nil
	}
}

// addAll writes every row of the part's chunk.
func (w *partWriter) addAll(ctx context.Context, file *export.Writer) error {
	stream, err := w.export.source.Read(ctx, model.Chunk{
		Partition: w.part.Partition, Range: w.part.Range, Number: w.part.number, Scattered: w.part.Scattered,
	})
	if err != nil {
		return err
	}
	for rec, err := range source.Rows(stream) {
		if err != nil {
			return err
		}
		if err := w.add(file, rec); err != nil {
			return err
		}
	}
	w.part.Findings = stream.Findings()
	return nil
}

func (w *partWriter) add(file *export.Writer, rec arrow.Record) error {
	hashes, err := columns.Hash(rec)
	if err != nil {
		return err
	}
	if err := file.Write(rec); err != nil {
		return fmt.Errorf("writing a batch of %d rows: %w", rec.NumRows(), err)
	}
	w.part.Rows.AddRows(hashes)
	keys := w.export.columns.Keys(rec)
	w.part.Widen(keys)
	stats := w.export.columns.Measure(rec)
	w.part.Columns = columns.AddStats(w.part.Columns, stats)
	w.warn(stats)
	w.export.opts.Progress(rec.NumRows(), columns.Bytes(rec))
	return nil
}

// warn tells once of a part what others may not take: there is time to change it on the source.
func (w *partWriter) warn(stats map[string]columns.Stats) {
	for name, s := range stats {
		w.warnOf("the export is whole, but Milvus bulk-inserts neither NaN nor infinity: an import upserts such rows after it, unless they get new keys", name, s.NotFinite)
		w.warnOf("the export is whole, but this JSON is not UTF-8: Milvus takes it, and DuckDB reads none of the file", name, s.NotUTF8)
	}
}

func (w *partWriter) warnOf(what, field string, key *model.Key) {
	if key == nil || w.warned[what] {
		return
	}
	if w.warned == nil {
		w.warned = map[string]bool{}
	}
	w.warned[what] = true
	slog.Warn(what, "field", field, "key", key.String(), "part", w.export.objectName(*w.part, w.export.job.Epoch()))
}
