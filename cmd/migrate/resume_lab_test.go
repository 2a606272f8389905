//go:build lab

package main

import (
	"testing"

	"migrate/checkpoint"
	"migrate/importer"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
)

// TestResumeImport goes on with an import, and says what it imports where from the checkpoint alone.
func TestResumeImport(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "import: interrupted after a job was submitted", 1, "resumed: every row once")
	name := documents(t, labtest.Source(t), 20_000)
	folder, to, target := t.TempDir(), labtest.Target(t), labtest.Name()
	labtest.DropLater(t, to, target)
	migrate(t, nil, args("export", toSource, "--collection", name, sink, folder, "--part-size", "1MiB")...).want(t, exitOK)
	staging := labtest.Staging(t)
	where := args(toTarget, toStaging, sink, folder, "--job", name, "--staging-url", staging.URL(""))
	submitted := func() bool {
		chunks, err := checkpoint.ReadChunks(t.Context(), staging, checkpoint.Name(checkpoint.Import, name, target))
		return err == nil && len(chunks) > 0 && chunks[0].State == importer.Submitted
	}
	interrupt(t, submitted, args("import", where, "--as", target, "--jobs", "1"))
	migrate(t, nil, args("resume", where)...).want(t, exitOK, "imported 20,000 rows")
	verifyTarget(t, folder, name, target)
}
