package importer_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"

	"migrate/checkpoint"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/labtest/double"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/source/query"
	"migrate/internal/verify"
	"migrate/sinks"
	store "migrate/sinks/memory"
)

// emptyLists of the rows of exportedNulls have an empty list in a nullable ARRAY.
const emptyLists = rows / 5

// exportedNulls is the export of a collection with NULLs and defaults, by a server that has both.
func exportedNulls(t *testing.T, change ...func(*schemapb.CollectionSchema)) (*export.Manifest, sinks.Sink) {
	t.Helper()
	c := labtest.Collection(labtest.NullableSchema(labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
	for _, change := range change {
		change(c.Schema)
	}
	source, sink := memory.Start(t, "v2.5.10"), &store.Sink{}
	source.Add(t, c)
	source.Sealed(t, c.Name, labtest.NullableRows(0, rows, labtest.Vectors("v", 2, rows, 1)))
	m, err := exporter.Export(t.Context(), source.Client(t), c.Name, sink, exporter.Options{Job: "j", PartBytes: 4000})
	if err != nil {
		t.Fatal(err)
	}
	if n := m.Columns["number"].Nulls; len(m.Parts) < 2 || n == nil || n.Rows != 67 || n.Key != *keyOf(0) {
		t.Fatalf("an export of %d parts, with NULLs %+v, shows little", len(m.Parts), n)
	}
	return m, sink
}

// TestNulls brings NULLs as NULLs, and empty lists as empty lists although bulk insert makes NULLs of them, to servers of each line that
// has NULLs.
func TestNulls(t *testing.T) {
	t.Parallel()
	m, sink := exportedNulls(t)
	for version, fake := range map[string]bool{"v2.5.10": true, "v2.6.1": false, "v3.0.0": false} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			to := newTargetOf(t, version)
			opts := to.patient()
			if !fake { // but by the calls of that version
				standIn := double.Start(t, double.Config{Version: version, Upstream: to.Address, Rows: func(context.Context, string) (int64, bool, error) { return 0, true, nil }})
				client, err := milvus.Connect(t.Context(), milvus.Config{Address: standIn.Address})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { client.Close() })
				to.client, opts.Dialect = client, nil
			}
			r, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, opts)
			if err != nil {
				t.Fatal(err)
			}
			if r.EmptyLists != emptyLists {
				t.Errorf("%d rows were upserted for their empty lists, want %d", r.EmptyLists, emptyLists)
			}
			to.wantOnce(t, m, sink)
		})
	}
}

// TestEmptyListsNotCounted brings the empty lists of a field that takes NULL on the target alone, of which the export has no number.
func TestEmptyListsNotCounted(t *testing.T) {
	t.Parallel()
	tags, sink := labtest.Array("tags", schemapb.DataType_Int64), &store.Sink{}
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2), tags))
	source := memory.Start(t, "v2.4.15")
	source.Add(t, c)
	of := numbered(0, rows)
	of.Columns = append(of.Columns, labtest.Arrays(tags, labtest.Each(rows, func(i int) []int64 { return []int64{1, 2}[:i%3] })))
	source.Sealed(t, c.Name, of)
	m, err := exporter.Export(t.Context(), source.Client(t), c.Name, sink, exporter.Options{Job: "tags"})
	if err != nil {
		t.Fatal(err)
	}
	to := newTargetOf(t, "v2.5.10")
	there := labtest.Collection(proto.CloneOf(c.Schema))
	there.Name, there.Schema.Fields[2].Nullable = "t", true
	to.Add(t, there)
	r, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient())
	if want := int64((rows + 2) / 3); err != nil || r.EmptyLists != want {
		t.Fatalf("%+v, %v; want %d rows upserted for their empty lists", r, err, want)
	}
	side, err := query.OpenByName(t.Context(), to.client, "t")
	if err != nil {
		t.Fatal(err)
	}
	report, err := verify.Compare(t.Context(), export.Source{Sink: sink, Manifest: m}, side, verify.Options{})
	if err != nil || !report.SameRows() {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestEmptyListsOnce: an import that ends while it brings empty lists goes on with those that are not there yet.
func TestEmptyListsOnce(t *testing.T) {
	t.Parallel()
	m, sink := exportedNulls(t)
	to := newTargetOf(t, "v2.5.10")
	var upserts, breaks atomic.Int64
	breaks.Store(2)
	to.Answer(func(method string) error {
		if method == "Upsert" && upserts.Add(1) == breaks.Load() {
			return errBroken
		}
		return nil
	})
	var resumable *checkpoint.ResumableError
	if _, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient()); !errors.As(err, &resumable) {
		t.Fatalf("an upsert that fails: %v", err)
	}
	breaks.Store(0)
	first := int64(0)
	for _, p := range m.Parts[:2] { // the second answer was lost, and its rows are there
		first += emptyIn(t, m, sink, p)
	}
	r, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient())
	if err != nil {
		t.Fatal(err)
	}
	if r.EmptyLists != emptyLists-first {
		t.Errorf("%d rows were upserted by the second run, want %d", r.EmptyLists, emptyLists-first)
	}
	to.wantOnce(t, m, sink)
}

