//go:build lab

package main

import (
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
)

// TestWithoutVectorIndex moves an empty collection that no server can load, and names the field that lacks an index once there are
// rows.
func TestWithoutVectorIndex(t *testing.T) {
	source, target := labtest.Source(t), labtest.Target(t)
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, dim)), "old", "new")
	labtest.DropLater(t, source, c.Name)
	labtest.DropLater(t, target, c.Name)
	if err := source.Create(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	of := args("--collection", c.Name, sink, t.TempDir())

	migrate(t, nil, args("plan", toSource, toTarget, "--collection", c.Name)...).want(t, exitOK, "0 rows", "indexes: none")
	migrate(t, nil, args("export", toSource, of)...).want(t, exitOK, "exported 0 rows")
	migrate(t, nil, args("import", toTarget, toStaging, of)...).want(t, exitOK, "imported 0 rows")
	migrate(t, nil, args("verify", toSource, toTarget, "--collection", c.Name)...).want(t, exitOK, "equal: 0 rows")
	if d := labtest.Describe(t, target, c.Name); d.Loaded || len(d.Indexes) > 0 || len(d.Partitions) != 3 {
		t.Errorf("on the target: %+v", d)
	}

	labtest.Insert(t, source, c.Name, "", documentRows(0, 10))
	for _, command := range [][]string{
		args("plan", toSource, "--collection", c.Name),
		args("export", toSource, of, "--overwrite"),
		args("export", toSource, of, "--overwrite", "--load"),
		args("verify", toSource, toTarget, "--collection", c.Name, "--load"),
		args("doctor", toSource, of),
	} {
		migrate(t, nil, command...).want(t, exitFailed, "no vector index on v", "create an index FLAT")
	}
}
