package keys_test

import (
	"io"
	"testing"

	"migrate/sinks"
	"migrate/sinks/memory"
)

// content is an object of a sink.
func content(t testing.TB, sink sinks.Sink, name string) []byte {
	t.Helper()
	o, err := sink.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	b, err := io.ReadAll(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// holding is a sink with a file.
func holding(t testing.TB, file []byte) sinks.Sink {
	t.Helper()
	sink := &memory.Sink{}
	put(t, sink, "f", file)
	return sink
}

func put(t testing.TB, sink sinks.Sink, name string, data []byte) {
	t.Helper()
	if _, err := sink.Put(t.Context(), name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
