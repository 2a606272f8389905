//go:build lab

package e2e

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/deploy/lab"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/ingest"
	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/verify"
	"migrate/sinks"
)

// small is a collection on the standalone with the keys from 0.
func small(t *testing.T, rows int) (*milvus.Server, *model.Collection) {
	t.Helper()
	from, c := labtest.Source(t), labtest.Collection(narrow())
	labtest.Create(t, from, c)
	labtest.Insert(t, from, c.Name, "", narrowRows(labtest.Each(rows, func(i int) int64 { return int64(i) })))
	return from, c
}

// exported is a small collection and its export.
func exported(t *testing.T, sink sinks.Sink, rows int) (*model.Collection, *export.Manifest) {
	t.Helper()
	from, c := small(t, rows)
	m, err := exporter.Export(t.Context(), from, c.Name, sink, exporter.Options{Job: c.Name, PartBytes: 50_000})
	if err != nil {
		t.Fatal(err)
	}
	return c, m
}

func importInto(t *testing.T, sink sinks.Sink, m *export.Manifest, staging importer.Staging, opts importer.Options) error {
	t.Helper()
	_, err := importer.Import(t.Context(), labtest.Target(t), sink, m, staging, opts)
	return err
}

// TestIntoServing adds rows to a collection that serves with two replicas, and an index that it had not: it goes on serving
// with both.
func TestIntoServing(t *testing.T) {
	t.Parallel()
	sink, to := labtest.Local(t), labtest.Target(t)
	from, c := small(t, 2000)
	labtest.Create(t, to, c)
	scalar := model.Index{Name: "id", Field: "id", Params: []*commonpb.KeyValuePair{{Key: "index_type", Value: "STL_SORT"}}}
	if err := from.CreateIndex(t.Context(), c.Name, scalar); err != nil {
		t.Fatal(err)
	}
	m, err := exporter.Export(t.Context(), from, c.Name, sink, exporter.Options{Job: c.Name})
	if err != nil {
		t.Fatal(err)
	}
	if err := to.Release(t.Context(), c.Name); err != nil {
		t.Fatal(err)
	}
	protocol := labtest.Protocol(t, to)
	if _, err := protocol.LoadCollection(t.Context(), &milvuspb.LoadCollectionRequest{CollectionName: c.Name, ReplicaNumber: 2}); err != nil {
		t.Fatal(err)
	}
	if err := to.Load(t.Context(), c.Name); err != nil { // no more than waits
		t.Fatal(err)
	}
	if err := importInto(t, sink, m, labtest.Staging(t), importer.Options{IntoExisting: true}); err != nil {
		t.Fatal(err)
	}
	there, err := to.Describe(t.Context(), c.Name)
	if err != nil {
		t.Fatal(err)
	}
	serving, err := protocol.GetReplicas(t.Context(), &milvuspb.GetReplicasRequest{CollectionID: there.ID})
	if err != nil || len(serving.GetReplicas()) != 2 || len(there.Indexes) != 2 {
		t.Errorf("after the import: %d replicas, indexes %v, %v; want 2 of each", len(serving.GetReplicas()), there.Indexes, err)
	}
}

// TestNotFinite: Milvus takes NaN from an insert, and refuses it from a bulk insert. Such rows are upserted after it. Of an export that does
// not tell of them the job fails, by what it is.
func TestNotFinite(t *testing.T) {
	t.Parallel()
	from, sink := labtest.Source(t), labtest.Local(t)
	schema, price := narrow(), labtest.Field("price", schemapb.DataType_Double)
	schema.Fields = append(schema.Fields, price)
	c := labtest.Collection(schema)
	labtest.Create(t, from, c)
	rows := narrowRows([]int64{1, 2, 3})
	rows.Columns = append(rows.Columns, labtest.Column(price, []float64{1, math.NaN(), 3}))
	labtest.Insert(t, from, c.Name, "", rows)
	m, err := exporter.Export(t.Context(), from, c.Name, sink, exporter.Options{Job: c.Name})
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	told := func(_ int64, state ingest.State, _ string) {
		if state == ingest.Failed {
			failed++
		}
	}
	to := labtest.Target(t)
	labtest.DropLater(t, to, c.Name)
	r, err := importer.Import(t.Context(), to, sink, m, labtest.Staging(t), importer.Options{Job: told})
	if err != nil || failed != 0 || r.NotFinite != 1 {
		t.Fatalf("%+v, %d jobs failed: %v", r, failed, err)
	}
	wantEqual(t, compare(t, side(t, from, c.Name), side(t, to, c.Name), verify.Options{}), 3)
	if err := to.Drop(t.Context(), c.Name); err != nil {
		t.Fatal(err)
	}
	m.Columns = nil // as an earlier migrate exported
	if err := importInto(t, sink, m, labtest.Staging(t), importer.Options{Job: told}); !errors.Is(err, ingest.ErrValue) || failed != 1 {
		t.Errorf("of an export of round 1, after %d jobs: %v", failed, err)
	}
	wantAbsent(t, c.Name)
}

// TestOtherDatabase brings an export into a second database too, by a job of its own: each tells of what it has done.
func TestOtherDatabase(t *testing.T) {
	t.Parallel()
	sink, staging := labtest.Local(t), labtest.Staging(t)
	c, m := exported(t, sink, 10)
	database := labtest.Name()
	service := labtest.Protocol(t, labtest.Target(t))
	if _, err := service.CreateDatabase(t.Context(), &milvuspb.CreateDatabaseRequest{DbName: database}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := service.DropDatabase(context.WithoutCancel(t.Context()), &milvuspb.DropDatabaseRequest{DbName: database}); err != nil {
			t.Error(err)
		}
	})
	there, err := milvus.Connect(t.Context(), milvus.Config{Address: lab.Proxy1, Database: database})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { there.Close() })
	labtest.DropLater(t, there, c.Name)
	labtest.DropLater(t, labtest.Target(t), c.Name)
	for _, target := range []*milvus.Server{there, labtest.Target(t)} {
		if _, err := importer.Import(t.Context(), target, sink, m, staging, importer.Options{}); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, compare(t, side(t, labtest.Source(t), c.Name), side(t, target, c.Name), verify.Options{}), 10)
	}
	for _, target := range []*milvus.Server{there, labtest.Target(t)} {
		if _, err := importer.Import(t.Context(), target, sink, m, staging, importer.Options{}); !errors.Is(err, importer.ErrImported) {
			t.Errorf("the same import again: %v", err)
		}
	}
}

func wantAbsent(t *testing.T, collection string) {
	t.Helper()
	there, err := labtest.Target(t).Exists(t.Context(), collection)
	if err != nil || there {
		t.Errorf("the target has the collection: %t, %v", there, err)
	}
}
