package main

import (
	"path/filepath"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
)

// inMemory is a server in memory with a collection, of which an export in parts of 1 MiB has so many, and the flags of that export.
type inMemory struct {
	*memory.Server
	name   string
	rows   int64
	export []string
}

// partRows are the rows of such a part.
const partRows, wide = 1000, 260

func newInMemory(t *testing.T, parts int) inMemory {
	t.Helper()
	return newInMemoryBy(t, parts, labtest.IntKey("id"))
}

// newInMemoryBy has a key of its own.
func newInMemoryBy(t *testing.T, parts int, key *schemapb.FieldSchema) inMemory {
	t.Helper()
	rows := parts * partRows
	c := labtest.Collection(labtest.Schema(key, labtest.Vector("v", schemapb.DataType_FloatVector, wide)))
	s := memory.Start(t, "v2.3.5")
	s.Add(t, c)
	s.Sealed(t, c.Name, labtest.Rows{N: rows, Columns: inMemory{}.columns(0, rows, 1)})
	return inMemory{s, c.Name, int64(rows), args("export", "--source-address", s.Address, "--collection", c.Name, "--part-size", "1MiB")}
}

// columns are the rows with some keys, in a version.
func (inMemory) columns(from, to int, version uint64) []*schemapb.FieldData {
	return []*schemapb.FieldData{
		labtest.Column(labtest.IntKey("id"), labtest.Each(to-from, func(i int) int64 { return int64(from + i) })),
		labtest.Vectors("v", wide, to-from, version),
	}
}

// holdOnce holds each call once a file matches: whoever waits for the answer is in the midst of its work.
func (s inMemory) holdOnce(pattern ...string) *labtest.Gate {
	return s.Hold(func(string) bool {
		found, _ := filepath.Glob(filepath.Join(pattern...))
		return len(found) > 0
	})
}

// sides are a source and a target in memory that have a collection of documents, clients of them, and the flags that sync it.
type sides struct {
	source, target *memory.Server
	from, to       *milvus.Server
	name           string
	sync           []string
}

func newSides(t *testing.T, rows int) sides {
	t.Helper()
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, dim)))
	p := sides{source: memory.Start(t, "v2.3.5"), target: memory.Start(t, "v2.3.5"), name: c.Name}
	for _, s := range []*memory.Server{p.source, p.target} {
		s.Add(t, c)
		s.Sealed(t, c.Name, documentRows(0, rows))
	}
	p.from, p.to = p.source.Client(t), p.target.Client(t)
	p.sync = args("sync", "--log-level", "error", "--base-done", p.both(), "--collection", p.name, sink, t.TempDir())
	return p
}

// both are the flags that name the two servers.
func (p sides) both() []string {
	return args("--source-address", p.from.Address, "--target-address", p.to.Address)
}

// wantEqual has verify hold the two sides against each other.
func (p sides) wantEqual(t *testing.T) {
	t.Helper()
	migrate(t, nil, args("verify", p.both(), "--collection", p.name)...).want(t, exitOK, "equal")
}
