package exporter_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"migrate/checkpoint"
	"migrate/exporter"
	"migrate/internal/labtest"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/memory"
)

// TestAnotherSource exports what is not read by queries: the server only describes the collection. A chunk that can't be read ends the
// export, and the next run reads the others of it only.
func TestAnotherSource(t *testing.T) {
	_, server, name := collection(t, "v2.3.5")
	coll, err := server.Describe(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := memory.New(coll)
	if err != nil {
		t.Fatal(err)
	}
	if err := rows.Insert(model.DefaultPartition, numbered(0, 3000, 1).Columns); err != nil {
		t.Fatal(err)
	}
	broken, read := errors.New("broken"), 0
	rows.Reading = func(context.Context, model.Chunk) error {
		if read++; read == 3 {
			return broken
		}
		return nil
	}
	sink := labtest.Local(t)
	opts := exporter.Options{Job: "j", PartBytes: 8 << 10, Workers: 1, Read: func(*model.Collection) (exporter.Way, error) {
		return exporter.Way{Name: "memory", Open: func(context.Context, *model.Collection, json.RawMessage) (source.Source, error) { return rows, nil }}, nil
	}}
	_, err = exporter.Export(t.Context(), server, name, sink, opts)
	var resumable *checkpoint.ResumableError
	if !errors.Is(err, broken) || !errors.As(err, &resumable) {
		t.Fatalf("error %v, want one that can be resumed from", err)
	}
	other := opts
	other.Read = nil
	if _, err := exporter.Export(t.Context(), server, name, sink, other); !errors.Is(err, checkpoint.ErrOther) {
		t.Errorf("resumed in another way: %v", err)
	}
	m, err := exporter.Export(t.Context(), server, name, sink, opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Parts) < 5 || read != len(m.Parts)+1 {
		t.Errorf("%d chunks were read for %d parts, one of them twice", read, len(m.Parts))
	}
	wantWhole(t, sink, m, 3000)
}
