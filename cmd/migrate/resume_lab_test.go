//go:build lab

package main

import (
	"context"
	"testing"

	"migrate/checkpoint"
	"migrate/importer"
	"migrate/internal/labtest"
	"migrate/internal/labtest/double"
	"migrate/internal/labtest/faulttable"
)

// held is the address of the cluster, but for the calls of a method, which wait until the gate is opened.
func held(t *testing.T, method string) (address string, gate *labtest.Gate) {
	t.Helper()
	gate = labtest.NewGate()
	server := labtest.Later(t, double.Config{Version: "v2.3.5", Watch: func(ctx context.Context, called string) {
		if called == method {
			gate.Pass(ctx)
		}
	}})
	return server.Address, gate
}

// TestResumeImport goes on with an import, and says what it imports where from the checkpoint alone.
func TestResumeImport(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "import: interrupted after a job was submitted", 1, "resumed: every row once")
	s, folder, target, staging := newInMemory(t, 3), t.TempDir(), labtest.Name(), labtest.Staging(t)
	labtest.DropLater(t, labtest.Target(t), target)
	migrate(t, nil, args(s.export, sink, folder)...).want(t, exitOK)
	cluster, gate := held(t, "GetImportState")
	where := args("--target-address", cluster, toStaging, sink, folder, "--job", s.name, "--staging-url", staging.URL(""))
	interrupt(t, gate, args("import", where, "--as", target, "--jobs", "1"))
	chunks, err := checkpoint.ReadChunks(t.Context(), staging, checkpoint.Name(checkpoint.Import, s.name, target))
	if err != nil || len(chunks) == 0 || chunks[0].State != importer.Submitted {
		t.Errorf("interrupted with %+v, %v", chunks, err)
	}
	migrate(t, nil, args("resume", where)...).want(t, exitOK, "imported 3,000 rows")
	verifyTarget(t, folder, s.name, target)
}
