package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"golang.org/x/sync/errgroup"

	"migrate/deploy/lab"
	"migrate/exporter"
	"migrate/internal/columns"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/monitor"
	"migrate/internal/source"
	"migrate/internal/source/query"
	"migrate/internal/source/storage"
	"migrate/sinks"
)

// alone are the readers that are this program too, which runs itself for each reading, so that its memory is that reader's:
//
//	bench alone READER COLLECTION ROWS
var alone = map[string]struct {
	name string
	read func(ctx context.Context, l *lab.Lab, collection string, rows int64) (told, error)
}{
	"sdk":    {fmt.Sprintf("milvus-sdk-go %s QueryIterator, pages of %d", sdkVersion(), sdkPage), readSDK},
	"floor":  {"the queries alone, their answers thrown away", readFloor},
	"writer": {"the writer alone, of rows that are in memory", writeOnly},
}

// newAlone is one of them, which reads the first rows.
func newAlone(kind string, d documents, rows int) (*reader, error) {
	self, err := os.Executable()
	return &reader{name: alone[kind].name, all: int64(rows), part: rows < d.rows, read: func(ctx context.Context) (reading, error) {
		return runTold(exec.CommandContext(ctx, self, "alone", kind, d.collection, strconv.Itoa(rows)))
	}}, err
}

// readAlone is such a reading.
func readAlone(ctx context.Context, l *lab.Lab, args []string) error {
	if len(args) != 3 || alone[args[0]].read == nil {
		return fmt.Errorf("%q: want a reader, a collection and rows", args)
	}
	rows, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	done, err := alone[args[0]].read(ctx, l, args[1], rows)
	if err != nil {
		return err
	}
	done.Peak = monitor.PeakMemory()
	return json.NewEncoder(os.Stdout).Encode(done)
}

// sdkPage is the page size of the SDK's iterator: its default.
const sdkPage = 1000

// readSDK is the Go SDK's iterator over all fields, from connecting to the page that brings it to so many rows, only counting them.
func readSDK(ctx context.Context, _ *lab.Lab, collection string, enough int64) (done told, err error) {
	began := time.Now()
	c, err := client.NewClient(ctx, client.Config{Address: lab.Standalone})
	if err != nil {
		return told{}, err
	}
	done.Rows, err = iterate(ctx, c, collection, enough)
	done.Seconds = time.Since(began).Seconds()
	return done, errors.Join(err, c.Close())
}

func iterate(ctx context.Context, c client.Client, collection string, enough int64) (rows int64, err error) {
	pages, err := c.QueryIterator(ctx, client.NewQueryIteratorOption(collection).WithOutputFields("*").WithBatchSize(sdkPage))
	for err == nil && rows < enough {
		var page client.ResultSet
		if page, err = pages.Next(ctx); err != nil {
			break
		}
		if len(page) != len(fields)+1 {
			return rows, fmt.Errorf("a page has %d columns; want %d and the dynamic one", len(page), len(fields))
		}
		rows += int64(page.Len())
	}
	if errors.Is(err, io.EOF) {
		return rows, nil
	}
	return rows, err
}

// sdkVersion is the version of the SDK that this program is built with.
func sdkVersion() string {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if dep.Path == "github.com/milvus-io/milvus-sdk-go/v2" {
			return dep.Version
		}
	}
	return "unknown"
}

// workers is how many pages are asked for at once: one for each worker of an export.
const workers = 4

