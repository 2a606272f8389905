//go:build lab

package e2e

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"

	"migrate/deploy/lab"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/columns"
	"migrate/internal/cutover"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/labtest/pairs"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/syncer"
	"migrate/internal/verify"
)

// TestLiteToLite brings rows from a Milvus Lite to another one by the row writes of a sync, which makes the collection there: with every
// type that both have. What changes comes after them, and a pass that finds nothing new writes nothing.
func TestLiteToLite(t *testing.T) {
	t.Parallel()
	for name, servers := range map[string]struct {
		from, to  func(*testing.T) *milvus.Server
		partition string // beside the default one
		schema    *schemapb.CollectionSchema
	}{
		"2.5": {func(t *testing.T) *milvus.Server { return labtest.Lite25(t) }, func(t *testing.T) *milvus.Server { return labtest.SpareLite25(t) }, model.DefaultPartition, litePlain(
			labtest.Vector("bits", schemapb.DataType_BinaryVector, 264), labtest.Vector("halves", schemapb.DataType_Float16Vector, 33),
			labtest.Vector("brains", schemapb.DataType_BFloat16Vector, 33),
		)},
		"3": {func(t *testing.T) *milvus.Server { return labtest.Lite3(t) }, liteDatabase, "a", litePlain(
			labtest.MayBeNull(labtest.Field("number", schemapb.DataType_Int64)), labtest.MayBeNull(labtest.Field("title", schemapb.DataType_VarChar)),
			labtest.MayBeNull(labtest.Array("more", schemapb.DataType_Int32)), labtest.MayBeNull(labtest.Field("place", schemapb.DataType_Geometry)),
			labtest.MayBeNull(labtest.Field("time", schemapb.DataType_Timestamptz)),
		)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const rows = 600
			from, to, c := servers.from(t), servers.to(t), labtest.Collection(servers.schema, servers.partition)
			labtest.Create(t, from, c)
			labtest.Insert(t, from, c.Name, "", liteRows(t, c, 1, 0, 500))
			labtest.Insert(t, from, c.Name, servers.partition, liteRows(t, c, 1, 500, rows))
			p := pairs.Pair{Source: from, Target: to, Name: c.Name, Sink: labtest.Local(t)}
			labtest.DropLater(t, to, c.Name)
			opts := syncer.Options{Job: "j", Collection: c.Name, Create: true, Once: true}
			wantApplied(t, p, opts, rows, 0)
			wantLitesEqual(t, p, rows)
			wantApplied(t, p, opts, 0, 0)

			labtest.Delete(t, from, c.Name, `id in ["key-000000", "key-000599"]`)
			labtest.Upsert(t, from, c.Name, liteRows(t, c, 2, 0, 50))
			wantApplied(t, p, opts, 50, 1)
			wantLitesEqual(t, p, rows-1)
			wantApplied(t, p, opts, 0, 0)
		})
	}
}

// TestLiteDrops: what a Milvus Lite 3 does not keep stays a difference, which verify names and a sync ends with.
func TestLiteDrops(t *testing.T) {
	t.Parallel()
	from, to, c := labtest.Lite25(t), labtest.Lite3(t), labtest.Collection(narrow())
	c.Schema.EnableDynamicField = true
	labtest.Create(t, from, c)
	rows := narrowRows([]int64{1, 2, 3})
	rows.Columns = append(rows.Columns, labtest.Dynamic([][]byte{[]byte(`{"b": 1.50, "ä": 1}`), []byte(`{"_seq": 1}`), []byte(`{}`)}))
	labtest.Insert(t, from, c.Name, "", rows)
	labtest.DropLater(t, to, c.Name)
	p := pairs.Pair{Source: from, Target: to, Name: c.Name, Sink: labtest.Local(t)}
	if _, err := p.Sync(t, syncer.Options{Job: "j", Collection: c.Name, Create: true, Once: true}); !errors.Is(err, model.ErrDiffers) {
		t.Errorf("synced with %v", err)
	}
	r := p.Compare(t)
	if !slices.Equal(r.Rows.DifferingKeys, []model.Key{model.IntKey(2)}) || r.Rows.Differing != 1 || r.Right.Rows != 3 || !slices.Equal(r.ByValue, []string{"$meta"}) {
		t.Errorf("%+v", r)
	}
}

