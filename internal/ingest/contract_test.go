package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/ingest"
	"migrate/internal/ingest/ingesttest"
	"migrate/internal/labtest"
	"migrate/internal/labtest/double"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/sinks"
)

// target is a server in memory, with an empty collection, whose bulk insert reads a local store.
type target struct {
	*memory.Server
	client *milvus.Server
	coll   *model.Collection
	bucket sinks.Sink
}

func newTarget(t *testing.T) target {
	t.Helper()
	m := target{memory.Start(t, "v2.3.5"), nil, labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2))), labtest.Local(t)}
	m.Bucket = m.bucket
	m.Add(t, m.coll)
	m.client = m.Client(t)
	return m
}

func (m target) subject(t *testing.T, dialect ingest.Dialect, loseAnswer func()) ingesttest.Subject {
	return ingesttest.Subject{
		Dialect: dialect, Collection: m.coll.Name, LoseAnswer: loseAnswer,
		Put: func(file string, rows int64) { m.put(t, file, rows) },
		Rows: func() int64 {
			rows, err := m.client.RowCount(t.Context(), m.coll.Name)
			if err != nil {
				t.Fatal(err)
			}
			return rows
		},
	}
}

// put writes a file of rows.
func (m target) put(t *testing.T, file string, rows int64) {
	t.Helper()
	layout, err := columns.NewLayout(m.coll.Schema)
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.bucket.Put(t.Context(), file, func(w io.Writer) error {
		out, err := export.NewWriter(w, layout.Arrow)
		if err != nil {
			return err
		}
		if err := out.Write(layout.Sample(rand.New(rand.NewPCG(1, 1)), int(rows))); err != nil {
			return err
		}
		return out.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// count counts the rows of a file.
func (m target) count(ctx context.Context, name string) (rows int64, there bool, err error) {
	obj, err := m.bucket.Open(ctx, name)
	if errors.Is(err, sinks.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	defer obj.Close()
	parquet, err := file.NewParquetReader(obj)
	if err != nil {
		return 0, false, err
	}
	return parquet.NumRows(), true, nil
}

func (m target) fake(t *testing.T) *ingesttest.Fake {
	bring := func(ctx context.Context, o ingest.Order) (int64, error) {
		return m.BulkInsert(ctx, o.Collection, o.Partition, o.Files...)
	}
	return ingesttest.New(t, bring, func(ctx context.Context, o ingest.Order) (rows int64, err error) {
		for _, f := range o.Files {
			n, there, err := m.count(ctx, f)
			if err != nil || !there {
				return 0, errors.Join(err, fmt.Errorf("no such file: %s", f))
			}
			rows += n
		}
		return rows, nil
	})
}

// TestFake holds the fake to the contract.
func TestFake(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T) (ingesttest.Subject, *ingesttest.Fake) {
		m := newTarget(t)
		fake := m.fake(t)
		fake.Most.Files = 8
		return m.subject(t, fake, func() { fake.Queue(ingesttest.Submit, ingesttest.LoseAnswer()) }), fake
	}
	ingesttest.Contract(t, func(t *testing.T) ingesttest.Subject {
		s, _ := open(t)
		return s
	})
	ingesttest.CommitContract(t, func(t *testing.T) ingesttest.Subject {
		s, fake := open(t)
		fake.Commits = true
		return s
	})
}

// TestGRPC holds the dialect of 2.3 to it.
func TestGRPC(t *testing.T) {
	t.Parallel()
	ingesttest.Contract(t, func(t *testing.T) ingesttest.Subject {
		m := newTarget(t)
		var mu sync.Mutex
		lose := false
		m.Answer(func(method string) error {
			mu.Lock()
			defer mu.Unlock()
			if method == "Import" && lose {
				lose = false
				return status.Error(codes.Unavailable, "the connection broke")
			}
			return nil
		})
		return m.subject(t, open(t, m.client), func() {
			mu.Lock()
			defer mu.Unlock()
			lose = true
		})
	})
}

// TestREST holds the dialect of later versions to it, without and with commits.
func TestREST(t *testing.T) {
	t.Parallel()
	over := func(cfg double.Config) func(*testing.T) ingesttest.Subject {
		return func(t *testing.T) ingesttest.Subject {
			m, cfg := newTarget(t), cfg
			cfg.Upstream, cfg.Rows = m.Address, m.count
			standIn := double.Start(t, cfg)
			later, err := milvus.Connect(t.Context(), milvus.Config{Address: standIn.Address})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { later.Close() })
			return m.subject(t, open(t, later), func() { standIn.Queue(double.Create, double.LoseAnswer()) })
		}
	}
	ingesttest.Contract(t, over(double.Config{Version: "v2.4.15", Success: 200}))
	ingesttest.CommitContract(t, over(double.Config{Version: "v3.0.0", Commit: true}))
}

func open(t *testing.T, server *milvus.Server) ingest.Dialect {
	t.Helper()
	dialect, err := ingest.Open(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	return dialect
}

// TestOpen refuses a version of which nothing is known, and another thing than a REST API.
func TestOpen(t *testing.T) {
	t.Parallel()
	if _, err := ingest.Open(t.Context(), memory.Start(t, "custom").Client(t)); !errors.Is(err, ingest.ErrNoDialect) {
		t.Errorf("an unknown version: %v", err)
	}
	if _, err := ingest.Open(t.Context(), memory.Start(t, "v2.4.15").Client(t)); err == nil {
		t.Error("no REST API, and it was opened")
	}
}
