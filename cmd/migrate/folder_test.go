package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"migrate/internal/labtest/memory"
)

// TestFolderResumed goes on with the import of a folder that was killed, by its name alone: where the folder is, is read from its checkpoint.
// What migrate itself exported is such a folder too, and its manifest says what the rows are.
func TestFolderResumed(t *testing.T) {
	t.Parallel()
	s, to := newInMemory(t, 2), memory.Start(t, "v2.3.5")
	exports, folder, jobs := t.TempDir(), filepath.Join(t.TempDir(), "any name, ä%20"), t.TempDir()
	migrate(t, nil, args(s.export, sink, exports)...).want(t, exitOK)
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(exports, s.name, "_default"))); err != nil {
		t.Fatal(err)
	}
	gate := to.Hold(func(method string) bool { return method == "Upsert" })
	defer gate.Open()
	target := []string{"--target-address", to.Address, sink, jobs}
	cmd := exec.CommandContext(t.Context(), binary, args("import", "--via", "insert", target, "--collection", s.name, "--as", "other",
		"--parquet", folder, "--schema", filepath.Join(exports, s.name, "manifest.json"))...)
	cmd.Dir = t.TempDir()
	end := begin(t, cmd)
	gate.Await(t)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	end()
	gate.Open()
	migrate(t, nil, args("resume", target, "--job", s.name)...).want(t, exitOK, "imported 2,000 rows", "into other by inserts")
	migrate(t, nil, args("verify", target, "--collection", s.name, "--as", "other", "--parquet", folder)...).want(t, exitOK, "equal: 2,000 rows")
}

// TestFolderUsage refuses what says nothing of a folder's rows.
func TestFolderUsage(t *testing.T) {
	t.Parallel()
	s := newInMemory(t, 1)
	of := args("import", "--via", "insert", "--target-address", s.Address, sink, t.TempDir(), "--parquet", t.TempDir())
	migrate(t, nil, args(of, "--collection", "nobody")...).want(t, exitUsage, `no collection "nobody"`, "migrate describe")
	migrate(t, nil, args(of, "--collection", s.name, "--schema", "nowhere.json")...).want(t, exitUsage, "nowhere.json")
	migrate(t, nil, args(of, "--collection", s.name)...).want(t, exitFailed, "no file in it ends in .parquet", "nothing was changed")
	described := migrate(t, nil, "describe", "--source-address", s.Address, "--collection", s.name)
	described.want(t, exitOK, `"name": "`+s.name+`"`, "FloatVector")
}