// litePlain is a schema of what every Milvus Lite has, and of some fields more.
func litePlain(more ...*schemapb.FieldSchema) *schemapb.CollectionSchema {
	s := labtest.Schema(append([]*schemapb.FieldSchema{
		labtest.TextKey("id"), labtest.Field("doc", schemapb.DataType_JSON), labtest.Array("tags", schemapb.DataType_VarChar),
		labtest.Field("double", schemapb.DataType_Double), labtest.Vector("v", schemapb.DataType_FloatVector, 8),
		labtest.Field("sparse", schemapb.DataType_SparseFloatVector),
	}, more...)...)
	s.EnableDynamicField = true
	return s
}

// liteRows are the rows of a sample from one to another.
func liteRows(t *testing.T, c *model.Collection, seed uint64, from, to int) labtest.Rows {
	t.Helper()
	layout, err := columns.NewLayout(c.Schema)
	if err != nil {
		t.Fatal(err)
	}
	data, err := layout.Encode(layout.Sample(rand.New(rand.NewPCG(seed, 2)), to), labtest.Each(to-from, func(i int) int { return from + i }))
	if err != nil {
		t.Fatal(err)
	}
	return labtest.Rows{N: to - from, Columns: data}
}

// liteDatabase is a database of its own on the Milvus Lite 3.
func liteDatabase(t *testing.T) *milvus.Server {
	t.Helper()
	plain, name := labtest.Lite3(t), labtest.Name()
	svc := labtest.Protocol(t, plain)
	if _, err := svc.CreateDatabase(t.Context(), &milvuspb.CreateDatabaseRequest{DbName: name}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := svc.DropDatabase(context.WithoutCancel(t.Context()), &milvuspb.DropDatabaseRequest{DbName: name}); err != nil {
			t.Error(err)
		}
	})
	return connectLater(t, milvus.Config{Address: lab.Lite3, Database: name})
}

// wantApplied runs a pass, and wants so many rows to be written by it, and deleted.
func wantApplied(t *testing.T, p pairs.Pair, opts syncer.Options, written, deleted int64) {
	t.Helper()
	reports, err := p.Sync(t, opts)
	if err != nil {
		t.Fatal(err)
	}
	var done syncer.Outcome
	for _, r := range reports {
		done.Inserted, done.Deleted = done.Inserted+r.Inserted+r.Changed, done.Deleted+r.Deleted
	}
	if done.Inserted != written || done.Deleted != deleted {
		t.Errorf("%d rows were written and %d deleted, want %d and %d", done.Inserted, done.Deleted, written, deleted)
	}
}

// wantLitesEqual wants both sides to hold the same rows, by their own checksums and as pymilvus reads them.
func wantLitesEqual(t *testing.T, p pairs.Pair, rows int64) {
	t.Helper()
	if report := p.Compare(t); !report.SameRows() || report.Right.Rows != rows {
		t.Fatalf("%d rows should be equal: %+v", rows, report)
	}
	wantPymilvusEqual(t, p.Source, p.Target, p.Name, rows)
}

func wantPymilvusEqual(t *testing.T, from, to *milvus.Server, name string, rows int64) {
	t.Helper()
	var compared struct {
		Rows      int64
		Differing []any
	}
	err := labtest.NewPython(t.Context(), &compared, "testdata/compare.py", from.Address, from.Database(), name, to.Address, to.Database(), name)
	if err != nil {
		t.Fatal(err)
	}
	if compared.Rows != rows || len(compared.Differing) > 0 {
		t.Errorf("pymilvus reads %d rows, want %d; %v differ", compared.Rows, rows, compared.Differing)
	}
}