func emptyIn(t *testing.T, m *export.Manifest, sink sinks.Sink, p export.Part) (n int64) {
	t.Helper()
	layout, err := columns.NewLayout(m.Collection.Schema.CollectionSchema)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := m.ReadPart(t.Context(), sink, p)
	for rec := range labtest.Batches(t, stream, err) {
		if empty := layout.Measure(rec)["tags"].Empty; empty != nil {
			n += empty.Rows
		}
	}
	return n
}

// TestEmptyListsOfNewKeys: where the target gives new keys nobody can find the rows again, which is told before.
func TestEmptyListsOfNewKeys(t *testing.T) {
	t.Parallel()
	m, sink := exportedNulls(t, func(s *schemapb.CollectionSchema) { s.Fields[0].AutoID = true })
	to := newTargetOf(t, "v2.5.10")
	told := importer.Changed(to.client.Capabilities(), importer.Bulk, true, m.Collection.Schema.CollectionSchema, m)
	if want := `field "tags" is an empty list in 40 rows, key 1 the first, of which bulk insert makes NULL: they stay NULL`; len(told) != 1 || !strings.HasPrefix(told[0], want) {
		t.Errorf("told %q, want %q", told, want)
	}
	r, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient())
	if err != nil || r.EmptyLists != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	side, err := query.OpenByName(t.Context(), to.client, "t")
	if err != nil {
		t.Fatal(err)
	}
	report, err := verify.Compare(t.Context(), export.Source{Sink: sink, Manifest: m}, side, verify.Options{WithoutKeys: true})
	if err != nil || report.Equal {
		t.Errorf("lists that became NULL are called equal: %+v, %v", report, err)
	}
}

// TestNullsRefused: a target without NULLs is not given any, nor the fields that might have them, before anything is changed.
func TestNullsRefused(t *testing.T) {
	t.Parallel()
	m, sink := exportedNulls(t)
	for _, version := range []string{"v2.3.5", "v2.4.15"} {
		to := newTargetOf(t, version)
		_, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient())
		if !errors.Is(err, importer.ErrTarget) || !strings.Contains(err.Error(), "number (nullable), title (nullable), doc (nullable), tags (nullable), size (nullable)") {
			t.Errorf("to %s: %v", version, err)
		}
		if there := to.Collections(); len(there) > 0 {
			t.Errorf("to %s: it has made %q", version, there)
		}
	}
}

// TestChanged tells of NULLs in fields with a default, and of empty lists, with their number and the first key.
func TestChanged(t *testing.T) {
	m, _ := exportedNulls(t)
	size := m.Columns["size"]
	size.Nulls = &columns.Count{Rows: 1234, Key: *keyOf(17)}
	m.Columns["size"] = size
	for _, test := range []struct {
		can  string
		want []string
	}{
		{"v2.5.10", []string{
			`field "tags" is an empty list in 40 rows, key 1 the first, of which bulk insert makes NULL: an upsert brings them after it`,
			`field "size" is NULL in 1,234 rows, key 17 the first: that becomes its default`,
		}},
		{"", []string{`field "size" is NULL in 1,234 rows, key 17 the first: that becomes its default`}},
	} {
		can := memory.Start(t, test.can).Client(t).Capabilities()
		if told := importer.Changed(can, importer.Bulk, false, m.Collection.Schema.CollectionSchema, m); !slices.Equal(told, test.want) {
			t.Errorf("%q: told %q, want %q", test.can, told, test.want)
		}
	}
}
