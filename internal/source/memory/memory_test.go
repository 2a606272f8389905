package memory_test

import (
	"encoding/json"
	"errors"
	"io"
	"testing"

	"context"

	"migrate/internal/labtest"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/memory"
	"migrate/internal/source/sourcetest"
)

// TestContract holds the fake against what every source keeps.
func TestContract(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T, _ json.RawMessage) source.Source { return filled(t) })
}

func filled(t *testing.T) *memory.Source {
	t.Helper()
	s, err := memory.New(sourcetest.Collection())
	if err != nil {
		t.Fatal(err)
	}
	for name := range sourcetest.Partitions {
		if err := s.Insert(name, sourcetest.Rows(name).Columns); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// TestFaults finds duplicate keys and unreadable rows, and fails where it is told to.
func TestFaults(t *testing.T) {
	s := filled(t)
	if err := s.Insert("few", sourcetest.Rows("few").Columns); err != nil {
		t.Fatal(err)
	}
	s.Hide = []model.Key{model.IntKey(3)}
	stream, err := s.Read(t.Context(), model.Chunk{Partition: "few"})
	var n int64
	for rec := range labtest.Batches(t, stream, err) {
		n += rec.NumRows()
	}
	if found := stream.Findings(); n != 6 || found.Duplicates.Keys != 6 || found.Duplicates.Rows != 6 || found.UnreadableRows() != 2 {
		t.Errorf("%d rows, found %+v", n, found)
	}
	s.Reading = func(context.Context, model.Chunk) error { return io.ErrUnexpectedEOF }
	if stream, err = s.Read(t.Context(), model.Chunk{Partition: "few"}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
}

// TestHints tells what was written since the last mark.
func TestHints(t *testing.T) {
	s := filled(t)
	if n, err := s.Sealed().Count(t.Context(), "few", model.Range{}); n != 0 || err != nil {
		t.Errorf("%d rows are sealed, %v", n, err)
	}
	before, err := s.Mark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Upsert("few", sourcetest.Rows("few").Columns); err != nil {
		t.Fatal(err)
	}
	after, err := s.Mark(t.Context())
	if err != nil || after.Same(before) || !after.Wrote(before) {
		t.Errorf("marks %+v and %+v, %v", before, after, err)
	}
	few := model.TextKey("few")
	for name, want := range map[string]int{"few": 7, "many": 493} { // the upsert took its keys from everywhere
		stream, err := s.Since(t.Context(), name, model.Cursor{Field: "text", Value: &few})
		if err != nil {
			t.Fatal(err)
		}
		var keys []model.Key
		for k, err := range source.Keys(stream, "id") {
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, k)
		}
		if len(keys) != want {
			t.Errorf("%d rows of %s from its name on, want %d", len(keys), name, want)
		}
	}
}