// TestLiteToCluster moves a collection of each Milvus Lite to the cluster by bulk insert, brings what has changed by a sync, switches over,
// brings what is written to the cluster then, and goes back.
func TestLiteToCluster(t *testing.T) {
	t.Parallel()
	for name, from := range map[string]*milvus.Server{"2.5": labtest.Lite25(t), "3": labtest.Lite3(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			schema := labtest.Schema(labtest.TextKey("id"), labtest.Field("doc", schemapb.DataType_JSON), labtest.Array("tags", schemapb.DataType_VarChar),
				labtest.Field("n", schemapb.DataType_Int16), labtest.Vector("v", schemapb.DataType_FloatVector, 8))
			schema.EnableDynamicField = true
			c, to := labtest.Collection(schema), labtest.Target(t)
			labtest.Create(t, from, c)
			labtest.Insert(t, from, c.Name, "", liteRows(t, c, 1, 0, 700))
			sink := labtest.Local(t)
			m, err := exporter.Export(t.Context(), from, c.Name, sink, exporter.Options{Job: "j", PartBytes: 20_000})
			if err != nil {
				t.Fatal(err)
			}
			labtest.DropLater(t, to, c.Name)
			if _, err := importer.Import(t.Context(), to, sink, m, labtest.Staging(t), importer.Options{}); err != nil {
				t.Fatal(err)
			}
			p := pairs.Pair{Source: from, Target: to, Name: c.Name, Sink: sink}
			wantEqual(t, compare(t, side(t, from, c.Name), side(t, to, c.Name), verify.Options{}), 700)
			wantPymilvusEqual(t, from, to, c.Name, 700)
			labtest.Upsert(t, from, c.Name, liteRows(t, c, 2, 0, 30))
			opts := syncer.Options{Job: "j", Collection: c.Name, BaseDone: true, Once: true}
			wantApplied(t, p, opts, 30, 0)
			wantLitesEqual(t, p, 700)
			switchTo(t, p, opts, syncer.Target)
			labtest.Upsert(t, to, c.Name, liteRows(t, c, 3, 0, 20))
			labtest.Delete(t, to, c.Name, `id in ["key-000300"]`)
			wantApplied(t, p, opts, 20, 1)
			wantLitesEqual(t, p, 699)
			switchTo(t, p, opts, syncer.Source)
		})
	}
}

func switchTo(t *testing.T, p pairs.Pair, opts syncer.Options, to syncer.Side) {
	t.Helper()
	how := cutover.Options{To: to, Still: time.Second, AllowDifferences: true}
	if _, err := cutover.Run(t.Context(), p.Source, p.Target, p.Sink, opts, how); err != nil {
		t.Fatal(err)
	}
	p.WantServing(t, to)
}

// TestLiteKeys exports keys that are hard to name in a filter, or are there twice.
func TestLiteKeys(t *testing.T) {
	t.Parallel()
	ints := []int64{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, math.MaxInt64 - 1, math.MaxInt64}
	texts := labtest.Each(400, func(i int) string {
		return fmt.Sprintf("%c\t\"%03d\\%s", 'a'+rune(i%7), i, []string{"", "\n", "\r\n", "漢\U0002000b", "'"}[i%5])
	})
	for name, server := range map[string]*milvus.Server{"2.5": labtest.Lite25(t), "3": labtest.Lite3(t)} {
		for kind, key := range map[string]*schemapb.FieldSchema{"integers": labtest.IntKey("id"), "texts": labtest.TextKey("id")} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				c := labtest.Collection(labtest.Schema(key, labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
				ids, n := labtest.Column(key, ints), len(ints)
				if kind == "texts" {
					ids, n = labtest.Column(key, texts), len(texts)
				}
				rows := labtest.Rows{N: n, Columns: []*schemapb.FieldData{ids, labtest.Vectors("v", 2, n, 1)}}
				labtest.Create(t, server, c)
				labtest.Insert(t, server, c.Name, "", rows)
				if kind == "integers" { // of which 2.5 counts both rows
					labtest.Insert(t, server, c.Name, "", rows)
				}
				sink := labtest.Local(t)
				m, err := exporter.Export(t.Context(), server, c.Name, sink, exporter.Options{Job: "j"})
				if err != nil {
					t.Fatal(err)
				}
				if twice := name == "2.5" && kind == "integers"; m.Total.Rows != int64(n) || (m.Findings.Duplicates.Keys == int64(n)) != twice || len(m.Findings.Unreadable) > 0 {
					t.Errorf("exported %d rows of %d, %+v", m.Total.Rows, n, m.Findings)
				}
				if r := compare(t, export.Source{Sink: sink, Manifest: m}, side(t, server, c.Name), verify.Options{}); r.Left != r.Right || r.Left.Rows != int64(n) {
					t.Errorf("exported %v, read %v", r.Left, r.Right)
				}
			})
		}
	}
}

