//go:build lab

package e2e

import (
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/deploy/lab"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/ingest"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/verify"
	"migrate/sinks"
)

// rulesBucket is a folder as the bucket that bulk insert reads.
type rulesBucket struct{ *sinks.Local }

func (rulesBucket) Key(name string) string { return name }

// TestBulkInsertByTheRules brings every type that a Milvus Lite holds to it by the bulk insert of a later version, whose files an independent
// reader takes or refuses by that version's rules. INT8_VECTOR and NULLs in vectors no server here holds: these are tried by round trips
// through a part alone.
func TestBulkInsertByTheRules(t *testing.T) {
	for name, test := range map[string]struct {
		version, address string
		lite             *milvus.Server
		fields           []*schemapb.FieldSchema
	}{
		"2.5": {"v2.5.27", lab.Lite25, labtest.Lite25(t), append(rulesScalars(false),
			labtest.Vector("halves", schemapb.DataType_Float16Vector, 33), labtest.Vector("brains", schemapb.DataType_BFloat16Vector, 33),
			labtest.Vector("bits", schemapb.DataType_BinaryVector, 264), labtest.Field("sparse", schemapb.DataType_SparseFloatVector),
		)},
		"2.6": {"v2.6.19", lab.Lite3, labtest.Lite3(t), append(rulesScalars(true),
			labtest.Vector("floats", schemapb.DataType_FloatVector, 33), labtest.Field("sparse", schemapb.DataType_SparseFloatVector),
			labtest.MayBeNull(labtest.Field("place", schemapb.DataType_Geometry)), labtest.MayBeNull(labtest.Field("time", schemapb.DataType_Timestamptz)),
			labtest.MayBeNull(labtest.Field("doc", schemapb.DataType_JSON)),
		)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const rows = 300
			m, sink := rulesExported(t, test.version, rows, test.fields)
			standIn, bucket := labtest.LaterLite(t, test.version, test.address)
			labtest.DropLater(t, test.lite, m.Collection.Name)
			server := connectLater(t, milvus.Config{Address: standIn.Address})
			if _, err := importer.Import(t.Context(), server, sink, m, rulesBucket{bucket}, importer.Options{}); err != nil {
				t.Fatal(err)
			}
			report := compare(t, export.Source{Sink: sink, Manifest: m}, side(t, test.lite, m.Collection.Name), verify.Options{})
			if report.Left != report.Right || report.Left.Rows != rows { // whatever Lite leaves out of its description
				t.Errorf("exported %v, imported %v", report.Left, report.Right)
			}
		})
	}
}

// TestTheRules: the stand-in refuses files that a version refuses, each for what it holds.
func TestTheRules(t *testing.T) {
	number := func(null bool) *schemapb.FieldSchema {
		f := labtest.Field("number", schemapb.DataType_Int64)
		f.Nullable = null
		return f
	}
	id, vector, more := labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2), labtest.Field("more", schemapb.DataType_Int8)
	for name, test := range map[string]struct {
		version string
		file    []*schemapb.FieldSchema
		says    string
	}{
		"as it should be":                  {"v2.5.27", []*schemapb.FieldSchema{id, vector, number(false)}, ""},
		"an unknown column, 2.5":           {"v2.5.27", []*schemapb.FieldSchema{id, vector, number(false), more}, "is not in the schema"},
		"an unknown column, 2.6":           {"v2.6.19", []*schemapb.FieldSchema{id, vector, number(false), more}, ""},
		"NULLs in a field that takes none": {"v2.6.19", []*schemapb.FieldSchema{id, vector, number(true)}, "not nullable, but has null value"},
		"a column is missing":              {"v2.6.19", []*schemapb.FieldSchema{id, vector}, "field 'number' is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			standIn, bucket := labtest.LaterLite(t, test.version, lab.Lite3)
			server := connectLater(t, milvus.Config{Address: standIn.Address})
			c := labtest.Collection(labtest.Schema(id, vector, number(false)))
			labtest.Create(t, server, c)
			rulesWrite(t, bucket, "a.parquet", labtest.Schema(test.file...))
			dialect, err := ingest.Open(t.Context(), server)
			if err != nil {
				t.Fatal(err)
			}
			job, err := dialect.Submit(t.Context(), ingest.Order{Collection: c.Name, Files: []string{"a.parquet"}})
			if err != nil {
				t.Fatal(err)
			}
			state := rulesEnd(t, dialect, c.Name, job)
			if refused := state.State == ingest.Failed; refused != (test.says != "") || !strings.Contains(state.Reason, test.says) {
				t.Errorf("%+v, want a reason that says %q", state, test.says)
			}
		})
	}
}

// rulesWrite puts a part of sample rows into a bucket.
func rulesWrite(t *testing.T, bucket *sinks.Local, name string, schema *schemapb.CollectionSchema) {
	t.Helper()
	layout, err := columns.NewLayout(schema)
	if err != nil {
		t.Fatal(err)
	}
	_, err = bucket.Put(t.Context(), name, func(w io.Writer) error {
		part, err := export.NewWriter(w, layout.Arrow)
		if err != nil {
			return err
		}
		return errors.Join(part.Write(layout.Sample(rand.New(rand.NewPCG(1, 2)), 20)), part.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// rulesEnd is how a job ends.
func rulesEnd(t *testing.T, dialect ingest.Dialect, collection string, job int64) ingest.Status {
	t.Helper()
	for {
		status, err := dialect.Poll(t.Context(), collection, job)
		if err != nil {
			t.Fatal(err)
		}
		if status.State == ingest.Completed || status.State == ingest.Failed {
			return status
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// rulesScalars are a key and a field of each scalar type and of ARRAYs, which may be NULL or not.
func rulesScalars(null bool) []*schemapb.FieldSchema {
	fields := []*schemapb.FieldSchema{labtest.Array("numbers", schemapb.DataType_Int16), labtest.Array("texts", schemapb.DataType_VarChar)}
	for _, kind := range []schemapb.DataType{
		schemapb.DataType_Bool, schemapb.DataType_Int8, schemapb.DataType_Int16, schemapb.DataType_Int32, schemapb.DataType_Int64,
		schemapb.DataType_Float, schemapb.DataType_Double, schemapb.DataType_VarChar,
	} {
		fields = append(fields, labtest.Field("a_"+kind.String(), kind))
	}
	for _, f := range fields {
		f.Nullable = null
	}
	return append([]*schemapb.FieldSchema{labtest.IntKey("id")}, fields...)
}

// rulesExported is the export of sample rows from a server of that version.
func rulesExported(t *testing.T, version string, rows int, fields []*schemapb.FieldSchema) (*export.Manifest, sinks.Sink) {
	t.Helper()
	c := labtest.Collection(labtest.Schema(fields...))
	c.Schema.EnableDynamicField = slices.ContainsFunc(fields, func(f *schemapb.FieldSchema) bool { return f.DataType == schemapb.DataType_JSON })
	layout, err := columns.NewLayout(c.Schema)
	if err != nil {
		t.Fatal(err)
	}
	data, err := layout.Encode(layout.Sample(rand.New(rand.NewPCG(1, 2)), rows), labtest.Each(rows, func(i int) int { return i }))
	if err != nil {
		t.Fatal(err)
	}
	from, sink := memory.Start(t, version), labtest.Local(t)
	from.Add(t, c)
	from.Sealed(t, c.Name, labtest.Rows{N: rows, Columns: data})
	m, err := exporter.Export(t.Context(), from.Client(t), c.Name, sink, exporter.Options{Job: c.Name, PartBytes: 80_000})
	if err != nil {
		t.Fatal(err)
	}
	return m, sink
}
