package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"migrate/checkpoint"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
)

// TestResumeExport goes on with an export that was interrupted and whose checkpoint was damaged then: the checkpoint is
// made anew from the parts, one of which was altered too, and the export is that of an undisturbed run.
func TestResumeExport(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "export: interrupted, then its checkpoint and a part altered", 1, "made anew and resumed: same parts, byte for byte")
	s, folder := newInMemory(t, 4), t.TempDir()
	export := func(job string) []string { return args(s.export, sink, folder, "--job", job, "--workers", "1") }
	of := args(sink, folder, "--job", "killed")
	migrate(t, nil, export("undisturbed")...).want(t, exitOK)
	interrupt(t, s.holdOnce(folder, "_migrate/chunks/killed/export/1.1/1.json"), export("killed")) // with two parts of four

	migrate(t, nil, args("jobs", "rebuild", of)...).want(t, exitFailed, "no checkpoint that is damaged")
	migrate(t, nil, args("status", of)...).want(t, exitOK, "interrupted", "migrate resume --job killed")
	alter(t, filepath.Join(folder, checkpoint.Object("killed/export")), 100)
	migrate(t, nil, export("killed")...).want(t, exitFailed, "checkpoint damaged", "can be made anew", "migrate jobs rebuild")
	migrate(t, nil, args("status", of)...).want(t, exitOK, "failed", "migrate jobs rebuild --job killed")
	alter(t, filepath.Join(folder, "killed", "_default", "part-00000.parquet"), 1000)
	migrate(t, nil, args("jobs", "rebuild", of)...).want(t, exitOK, `export "killed"`)
	migrate(t, nil, args("resume", of)...).want(t, exitOK, "exported 4,000 rows")
	wantSameExport(t, folder)
	migrate(t, nil, args("resume", of)...).want(t, exitFailed, "nothing of job")
}

// alter makes a byte of a file another one, which no JSON has.
func alter(t *testing.T, file string, at int) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err == nil {
		data[at] ^= 0xff
		err = os.WriteFile(file, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// interrupt starts a command, and ends it with a signal once a call of it is held.
func interrupt(t *testing.T, gate *labtest.Gate, args []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Dir = t.TempDir()
	end := begin(t, cmd)
	gate.Await(t)
	send(t, cmd.Process, syscall.SIGTERM)
	end().want(t, exitInterrupted, "interrupted")
	gate.Open()
}
