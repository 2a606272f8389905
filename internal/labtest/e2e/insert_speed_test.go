//go:build lab

package e2e

import (
	"context"
	"errors"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"migrate/deploy/lab"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/model"
	"migrate/sinks"
)

// width of the vectors whose inserts are timed, and how many go into one call that was prepared.
const (
	insertedWidth = 384
	insertedBatch = 2048
	insertedCalls = 4 // at once
)

// TestInsertSpeed times the rows of an import by inserts beside calls that were encoded before, thrown at the same standalone in turns, and
// beside pymilvus' upserts. It prints; `make bench` runs it with more rows. Nothing fails by a time here.
func TestInsertSpeed(t *testing.T) {
	rows, rounds := numberFrom("INSERT_ROWS", 10_000), numberFrom("INSERT_ROUNDS", 1)
	m, sink := exportedForSpeed(t, rows)
	var own, prepared, pymilvus inserted
	for range rounds {
		own.add(timeImport(t, m, sink))
		prepared.add(timePrepared(t, rows))
		pymilvus.add(timePymilvus(t, rows))
	}
	all := float64(rows * rounds)
	t.Logf("%d rows x %d dimensions, %d rounds; rows/s to the last answer, and until all is flushed", rows, insertedWidth, rounds)
	t.Logf("import --via insert  %8.0f  %8.0f", all/own.answered.Seconds(), all/own.flushed.Seconds())
	t.Logf("calls prepared       %8.0f  %8.0f", all/prepared.answered.Seconds(), all/prepared.flushed.Seconds())
	t.Logf("pymilvus             %8.0f  %8.0f", all/pymilvus.answered.Seconds(), all/pymilvus.flushed.Seconds())
	t.Logf("import --via insert has %.2f, and %.2f, of the rate of calls that were prepared, and %.1f, and %.1f, times that of pymilvus",
		prepared.answered.Seconds()/own.answered.Seconds(), prepared.flushed.Seconds()/own.flushed.Seconds(),
		pymilvus.answered.Seconds()/own.answered.Seconds(), pymilvus.flushed.Seconds()/own.flushed.Seconds())
}

// inserted is how long inserts took from the first call to the last answer, and until all was flushed.
type inserted struct{ answered, flushed time.Duration }

func (i *inserted) add(more inserted) {
	i.answered += more.answered
	i.flushed += more.flushed
}

func numberFrom(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return otherwise
}

func speedCollection() *model.Collection {
	return labtest.Collection(labtest.Schema(
		labtest.IntKey("id"), labtest.Field("text", schemapb.DataType_VarChar), labtest.Vector("v", schemapb.DataType_FloatVector, insertedWidth)))
}

func speedRows(from, to int) labtest.Rows {
	n := to - from
	return labtest.Rows{N: n, Columns: []*schemapb.FieldData{
		labtest.Column(labtest.IntKey("id"), labtest.Each(n, func(i int) int64 { return int64(from + i) })),
		labtest.Column(labtest.Field("text", schemapb.DataType_VarChar), labtest.Each(n, func(i int) string { return "row " + strconv.Itoa(from+i) })),
		labtest.Vectors("v", insertedWidth, n, uint64(from)),
	}}
}

func exportedForSpeed(t *testing.T, rows int) (*export.Manifest, sinks.Sink) {
	t.Helper()
	from, c, sink := memory.Start(t, "v2.3.5"), speedCollection(), labtest.Local(t)
	from.Add(t, c)
	from.Sealed(t, c.Name, speedRows(0, rows))
	m, err := exporter.Export(t.Context(), from.Client(t), c.Name, sink, exporter.Options{Job: "j"})
	if err != nil {
		t.Fatal(err)
	}
	return m, sink
}

// timeImport times the rows of an import.
func timeImport(t *testing.T, m *export.Manifest, sink sinks.Sink) inserted {
	t.Helper()
	to, as, began := labtest.Source(t), labtest.Name(), map[string]time.Time{}
	var mu sync.Mutex
	var answered time.Time
	labtest.DropLater(t, to, as)
	opts := importer.Options{As: as, Via: importer.Insert, Jobs: insertedCalls}
	opts.Step = func(name string, _ int64) { began[name] = time.Now() }
	opts.Imported = func(int64) {
		mu.Lock()
		defer mu.Unlock()
		answered = time.Now()
	}
	if _, err := importer.Import(t.Context(), to, sink, m, nil, opts); err != nil {
		t.Fatal(err)
	}
	return inserted{answered.Sub(began["insert"]), began["index"].Sub(began["insert"])}
}

// timePrepared times as many calls at once that are bytes already.
func timePrepared(t *testing.T, rows int) inserted {
	t.Helper()
	to, c := labtest.Source(t), speedCollection()
	labtest.DropLater(t, to, c.Name)
	if err := to.Create(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(lab.Standalone, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(labtest.AsSent{})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	calls := preparedCalls(t, c.Name, rows)
	began := time.Now()
	var g errgroup.Group
	g.SetLimit(insertedCalls)
	for _, call := range calls {
		g.Go(func() error { return throw(t.Context(), conn, call) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	answered := time.Since(began)
	labtest.Flush(t, to, c.Name)
	return inserted{answered, time.Since(began)}
}

func preparedCalls(t *testing.T, collection string, rows int) (calls [][]byte) {
	t.Helper()
	for from := 0; from < rows; from += insertedBatch {
		some := speedRows(from, min(from+insertedBatch, rows))
		call, err := proto.Marshal(&milvuspb.UpsertRequest{CollectionName: collection, FieldsData: some.Columns, NumRows: uint32(some.N)})
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, call)
	}
	return calls
}

func throw(ctx context.Context, conn *grpc.ClientConn, call []byte) error {
	var answer []byte
	if err := conn.Invoke(ctx, milvuspb.MilvusService_Upsert_FullMethodName, &call, &answer); err != nil {
		return err
	}
	var result milvuspb.MutationResult
	if err := proto.Unmarshal(answer, &result); err != nil {
		return err
	}
	if st := result.GetStatus(); st.GetCode() != 0 || st.GetReason() != "" {
		return errors.New(st.GetReason())
	}
	return nil
}

// timePymilvus times pymilvus, which makes one call after the other.
func timePymilvus(t *testing.T, rows int) inserted {
	t.Helper()
	to, c := labtest.Source(t), speedCollection()
	labtest.DropLater(t, to, c.Name)
	if err := to.Create(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	var took struct{ Answered, Flushed float64 }
	if err := labtest.NewPython(t.Context(), &took, "testdata/upsert.py", lab.Standalone, c.Name, strconv.Itoa(rows), strconv.Itoa(insertedWidth), "1000"); err != nil {
		t.Fatal(err)
	}
	return inserted{time.Duration(took.Answered * float64(time.Second)), time.Duration(took.Flushed * float64(time.Second))}
}
