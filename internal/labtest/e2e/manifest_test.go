package e2e

import (
	"errors"
	"io"
	"testing"

	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/sinks"
)

// TestManifestOfAnotherKind is refused with the reason.
func TestManifestOfAnotherKind(t *testing.T) {
	t.Parallel()
	sink := labtest.Local(t)
	for title, c := range map[string]struct {
		text string
		want error
	}{
		"newer":            {`{"format": 2, "collection": "something else"}`, export.ErrVersion},
		"cut off":          {`{"format": 1, "job": "x", "coll`, export.ErrDamaged},
		"empty":            {``, export.ErrDamaged},
		"nothing in it":    {`{}`, export.ErrDamaged},
		"not one of these": {`[1, 2]`, export.ErrDamaged},
	} {
		t.Run(title, func(t *testing.T) {
			faulttable.Tried(t, "a manifest that is "+title, 1, "refused, with the reason")
			replace(t, sink, "job/manifest.json", []byte(c.text))
			if _, err := export.Read(t.Context(), sink, "job"); !errors.Is(err, c.want) {
				t.Errorf("reading it: %v, want %v", err, c.want)
			}
		})
	}
	if _, err := export.Read(t.Context(), sink, "other"); !errors.Is(err, export.ErrNone) {
		t.Errorf("reading none: %v", err)
	}
}

// replace puts text in the place of an object.
func replace(t *testing.T, sink sinks.Sink, name string, text []byte) {
	t.Helper()
	_, err := sink.Put(t.Context(), name, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
