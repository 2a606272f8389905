//go:build lab

package storage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/deploy/lab"
	"migrate/internal/clock"
	"migrate/internal/columns"
	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/storage"
	"migrate/sinks"
)

// TestBesideBulkInsert reads a collection again and again while a file is bulk-inserted into it. The rows of the file are read as a whole or
// not at all, or it is refused by name; what was planned before is read without them.
func TestBesideBulkInsert(t *testing.T) {
	t.Parallel()
	server, bucket, staging := labtest.Target(t), labtest.TargetStorage(t), labtest.Staging(t)
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 8)))
	labtest.Create(t, server, c)
	labtest.Insert(t, server, c.Name, "", numbered(0, 500))
	described := labtest.Describe(t, server, c.Name)
	stage(t, staging, described, "rows.parquet", numbered(10_000, 1000))
	early, plan := plannedOn(t, server, bucket, described)
	task, err := server.Import(t.Context(), c.Name, "", strings.TrimPrefix(staging.URL("rows.parquet"), "s3://"+lab.ClusterBucket+"/"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), labtest.Patience)
	defer stop()
	var without, with, refused int
	for with == 0 {
		state, err := server.ImportTask(ctx, task)
		if err != nil || state.Failed {
			t.Fatal(state, err)
		}
		rows, err := rowsOf(ctx, server, bucket, described)
		switch n := rows[model.DefaultPartition]; {
		case errors.Is(err, storage.ErrBusy) && !state.Completed:
			refused++
			if err := clock.Sleep(ctx, 100*time.Millisecond); err != nil {
				t.Fatal(err)
			}
		case err != nil:
			t.Fatal(err)
		case n == 500 && !state.Completed:
			without++
		case n == 1500:
			with++
		default:
			t.Fatalf("%d rows, and the bulk insert is %s", n, state.State)
		}
	}
	if rows, err := readRows(t.Context(), early, plan); err != nil || rows[model.DefaultPartition] != 500 {
		t.Errorf("what was planned before: %v, %v", rows, err)
	}
	t.Logf("%d reads without the file's rows, %d refused", without, refused)
	if err := staging.Delete(t.Context(), "rows.parquet"); err != nil {
		t.Fatal(err)
	}
}

// TestBesideDrop reads a collection that is not loaded while partitions of it are dropped: between the flushes, after both, and when all is planned.
// The rows of one that is dropped are read as a whole or not at all, and those of all others.
func TestBesideDrop(t *testing.T) {
	t.Parallel()
	server, bucket := labtest.Source(t), labtest.SourceStorage(t)
	names := []string{"a", "b", "c", "d"}
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 8)), names...)
	labtest.Create(t, server, c)
	for i, name := range names {
		labtest.Insert(t, server, c.Name, name, numbered(1000*i, 300))
	}
	if err := server.Release(t.Context(), c.Name); err != nil {
		t.Fatal(err)
	}
	protocol := labtest.Protocol(t, server)
	for i, dropped := range names[:3] {
		drop := func() {
			if _, err := protocol.DropPartition(t.Context(), &milvuspb.DropPartitionRequest{CollectionName: c.Name, PartitionName: dropped}); err != nil {
				t.Error(err)
			}
		}
		beside := &hooked{Server: server, flushed: func(nth int) {
			if nth == i+1 {
				drop()
			}
		}}
		s, plan := plannedOn(t, beside, bucket, labtest.Describe(t, server, c.Name))
		if i == 2 {
			drop()
		}
		rows, err := readRows(t.Context(), s, plan)
		if err != nil {
			t.Fatal(err)
		}
		wantRows(t, rows, names[i+1:], dropped)
	}
}

// hooked is a server that tells of its flushes.
type hooked struct {
	*milvus.Server
	flushes int
	flushed func(nth int)
}

func (h *hooked) FlushAt(ctx context.Context, collection string) (milvus.Flushed, error) {
	at, err := h.Server.FlushAt(ctx, collection)
	h.flushes++
	h.flushed(h.flushes)
	return at, err
}

// wantRows wants 300 rows of each partition, and of some perhaps none.
func wantRows(t *testing.T, rows map[string]int64, names []string, perhaps ...string) {
	t.Helper()
	for _, name := range names {
		if rows[name] != 300 {
			t.Errorf("%d rows of partition %s: %v", rows[name], name, rows)
		}
	}
	for name, n := range rows {
		if n > 0 && !slices.Contains(names, name) && (!slices.Contains(perhaps, name) || n != 300) {
			t.Errorf("%d rows of partition %s, which was dropped", n, name)
		}
	}
}

// numbered are rows with keys from one on.
func numbered(from, n int) labtest.Rows {
	return labtest.Rows{N: n, Columns: []*schemapb.FieldData{
		labtest.Column(labtest.IntKey("id"), labtest.Each(n, func(i int) int64 { return int64(from + i) })), labtest.Vectors("v", 8, n, uint64(from)),
	}}
}

// stage writes rows as a file that bulk insert takes.
func stage(t *testing.T, sink sinks.Sink, c *model.Collection, name string, rows labtest.Rows) {
	t.Helper()
	layout, err := columns.NewLayout(c.Schema)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := layout.Decode(rows.Columns)
	if err != nil {
		t.Fatal(err)
	}
	_, err = sink.Put(t.Context(), name, func(to io.Writer) error {
		w, err := pqarrow.NewFileWriter(rec.Schema(), to, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
		if err != nil {
			return err
		}
		return errors.Join(w.Write(rec), w.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// rowsOf reads all rows from the storage, and counts those of each partition; a key that comes twice is an error.
func rowsOf(ctx context.Context, server *milvus.Server, bucket sinks.Sink, c *model.Collection) (map[string]int64, error) {
	s, err := storage.Opener(server, bucket, storage.Options{})(ctx, c, nil)
	if err != nil {
		return nil, err
	}
	plan, err := s.Plan(ctx, source.Size{Rows: 400, Workers: 1})
	if err != nil {
		return nil, errors.Join(err, s.Close(ctx))
	}
	rows, err := readRows(ctx, s, plan)
	return rows, errors.Join(err, s.Close(ctx))
}

// plannedOn plans to read all rows.
func plannedOn(t *testing.T, server storage.Server, bucket sinks.Sink, c *model.Collection) (source.Source, *source.Plan) {
	t.Helper()
	s, err := storage.Opener(server, bucket, storage.Options{})(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.WithoutCancel(t.Context())) }) // it never fails
	plan, err := s.Plan(t.Context(), source.Size{Rows: 400, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	return s, plan
}

func readRows(ctx context.Context, s source.Source, plan *source.Plan) (map[string]int64, error) {
	rows, seen := map[string]int64{}, map[int64]bool{}
	for _, chunk := range plan.Chunks {
		stream, err := s.Read(ctx, chunk)
		if err != nil {
			return nil, err
		}
		for rec, err := range source.Rows(stream) {
			if err != nil {
				return nil, err
			}
			for _, key := range columns.KeysOf(rec, "id") {
				if seen[key.Int] {
					return nil, fmt.Errorf("key %d comes twice", key.Int)
				}
				seen[key.Int] = true
			}
			rows[chunk.Partition] += rec.NumRows()
		}
	}
	return rows, nil
}
