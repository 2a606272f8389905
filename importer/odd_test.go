package importer_test

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/ingest"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/labtest/memory"
	"migrate/sinks"
	store "migrate/sinks/memory"
)

// oddRows of the rows of exportedOdd have NaN or an infinity: every tenth, and all of the last part.
const oddRows = rows*3/4/10 + rows/4

func exportedOdd(t *testing.T) (*export.Manifest, sinks.Sink) {
	t.Helper()
	price := labtest.Field("price", schemapb.DataType_Double)
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2), price))
	source, sink := memory.Start(t, "v2.3.5"), &store.Sink{}
	source.Add(t, c)
	of := numbered(0, rows)
	of.Columns = append(of.Columns, labtest.Column(price, labtest.Each(rows, func(i int) float64 {
		switch {
		case i >= rows*3/4:
			return math.NaN()
		case i%10 == 3:
			return math.Inf(i%20 - 10)
		}
		return float64(i)
	})))
	source.Sealed(t, c.Name, of)
	m, err := exporter.Export(t.Context(), source.Client(t), c.Name, sink, exporter.Options{Job: "j", PartBytes: 800})
	if err != nil {
		t.Fatal(err)
	}
	if n := m.Columns["price"].NotFinite; n == nil || n.Int != 3 || len(m.Parts) < 4 {
		t.Fatalf("an export of %d parts, the first odd row %v, shows little", len(m.Parts), n)
	}
	return m, sink
}

// TestOdd brings the rows that bulk insert refuses by upserts, and no others: each job brings what is left of its parts.
func TestOdd(t *testing.T) {
	t.Parallel()
	m, sink := exportedOdd(t)
	for files, jobs := range map[int]int{1: len(m.Parts), 2: 0} {
		t.Run(fmt.Sprintf("%d files a job", files), func(t *testing.T) {
			t.Parallel()
			to := newTarget(t)
			to.Most.Files = files
			var brought int64
			opts := to.patient()
			opts.Imported = func(n int64) { brought += n }
			var looking atomic.Bool
			var looked atomic.Int64
			opts.Step = func(name string, _ int64) { looking.Store(name == "look for odd rows") }
			opts.Progress = func(n, _ int64) {
				if looking.Load() {
					looked.Add(n)
				}
			}
			r, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, opts)
			if err != nil {
				t.Fatal(err)
			}
			if n := looked.Load(); n != rows {
				t.Errorf("told of %d rows that were looked at, of %d", n, rows)
			}
			if r.NotFinite != oddRows || brought != rows-oddRows || r.Rows != rows || jobs > 0 && len(to.Jobs()) >= jobs {
				t.Errorf("%+v, %d rows by %d jobs; want %d upserted", r, brought, len(to.Jobs()), oddRows)
			}
			to.wantOnce(t, m, sink)
			to.wantNoFence(t)
		})
	}
}

// TestOddNewKeys: rows that get new keys could be brought twice by an upsert, so they are refused, and come by --via insert.
func TestOddNewKeys(t *testing.T) {
	t.Parallel()
	m, sink := exportedOdd(t)
	m.Collection.Schema.Fields[0].AutoID = true
	to := newTarget(t)
	if _, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient()); !errors.Is(err, ingest.ErrValue) || len(to.Collections()) > 0 {
		t.Errorf("by bulk insert: %v", err)
	}
	opts := to.inserting()
	opts.NewKeys = true
	if _, err := importer.Import(t.Context(), to.client, sink, m, nil, opts); err != nil {
		t.Fatal(err)
	}
	to.wantNewKeys(t, m, sink)
}

// TestOddCrashes has an import die at each write of its checkpoint, and its jobs be forgotten: what is left out of them is counted as such.
func TestOddCrashes(t *testing.T) {
	t.Parallel()
	m, sink := exportedOdd(t)
	dyingAtEachWrite(t, func(t *testing.T, dying *mortal) {
		faulttable.Tried(t, "import of rows with NaN: died before or after a write of its checkpoint, its jobs forgotten by then", 1, "the same command ends it: every row once")
		to := newTarget(t)
		to.Most.KnownFor = 0
		dying.Sink = to.staging
		opts := to.patient()
		opts.Dialect = mortalDialect{to.Fake, dying}
		_, err := importer.Import(t.Context(), to.client, sink, m, dying, opts)
		ended := dying.ended(t, err)
		to.Finish(t.Context())
		to.Forget()
		to.wantResumed(t, m, sink, ended)
	})
}
