package main

import (
	"testing"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
)

// inMemory starts a server in memory with a collection of documents, and returns the flags of an export of it.
func inMemory(t *testing.T, rows int) (name string, export []string) {
	t.Helper()
	s := memory.Start(t, "v2.3.5")
	name = documents(t, s.Client(t), rows)
	return name, args("export", "--source-address", s.Address, "--collection", name)
}

// sides are a source and a target in memory that have a collection of documents, and the flags that sync it.
type sides struct {
	name     string
	from, to *milvus.Server
	sync     []string
}

func newSides(t *testing.T, rows int) sides {
	t.Helper()
	from, to := memory.Start(t, "v2.3.5"), memory.Start(t, "v2.3.5")
	p := sides{from: from.Client(t), to: to.Client(t)}
	p.name = documents(t, p.from, rows)
	c := labtest.Describe(t, p.from, p.name)
	to.Add(t, c)
	labtest.Insert(t, p.to, p.name, "", documentRows(0, rows))
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
