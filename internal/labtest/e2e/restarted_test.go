//go:build lab && faults

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/deploy/lab"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/clock"
	"migrate/internal/export"
	"migrate/internal/ingest"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/milvus"
	"migrate/internal/verify"
	"migrate/sinks"
)

// TestRestarted kills a server under an export or an import, and starts it again: the job ends well by itself, or the
// same command given again ends it, and every row is there once. What came of each is noted for docs/reliability.md.
func TestRestarted(t *testing.T) {
	l, err := lab.Running(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name, m, sink := seeded(t)
	for _, part := range []string{"standalone"} {
		t.Run("export/"+part, func(t *testing.T) { exportThrough(t, l, part, name) })
	}
	for _, part := range []string{"minio", "datanode-1", "querynode-1", "proxy-1", "indexnode-1", "datacoord", "rootcoord", "etcd", "pulsar"} {
		t.Run("import/"+part, func(t *testing.T) { importThrough(t, l, part, m, sink) })
	}
}

const restartedRows = 60_000

func seeded(t *testing.T) (string, *export.Manifest, sinks.Sink) {
	from := labtest.Source(t)
	schema := narrow()
	text := labtest.Field("text", schemapb.DataType_VarChar)
	schema.Fields = append(schema.Fields, text)
	c := labtest.Collection(schema)
	labtest.Create(t, from, c)
	rows := narrowRows(labtest.Each(restartedRows, func(i int) int64 { return int64(i) }))
	rows.Columns = append(rows.Columns, labtest.Column(text, labtest.Each(restartedRows, func(i int) string { return fmt.Sprintf("%0400d", i) })))
	labtest.Insert(t, from, c.Name, "", rows)
	labtest.Flush(t, from, c.Name)
	sink := labtest.Local(t)
	m, err := exporter.Export(t.Context(), from, c.Name, sink, exporter.Options{Job: "seeded", PartBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return c.Name, m, sink
}

// exportThrough kills a server as soon as the export has read something.
func exportThrough(t *testing.T, l *lab.Lab, part, collection string) {
	sink := labtest.Local(t)
	strike := killAndStart(t, l, part)
	var m *export.Manifest
	tries, took := untilOver(t, func() error {
		server, err := milvus.Connect(t.Context(), milvus.Config{Address: lab.Standalone})
		if err != nil {
			return err
		}
		defer server.Close()
		m, err = exporter.Export(t.Context(), server, collection, sink, exporter.Options{
			Job: "j", PartBytes: 4 << 20, Workers: 2, Progress: func(int64, int64) { strike() },
		})
		return err
	})
	if m.Total.Rows != restartedRows {
		t.Errorf("%d rows of %d", m.Total.Rows, restartedRows)
	}
	record(t, fmt.Sprintf("kill -9 and restart of %s during an export", part), tries, took, "")
}

// importThrough kills a server as soon as bulk insert has begun.
func importThrough(t *testing.T, l *lab.Lab, part string, m *export.Manifest, sink sinks.Sink) {
	name := labtest.Name()
	labtest.DropLater(t, labtest.SecondProxy(t), name)
	staging := labtest.Staging(t)
	strike, dropped := killAndStart(t, l, part), ""
	tries, took := untilOver(t, func() error {
		server, err := milvus.Connect(t.Context(), milvus.Config{Address: lab.Proxy1})
		if err != nil {
			return err
		}
		defer server.Close()
		_, err = importer.Import(t.Context(), server, sink, m, staging, importer.Options{
			As: name, Jobs: 2, Job: func(int64, ingest.State, string) { strike() },
		})
		if errors.Is(err, ingest.ErrFailed) { // what the message says to do
			dropped = ", the collection dropped"
			err = errors.Join(err, server.Drop(t.Context(), name))
		}
		return err
	})
	// The nodes that load may still be coming back.
	untilOver(t, func() error { return equalNow(t, m, sink, name) })
	record(t, fmt.Sprintf("kill -9 and restart of %s during an import", part), tries, took, dropped)
}

func equalNow(t *testing.T, m *export.Manifest, sink sinks.Sink, name string) error {
	right := side(t, labtest.SecondProxy(t), name)
	report, err := verify.Compare(t.Context(), export.Source{Sink: sink, Manifest: m}, right, verify.Options{})
	if err == nil && !report.Equal {
		err = fmt.Errorf("not equal: %+v", report.Rows)
	}
	return err
}

// killAndStart returns what kills a part, once, and has it started again two seconds later.
func killAndStart(t *testing.T, l *lab.Lab, part string) func() {
	struck := make(chan struct{})
	ctx := context.WithoutCancel(t.Context())
	t.Cleanup(func() {
		select {
		case <-struck:
		default:
			t.Errorf("%s was never killed", part)
		}
		if err := l.Start(ctx, part); err != nil {
			t.Errorf("starting %s again: %v", part, err)
		}
	})
	return sync.OnceFunc(func() {
		close(struck)
		if err := l.Kill(ctx, part); err != nil {
			t.Errorf("killing %s: %v", part, err)
		}
		go func() {
			if clock.Sleep(ctx, 2*time.Second) == nil {
				_ = l.Start(ctx, part) // the cleanup starts it too, and tells
			}
		}()
	})
}

// untilOver gives a command again and again, and says how often that took.
func untilOver(t *testing.T, do func() error) (tries int, took time.Duration) {
	t.Helper()
	started := time.Now()
	for tries = 1; tries <= 30; tries++ {
		err := do()
		if err == nil {
			return tries, time.Since(started)
		}
		t.Logf("try %d: %s", tries, strings.ReplaceAll(err.Error(), "\n", " "))
		if clock.Sleep(t.Context(), 3*time.Second) != nil {
			break
		}
	}
	t.Fatal("it does not come to an end")
	return tries, 0
}

// record notes what came of a fault.
func record(t *testing.T, fault string, tries int, took time.Duration, dropped string) {
	outcome := "ended by itself"
	if tries > 1 {
		outcome = fmt.Sprintf("stopped with an error %d times, went on with the same command%s", tries-1, dropped)
	}
	faulttable.Tried(t, fault, 1, fmt.Sprintf("%s, after %.0f s: every row once", outcome, took.Seconds()))
}
