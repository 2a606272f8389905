package exporter_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/exporter"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source/query"
	"migrate/internal/verify"
	"migrate/sinks"
)

// numbered are rows with keys from one to another, the same for the same seed.
func numbered(from, to int, seed uint64) labtest.Rows {
	keys := labtest.Each(to-from, func(i int) int64 { return int64(from + i) })
	return labtest.Rows{N: len(keys), Columns: []*schemapb.FieldData{labtest.Column(labtest.IntKey("id"), keys), labtest.Vectors("v", 2, len(keys), seed)}}
}

// collection is an empty one on a server in memory.
func collection(t *testing.T, version string) (*memory.Server, *milvus.Server, string) {
	t.Helper()
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
	s := memory.Start(t, version)
	s.Add(t, c)
	return s, s.Client(t), c.Name
}

// wantWhole reads all parts of an export, each of which has to have its SHA-256.
func wantWhole(t *testing.T, sink sinks.Sink, m *export.Manifest, rows int64) {
	t.Helper()
	var n int64
	for _, p := range m.Parts {
		if p.Object == "" {
			continue
		}
		stream, err := m.ReadPart(t.Context(), sink, p)
		for rec := range labtest.Batches(t, stream, err) {
			n += rec.NumRows()
		}
	}
	if n != rows {
		t.Errorf("%d rows of %d", n, rows)
	}
}

// late is a store that takes the parts of one process, and shows them only when they are let in: as a request that is held up on the
// way outlives the process which sent it.
type late struct {
	*sinks.Local
	mu   sync.Mutex
	held map[string][]byte
	full chan struct{} // closed by the first part
}

func (l *late) Put(ctx context.Context, name string, write func(io.Writer) error) (sinks.Info, error) {
	if !export.IsPart(name[len("j/"):]) {
		return l.Local.Put(ctx, name, write)
	}
	var text bytes.Buffer
	if err := write(&text); err != nil {
		return sinks.Info{}, err
	}
	l.mu.Lock()
	l.held[name] = text.Bytes()
	if len(l.held) == 1 {
		close(l.full)
	}
	l.mu.Unlock()
	<-ctx.Done()
	return sinks.Info{}, context.Cause(ctx)
}

