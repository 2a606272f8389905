package main

import (
	"testing"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/labtest/pairs"
)

// TestToLite: a plan says how rows come to a Milvus Lite, an import or a sync makes the collection there and brings them, and verify finds
// them equal. A sync goes on after the import, whose checkpoint lies on the sink.
func TestToLite(t *testing.T) {
	t.Parallel()
	from, to, c := memory.Start(t, "v2.3.5"), memory.Start(t, memory.Lite3), pairs.Numbered()
	c.Schema.EnableDynamicField = true
	from.Add(t, c)
	rows := pairs.NumberedRows(0, 700, 1)
	rows.Columns = append(rows.Columns, labtest.Dynamic(labtest.Each(700, func(int) []byte { return []byte(`{"b":1,"a":2}`) })))
	from.Sealed(t, c.Name, rows)
	both := args("--source-address", from.Address, "--target-address", to.Address, "--collection", c.Name)
	in := args("--sink-url", "file://"+t.TempDir())
	migrate(t, nil, args("plan", both, in)...).want(t, exitOK, "it has no bulk insert: import inserts the rows", "it drops _seq and _partition")
	migrate(t, nil, args("sync", "--once", both, in)...).want(t, exitFailed, "the target was not filled yet", "say --create")
	migrate(t, nil, args("export", "--source-address", from.Address, "--collection", c.Name, in)...).want(t, exitOK)
	as := []string{"--as", "imported"}
	migrate(t, nil, args("import", "--target-address", to.Address, "--collection", c.Name, in, as)...).want(t, exitOK, "imported 700 rows", "by inserts")
	migrate(t, nil, args("sync", "--once", both, in, as)...).want(t, exitOK, "behind by ")
	migrate(t, nil, args("run", "--once", both, in, "--as", "moved")...).want(t, exitOK, "imported 700 rows", "by inserts", "behind by ")
	migrate(t, nil, args("status", in)...).want(t, exitOK, "import", "done")
	migrate(t, nil, args("sync", "--once", "--create", both, in)...).want(t, exitOK, "700 rows inserted")
	migrate(t, nil, args("verify", both)...).want(t, exitOK, "by value, since a server of the two spells JSON anew: $meta", "equal: 700 rows")
	migrate(t, nil, args("sync", "--once", "--create", both, in)...).want(t, exitOK, "in step, 0 ranges compared")
}