// readFloor asks for the pages that an export by queries reads, and throws the answers away. Cutting the collection into them does not
// count.
func readFloor(ctx context.Context, _ *lab.Lab, collection string, _ int64) (done told, err error) {
	server, err := milvus.Connect(ctx, milvus.Config{Address: lab.Standalone})
	if err != nil {
		return told{}, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	queries, err := queriesOf(ctx, server, collection)
	if err != nil {
		return told{}, err
	}
	rows, began := make([]int64, len(queries)), time.Now()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for i, q := range queries {
		g.Go(func() error {
			answer, err := server.Query(ctx, q)
			rows[i] = rowsOf(answer.Columns)
			return err
		})
	}
	err = g.Wait()
	for _, n := range rows {
		done.Rows += n
	}
	done.Seconds = time.Since(began).Seconds()
	return done, err
}

// queriesOf are those of an export with its usual settings.
func queriesOf(ctx context.Context, server *milvus.Server, collection string) (queries []milvus.Query, err error) {
	plan, err := exporter.PlanExport(ctx, server, collection, exporter.Options{Workers: workers})
	if err != nil {
		return nil, err
	}
	from, err := query.Open(ctx, server, plan.Collection)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, from.Close(ctx)) }()
	layout, err := columns.NewLayout(plan.Collection.Schema)
	if err != nil {
		return nil, err
	}
	now, err := server.Now(ctx)
	if err != nil {
		return nil, err
	}
	key := server.Filters().KeyOf(plan.Collection.Schema)
	for _, chunk := range plan.Ranges {
		pages, err := from.Pages(ctx, chunk)
		if err != nil {
			return nil, err
		}
		for _, page := range pages {
			queries = append(queries, milvus.Query{
				Collection: collection, Partition: page.Partition, Filter: key.Within(page.Range), Fields: layout.Names(), AsOf: now,
			})
		}
	}
	return queries, nil
}

// rowsOf are the rows of an answer: its keys.
func rowsOf(answer []*schemapb.FieldData) (n int64) {
	for _, d := range answer {
		if d.GetFieldName() == fields[0] {
			n += int64(len(d.GetScalars().GetLongData().GetData()))
		}
	}
	return n
}

// writeOnly exports rows that are in memory before the time begins, in the batches and chunks in which they come from the storage.
func writeOnly(ctx context.Context, l *lab.Lab, collection string, _ int64) (done told, err error) {
	server, err := milvus.Connect(ctx, milvus.Config{Address: lab.Standalone})
	if err != nil {
		return told{}, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	bucket, err := sinks.Open(ctx, l.Storage("standalone"), sinks.S3Config{})
	if err != nil {
		return told{}, err
	}
	dir, err := os.MkdirTemp("", "migrate-bench-")
	if err != nil {
		return told{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	sink, err := sinks.Open(ctx, dir, sinks.S3Config{})
	if err != nil {
		return told{}, err
	}
	var rows held
	open := func(ctx context.Context, coll *model.Collection, pin json.RawMessage) (_ source.Source, err error) {
		rows.Source, err = storage.Opener(server, bucket, storage.Options{})(ctx, coll, pin)
		return &rows, err
	}
	m, err := exporter.Export(ctx, server, collection, sink, exporter.Options{Job: collection, Workers: workers,
		Read: func(*model.Collection) (exporter.Way, error) { return exporter.Way{Name: "memory", Open: open}, nil }})
	if err != nil {
		return told{}, err
	}
	return told{Rows: m.Total.Rows, Seconds: time.Since(rows.since).Seconds()}, nil
}

// held is a source of which all rows are read while it is planned.
type held struct {
	source.Source
	chunks map[int][]arrow.Record // of the one partition
	since  time.Time              // they are all there
}

// Plan reads all rows.
func (h *held) Plan(ctx context.Context, size source.Size) (*source.Plan, error) {
	plan, err := h.Source.Plan(ctx, size)
	if err != nil {
		return nil, err
	}
	h.chunks = map[int][]arrow.Record{}
	for _, c := range plan.Chunks {
		stream, err := h.Source.Read(ctx, c)
		if err != nil {
			return nil, err
		}
		for rec, err := range source.Rows(stream) {
			if err != nil {
				return nil, err
			}
			rec.Retain()
			h.chunks[c.Number] = append(h.chunks[c.Number], rec)
		}
	}
	runtime.GC() // what the reading left is not the writer's
	h.since = time.Now()
	return plan, nil
}

// Read hands the rows on that are there.
func (h *held) Read(_ context.Context, c model.Chunk, _ ...string) (source.Stream, error) {
	return &again{left: h.chunks[c.Number]}, nil
}

// again is a stream of batches that are there.
type again struct {
	source.Empty
	left []arrow.Record
}

// Next is the next of them.
func (a *again) Next() (rec arrow.Record, err error) {
	if len(a.left) == 0 {
		return nil, io.EOF
	}
	rec, a.left = a.left[0], a.left[1:]
	return rec, nil
}