func (l *late) letIn(t *testing.T) {
	t.Helper()
	for name, text := range l.held {
		if _, err := l.Local.Put(t.Context(), name, func(w io.Writer) error { _, err := w.Write(text); return err }); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLatePart has the part of an owner before arrive when the next one's export is complete: it replaces nothing.
func TestLatePart(t *testing.T) {
	t.Parallel()
	s, server, name := collection(t, "v2.3.5")
	s.Sealed(t, name, numbered(0, 1000, 1))
	store := &late{Local: labtest.Local(t), held: map[string][]byte{}, full: make(chan struct{})}
	opts := exporter.Options{Job: "j", PartBytes: 1 << 10}
	ctx, end := context.WithCancel(t.Context())
	go func() { <-store.full; end() }()
	if _, err := exporter.Export(ctx, server, name, store, opts); !errors.Is(err, context.Canceled) {
		t.Fatalf("an export that is interrupted: %v", err)
	}
	labtest.Upsert(t, server, name, numbered(0, 1000, 2))
	m, err := exporter.Export(t.Context(), server, name, store.Local, opts)
	if err != nil {
		t.Fatal(err)
	}
	store.letIn(t)
	wantWhole(t, store.Local, m, 1000)
}

// TestDuplicatesAreTold by the manifest, and carried once.
func TestDuplicatesAreTold(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v2.3.5", "v2.5.10"} {
		s, server, name := collection(t, version)
		s.Sealed(t, name, numbered(0, 400, 1))
		s.Growing(t, name, numbered(0, 220, 1))
		sink := labtest.Local(t)
		m, err := exporter.Export(t.Context(), server, name, sink, exporter.Options{Job: "j", PartBytes: 1 << 10})
		if err != nil {
			t.Fatal(err)
		}
		read, err := export.Read(t.Context(), sink, "j")
		if err != nil {
			t.Fatal(err)
		}
		if d := read.Findings.Duplicates; d.Rows != 220 || d.Keys < 220 || len(d.Sample) == 0 || len(d.Sample) > 10 || m.Total.Rows != 400 {
			t.Errorf("%s: %d rows, duplicates %+v", version, m.Total.Rows, d)
		}
		wantWhole(t, sink, m, 400)
	}
}

// TestWithoutVectorIndex names the field of a collection that can't be loaded, whatever is asked of it, and carries an empty one as
// it is.
func TestWithoutVectorIndex(t *testing.T) {
	t.Parallel()
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)), "a", "b")
	c.Indexes = nil
	s := memory.Start(t, "v2.3.5")
	s.Add(t, c)
	server := s.Client(t)
	ways := map[string]func(exporter.Options) error{
		"plan": func(opts exporter.Options) error {
			_, err := exporter.PlanExport(t.Context(), server, c.Name, opts)
			return err
		},
		"export": func(opts exporter.Options) error {
			_, err := exporter.Export(t.Context(), server, c.Name, labtest.Local(t), opts)
			return err
		},
		"verify": func(exporter.Options) error {
			left, err := query.OpenByName(t.Context(), server, c.Name)
			if err != nil {
				return err
			}
			report, err := verify.Compare(t.Context(), left, left, verify.Options{})
			if err == nil && !report.Equal {
				t.Errorf("an empty collection differs from itself: %+v", report)
			}
			return err
		},
	}
	for way, do := range ways {
		for _, load := range []bool{false, true} {
			if err := do(exporter.Options{Job: "j", Load: load}); err != nil {
				t.Errorf("%s of an empty one, load: %t: %v", way, load, err)
			}
		}
	}
	m, err := exporter.Export(t.Context(), server, c.Name, labtest.Local(t), exporter.Options{Job: "j"})
	if err != nil || m.Total.Rows != 0 || m.Collection.Loaded || len(m.Parts) != 2 {
		t.Errorf("manifest %+v, %v", m, err)
	}
	wantWhole(t, labtest.Local(t), m, 0)
	s.Sealed(t, c.Name, numbered(0, 10, 1))
	for way, do := range ways {
		for _, load := range []bool{false, true} {
			err := do(exporter.Options{Job: "j", Load: load})
			if !errors.Is(err, milvus.ErrNoIndex) || !strings.Contains(err.Error(), "no vector index on v") {
				t.Errorf("%s of one with rows, load: %t: %v", way, load, err)
			}
		}
	}
}

// TestReservedKey is refused by plan and export before a server is asked anything that it might not survive.
func TestReservedKey(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"in", "like", "EXISTS", "not", "true", "False", "and", "or", "array_length"} {
		c := labtest.Collection(labtest.Schema(labtest.IntKey(word), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
		s := memory.Start(t, "v2.3.5")
		s.Moved = func() { t.Errorf("key %s: a query was asked", word) }
		s.Add(t, c)
		server, sink := s.Client(t), labtest.Local(t)
		_, planned := exporter.PlanExport(t.Context(), server, c.Name, exporter.Options{})
		_, exported := exporter.Export(t.Context(), server, c.Name, sink, exporter.Options{Job: "j", Load: true})
		_, verified := query.OpenByName(t.Context(), server, c.Name)
		for way, err := range map[string]error{"plan": planned, "export": exported} {
			if !errors.Is(err, exporter.ErrUnsupported) || !errors.Is(err, model.ErrReserved) || !strings.Contains(err.Error(), strconv.Quote(word)) {
				t.Errorf("%s with key %s: %v", way, word, err)
			}
		}
		if !errors.Is(verified, model.ErrReserved) {
			t.Errorf("verify with key %s: %v", word, verified)
		}
	}
}
