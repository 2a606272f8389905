// Package pairs is what tests of a sync and of a cutover start from: a collection on two servers, and the passes that bring them in sync.
package pairs

import (
	"cmp"
	"errors"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/checkpoint"
	"migrate/internal/document"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source/query"
	"migrate/internal/syncer"
	"migrate/internal/verify"
	"migrate/sinks"
	store "migrate/sinks/memory"
)

// Pair is a collection on a source, and one of the same name on a target.
type Pair struct {
	Source, Target *milvus.Server
	Name           string
	Sink           sinks.Sink
	SecondLook     time.Duration // of a sync; the usual one where zero
	RangeRows      int64         // of a pass; 500 where zero
}

// Options are those of a pass over small ranges, onto a target that was filled otherwise.
func (p Pair) Options() syncer.Options {
	return syncer.Options{Job: "j", Collection: p.Name, BaseDone: true, Once: true, RangeRows: cmp.Or(p.RangeRows, 500), SecondLook: p.SecondLook}
}

// Sync runs one pass, and returns the reports of its cycles.
func (p Pair) Sync(t testing.TB, opts syncer.Options) ([]syncer.Report, error) {
	t.Helper()
	var reports []syncer.Report
	opts.Cycled = func(r syncer.Report) {
		t.Logf("cycle %d: in step %t, settled %t, %d ranges, %d rows read, %d hot, %+v, err %v", r.Cycle, r.InStep, r.Settled, r.Ranges, r.Read, r.Hot, r.Outcome, r.Err)
		reports = append(reports, r)
	}
	err := syncer.Run(t.Context(), p.Source, p.Target, p.Sink, opts)
	return reports, err
}

// WantSync runs one pass that has to end in sync.
func (p Pair) WantSync(t testing.TB) []syncer.Report {
	t.Helper()
	reports, err := p.Sync(t, p.Options())
	if err != nil {
		t.Fatal(err)
	}
	return reports
}

// WantQuiet wants a pass that reads no row. A compaction changes the segments without a write, and costs one pass that
// does.
func (p Pair) WantQuiet(t testing.TB) {
	t.Helper()
	for range 5 {
		if r := p.WantSync(t)[0]; r.InStep && r.Read == 0 {
			return
		}
	}
	t.Error("nothing is written, and yet each pass reads rows")
}

// Compare holds the target against the source, row by row.
func (p Pair) Compare(t testing.TB) *verify.Report {
	t.Helper()
	report, err := verify.Compare(t.Context(), Open(t, p.Source, p.Name), Open(t, p.Target, p.Name), verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// WantEqual wants both sides to hold the same rows.
func (p Pair) WantEqual(t testing.TB) {
	t.Helper()
	if report := p.Compare(t); !report.Equal {
		t.Errorf("the two sides differ: %+v", report)
	}
}

// Serving is the side that serves, by the checkpoint.
func (p Pair) Serving(t testing.TB) syncer.Side {
	t.Helper()
	job, err := checkpoint.Read(t.Context(), p.Sink, checkpoint.Name(checkpoint.Sync, "j", p.Name))
	if err != nil {
		t.Fatal(err)
	}
	is, err := syncer.PositionOf(*job)
	if err != nil {
		t.Fatal(err)
	}
	return is.Serving
}

// WantServing looks into the checkpoint.
func (p Pair) WantServing(t testing.TB, want syncer.Side) {
	t.Helper()
	if got := p.Serving(t); !got.Is(want) {
		t.Errorf("the %s serves, want the %s", got, want)
	}
}

// Put writes a checkpoint over the one that is there.
func Put(t testing.TB, sink sinks.Sink, job string, is checkpoint.Job) {
	t.Helper()
	swapper, ok := sinks.As[sinks.Swapper](sink)
	if !ok {
		t.Fatal("the sink can't swap")
	}
	name := checkpoint.Object(job)
	_, version, err := swapper.Load(t.Context(), name)
	if err != nil && !errors.Is(err, sinks.ErrNotExist) {
		t.Fatal(err)
	}
	text, err := document.Marshal(is)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := swapper.Swap(t.Context(), name, version, text); err != nil {
		t.Fatal(err)
	}
}

// Servers is a pair of which both sides are servers in memory.
type Servers struct {
	Pair
	From, To *memory.Server
}

// Start starts a source and a target, each of a version, with an empty collection on both. That on the target may be changed before it
// is made.
func Start(t testing.TB, source, target string, c *model.Collection, change ...func(target *model.Collection)) Servers {
	t.Helper()
	s := Servers{From: memory.Start(t, source), To: memory.Start(t, target)}
	s.From.Add(t, c)
	for _, f := range change {
		f(c)
	}
	s.To.Add(t, c)
	s.Pair = Pair{s.From.Client(t), s.To.Client(t), c.Name, &store.Sink{}, time.Millisecond, 0}
	return s
}

// Open opens a collection as it stands now.
func Open(t testing.TB, server *milvus.Server, name string) *query.Source {
	t.Helper()
	s, err := query.OpenByName(t.Context(), server, name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Count counts the rows of a collection.
func Count(t testing.TB, server *milvus.Server, name string) int64 {
	t.Helper()
	n, err := Open(t, server, name).Count(t.Context(), model.AllPartitions, model.Range{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Drop drops a collection.
func Drop(t testing.TB, server *milvus.Server, name string) {
	t.Helper()
	if err := server.Drop(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}

// ID and Version are the key and the field that says which version of a row it is.
var (
	ID      = labtest.IntKey("id")
	Version = labtest.Field("version", schemapb.DataType_Int64)
)

// Plain is a schema of a key, a version and a small vector.
func Plain(key *schemapb.FieldSchema) *schemapb.CollectionSchema {
	return labtest.Schema(key, Version, labtest.Vector("v", schemapb.DataType_FloatVector, 4))
}

// At are rows of a version.
func At(v int64, keys ...int64) labtest.Rows {
	return labtest.Rows{N: len(keys), Columns: []*schemapb.FieldData{
		labtest.Column(ID, keys),
		labtest.Column(Version, labtest.Each(len(keys), func(int) int64 { return v })),
		labtest.Vectors("v", 4, len(keys), uint64(v)),
	}}
}

// UpTo are the keys from one to another, which is left out.
func UpTo(from, to int64) []int64 {
	return labtest.Each(int(to-from), func(i int) int64 { return from + int64(i) })
}

// In is the filter of some keys.
func In(keys []int64) string {
	of := make([]model.Key, len(keys))
	for i, k := range keys {
		of[i] = model.IntKey(k)
	}
	return milvus.KeyOf(Plain(ID)).In(of)
}

// Numbered is a collection of a key and a small vector, and NumberedRows are rows of it with keys from one to another, the same for the
// same seed.
func Numbered() *model.Collection {
	return labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
}

// NumberedRows are rows of such a collection.
func NumberedRows(from, to int, seed uint64) labtest.Rows {
	keys := labtest.Each(to-from, func(i int) int64 { return int64(from + i) })
	return labtest.Rows{N: len(keys), Columns: []*schemapb.FieldData{labtest.Column(labtest.IntKey("id"), keys), labtest.Vectors("v", 2, len(keys), seed)}}
}