// TestLitePartitionKey moves collections with a partition key to the cluster. Lite 2.5 takes no filter on them, so that each is read as a
// whole; Lite 3 spreads their rows over 16 partitions, and tells of 17.
func TestLitePartitionKey(t *testing.T) {
	t.Parallel()
	const rows = 2000
	for name, from := range map[string]*milvus.Server{"2.5": labtest.Lite25(t), "3": labtest.Lite3(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tenant := labtest.Field("tenant", schemapb.DataType_Int64)
			tenant.IsPartitionKey = true
			c, to := labtest.Collection(labtest.Schema(labtest.IntKey("id"), tenant, labtest.Vector("v", schemapb.DataType_FloatVector, 2))), labtest.Target(t)
			labtest.Create(t, from, c)
			labtest.Insert(t, from, c.Name, "", labtest.Rows{N: rows, Columns: []*schemapb.FieldData{
				labtest.Column(labtest.IntKey("id"), labtest.Each(rows, func(i int) int64 { return int64(rows - i) })),
				labtest.Column(tenant, labtest.Each(rows, func(i int) int64 { return int64(i % 50) })), labtest.Vectors("v", 2, rows, 1),
			}})
			sink := labtest.Local(t)
			m, err := exporter.Export(t.Context(), from, c.Name, sink, exporter.Options{Job: "j"})
			if err != nil {
				t.Fatal(err)
			}
			labtest.DropLater(t, to, c.Name)
			if _, err := importer.Import(t.Context(), to, sink, m, labtest.Staging(t), importer.Options{}); err != nil {
				t.Fatal(err)
			}
			wantEqual(t, compare(t, side(t, from, c.Name), side(t, to, c.Name), verify.Options{}), rows)
			if made := len(labtest.Describe(t, to, c.Name).Partitions); name == "3" && made != 16 || made < 16 {
				t.Errorf("the cluster has it in %d partitions", made)
			}
		})
	}
}

// TestLiteInNoOrder exports 20,000 rows of a Milvus Lite 3, which answers pages of INT64 and VARCHAR keys in no order once nobody asks it
// for one: all of them, by a number of queries that is bounded by that of the pages.
func TestLiteInNoOrder(t *testing.T) {
	t.Parallel()
	const rows, page = 20_000, 10_000
	for name, key := range map[string]*schemapb.FieldSchema{"integers": labtest.IntKey("id"), "texts": labtest.TextKey("id")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, c := labtest.Lite3(t), labtest.Collection(labtest.Schema(key, labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
			labtest.Create(t, from, c)
			order := rand.Perm(rows)
			ids := labtest.Column(key, labtest.Each(rows, func(i int) string { return fmt.Sprintf("k%05d", order[i]) }))
			if name == "integers" {
				ids = labtest.Column(key, labtest.Each(rows, func(i int) int64 { return int64(order[i]) }))
			}
			data := []*schemapb.FieldData{ids, labtest.Vectors("v", 2, rows, 1)}
			labtest.Insert(t, from, c.Name, "", labtest.Rows{N: rows, Columns: data})
			relay := &disorder{}
			through := labtest.Relay(t, lab.Lite3, relay.pass)
			sink := labtest.Local(t)
			m, err := exporter.Export(t.Context(), connectLater(t, milvus.Config{Address: through}), c.Name, sink, exporter.Options{Job: "j", PartBytes: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			asked := relay.asked()
			t.Logf("%d queries", asked)
			if want := liteSum(t, c, data); m.Total != want || len(m.Findings.Unreadable) > 0 || asked > 10*rows/page+20 {
				t.Errorf("exported %v by %d queries, want %v; %+v", m.Total, asked, want, m.Findings)
			}
		})
	}
}

// liteSum is the checksum of rows as they were sent.
func liteSum(t *testing.T, c *model.Collection, data []*schemapb.FieldData) (sum model.Sum) {
	t.Helper()
	layout, err := columns.NewLayout(c.Schema)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := layout.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	hashes, err := columns.Hash(rec)
	if err != nil {
		t.Fatal(err)
	}
	sum.AddRows(hashes)
	return sum
}

// disorder passes queries on, and leaves out of them that their pages are to be in order.
type disorder struct {
	mu      sync.Mutex
	queries int
}

func (d *disorder) pass(_ context.Context, method string, request []byte) ([]byte, error) {
	if method != "Query" {
		return request, nil
	}
	d.mu.Lock()
	d.queries++
	d.mu.Unlock()
	var q milvuspb.QueryRequest
	if err := proto.Unmarshal(request, &q); err != nil {
		return nil, err
	}
	var left []*commonpb.KeyValuePair
	for _, p := range q.QueryParams {
		if p.Key != "iterator" {
			left = append(left, p)
		}
	}
	q.QueryParams = left
	return proto.Marshal(&q)
}

// asked is how many queries were passed on.
func (d *disorder) asked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queries
}
