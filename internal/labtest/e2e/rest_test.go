//go:build lab

package e2e

import (
	"strings"
	"testing"
	"time"

	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/labtest/double"
	"migrate/internal/milvus"
	"migrate/internal/verify"
	"migrate/sinks"
)

func connectLater(t *testing.T, cfg milvus.Config) *milvus.Server {
	t.Helper()
	server, err := milvus.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

// partitioned is a collection of 2,000 rows in each partition, and its export, each partition in so many parts.
func partitioned(t *testing.T, parts int, partitions ...string) (*export.Manifest, sinks.Sink) {
	t.Helper()
	sink, from := labtest.Local(t), labtest.Source(t)
	c := labtest.Collection(narrow(), partitions...)
	labtest.Create(t, from, c)
	for k, partition := range partitions {
		labtest.Insert(t, from, c.Name, partition, narrowRows(labtest.Each(2000, func(i int) int64 { return int64(10_000*k + i) })))
	}
	m, err := exporter.Export(t.Context(), from, c.Name, sink, exporter.Options{Job: c.Name, PartBytes: int64(2000 * 85 / parts)})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Parts) != parts*len(partitions) {
		t.Fatalf("%d parts, want %d in each of %d partitions", len(m.Parts), parts, len(partitions))
	}
	return m, sink
}

// TestRESTImport moves a collection through the job API of later versions, several parts a job.
func TestRESTImport(t *testing.T) {
	t.Parallel()
	m, sink := partitioned(t, 3, "_default", "even", "odd")
	for title, c := range map[string]struct {
		double  double.Config
		connect milvus.Config
		opts    importer.Options
	}{
		"2.4.0, forced":          {double.Config{Version: "v2.4.0", Success: 200}, milvus.Config{}, importer.Options{Force: true}},
		"2.4.15":                 {double.Config{Version: "v2.4.15", Pending: time.Second}, milvus.Config{}, importer.Options{Jobs: 1}},
		"2.5, with a login":      {double.Config{Version: "2.5.4", Login: "root:Milvus", Late: 5 * time.Second}, milvus.Config{Username: "root", Password: "Milvus"}, importer.Options{}},
		"2.6, REST elsewhere":    {double.Config{Version: "v2.6.2", Elsewhere: true}, milvus.Config{}, importer.Options{Jobs: 2}},
		"2.6.24, with a token":   {double.Config{Version: "v2.6.24", Idempotent: true, Login: "key"}, milvus.Config{Token: "key"}, importer.Options{}},
		"3.1, a job a partition": {double.Config{Version: "v3.1.0", Idempotent: true, Commit: true}, milvus.Config{}, importer.Options{Jobs: 1}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			standIn := labtest.Later(t, c.double)
			c.connect.Address, c.opts.As = standIn.Address, labtest.Name()
			if c.double.Elsewhere {
				c.connect.RESTURL = standIn.RESTURL
			}
			labtest.DropLater(t, labtest.Target(t), c.opts.As)
			if _, err := importer.Import(t.Context(), connectLater(t, c.connect), sink, m, labtest.Staging(t), c.opts); err != nil {
				t.Fatal(err)
			}
			wantOnce(t, standIn, sink, m, c.opts.As)
			if jobs := standIn.Jobs(); len(jobs) >= len(m.Parts) {
				t.Errorf("%d jobs for %d parts", len(jobs), len(m.Parts))
			}
		})
	}
}

// wantOnce proves that the target has every row once.
func wantOnce(t *testing.T, standIn *double.Server, sink sinks.Sink, m *export.Manifest, name string) {
	t.Helper()
	wantEqual(t, compare(t, export.Source{Sink: sink, Manifest: m}, side(t, labtest.Target(t), name), verify.Options{}), m.Total.Rows)
	for _, job := range standIn.Jobs() {
		for _, file := range job {
			if !strings.HasSuffix(file, ".parquet") {
				t.Errorf("a job was given %q", file)
			}
		}
	}
}
