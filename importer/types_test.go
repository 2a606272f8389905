package importer_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/labtest/double"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/sinks"
	store "migrate/sinks/memory"
)

// laterTypes is a schema with a field of each type that came after 2.3.
func laterTypes() *schemapb.CollectionSchema {
	return labtest.Schema(labtest.IntKey("id"),
		labtest.Vector("halves", schemapb.DataType_Float16Vector, 9), labtest.Vector("brains", schemapb.DataType_BFloat16Vector, 9),
		labtest.Field("sparse", schemapb.DataType_SparseFloatVector), labtest.Vector("ints", schemapb.DataType_Int8Vector, 9),
		labtest.Field("place", schemapb.DataType_Geometry), labtest.Field("time", schemapb.DataType_Timestamptz))
}

// exportedLater is the export of such a collection from a server that has them.
func exportedLater(t *testing.T) (*export.Manifest, sinks.Sink) {
	t.Helper()
	c := labtest.Collection(laterTypes())
	layout, err := columns.NewLayout(c.Schema)
	if err != nil {
		t.Fatal(err)
	}
	all := labtest.Each(rows, func(i int) int { return i })
	data, err := layout.Encode(layout.Sample(rand.New(rand.NewPCG(1, 2)), rows), all)
	if err != nil {
		t.Fatal(err)
	}
	source, sink := memory.Start(t, "v2.6.19"), &store.Sink{}
	source.Add(t, c)
	source.Sealed(t, c.Name, labtest.Rows{N: rows, Columns: data})
	m, err := exporter.Export(t.Context(), source.Client(t), c.Name, sink, exporter.Options{Job: "j", PartBytes: 2000})
	if err != nil {
		t.Fatal(err)
	}
	return m, sink
}

// TestLaterTypes brings each to a server that has it, and tells one that has not before anything is made.
func TestLaterTypes(t *testing.T) {
	t.Parallel()
	m, sink := exportedLater(t)
	for version, lacks := range map[string][]string{
		"v2.3.5":  {"does not take the types of", "halves (Float16Vector)", "brains (BFloat16Vector)", "sparse (SparseFloatVector)", "ints (Int8Vector)"},
		"v2.5.27": {"does not take the types of ints (Int8Vector), time (Timestamptz)"},
		"v2.6.2":  {"does not take the types of place (Geometry)"},
		"v2.6.19": nil,
		"v3.0.2":  nil,
	} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			to := newTarget(t)
			server := connectLater(t, milvus.Config{Address: to.later(t, double.Config{Version: version}).Address})
			opts := to.waiting(time.Minute)
			opts.Force = true // whatever bulk insert loses beside
			_, err := importer.Import(t.Context(), server, sink, m, bucket{to.staging}, opts)
			if lacks == nil {
				if err != nil {
					t.Fatal(err)
				}
				to.wantOnce(t, m, sink)
				return
			}
			for _, says := range lacks {
				if !errors.Is(err, importer.ErrTarget) || !strings.Contains(err.Error(), says) {
					t.Errorf("import: %v, want an error that says %q", err, says)
				}
			}
			if made := to.Collections(); len(made) > 0 {
				t.Errorf("made: %v", made)
			}
		})
	}
}
