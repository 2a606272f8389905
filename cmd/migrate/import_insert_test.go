package main

import (
	"os/exec"
	"strings"
	"testing"

	"migrate/checkpoint"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
)

// TestInsertRemoved kills an import by inserts in the midst of a call. Its alias on the target, which no command shows, goes with the job.
func TestInsertRemoved(t *testing.T) {
	t.Parallel()
	s, folder, to := newInMemory(t, 2), t.TempDir(), memory.Start(t, "v2.3.5")
	migrate(t, nil, args(s.export, sink, folder)...).want(t, exitOK)
	gate := to.Hold(func(method string) bool { return method == "Upsert" })
	defer gate.Open()
	target := []string{"--target-address", to.Address}
	cmd := exec.CommandContext(t.Context(), binary, args("import", "--via", "insert", target, sink, folder, "--collection", s.name)...)
	cmd.Dir = t.TempDir()
	end := begin(t, cmd)
	gate.Await(t)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	end()
	left := func() int {
		t.Helper()
		fences, err := to.Client(t).Fences(t.Context(), s.name, checkpoint.Name(checkpoint.Import, s.name, s.name))
		if err != nil {
			t.Fatal(err)
		}
		return len(fences)
	}
	if n := left(); n != 1 {
		t.Errorf("%d aliases under way", n)
	}
	migrate(t, nil, args("jobs", "rm", "--force", target, sink, folder, "--job", s.name)...).want(t, exitOK, "removed job")
	if n := left(); n != 0 {
		t.Errorf("%d aliases left", n)
	}
}

// TestInsertWays refuses what can't be meant.
func TestInsertWays(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string]string{
		"--via=teleport":             "bulk, insert or auto",
		"--new-keys --keep-ids":      "which of them is meant",
		"--via=bulk --staging-url=.": "bulk insert reads from the cluster's bucket only",
	} {
		s, folder, to := newInMemory(t, 1), t.TempDir(), memory.Start(t, "v2.3.5")
		migrate(t, nil, args(s.export, sink, folder)...).want(t, exitOK)
		migrate(t, nil, args("import", strings.Fields(flag), "--target-address", to.Address, sink, folder, "--collection", s.name)...).want(t, exitUsage, want)
	}
}

// TestInsertKnowsRights names all rights that a login lacks, before anything is made on the target.
func TestInsertKnowsRights(t *testing.T) {
	t.Parallel()
	s, folder, to := newInMemory(t, 1), t.TempDir(), memory.Start(t, "v2.3.5")
	migrate(t, nil, args(s.export, sink, folder)...).want(t, exitOK)
	imp := args("import", "--via", "insert", "--target-address", to.Address, sink, folder, "--collection", s.name)
	to.Login = "mover:secret"
	login := []string{"MIGRATE_TARGET_USERNAME=mover", "MIGRATE_TARGET_PASSWORD=secret"}
	to.Deny("Load", "Upsert")
	migrate(t, login, imp...).want(t, exitFailed, `collection "`+s.name+`" on `+to.Address+" needs the rights Upsert, Load: ", "docs/privileges.md")
	if made := to.Collections(); len(made) > 0 {
		t.Errorf("made: %q", made)
	}
	to.Deny()
	migrate(t, login, imp...).want(t, exitOK, "imported 1,000 rows")
}

// TestInsertNewKeys says what to do about a target that gives the keys.
func TestInsertNewKeys(t *testing.T) {
	t.Parallel()
	key := labtest.IntKey("id")
	key.AutoID = true
	s, folder, to := newInMemoryBy(t, 1, key), t.TempDir(), memory.Start(t, "v2.3.5")
	migrate(t, nil, args(s.export, sink, folder)...).want(t, exitOK)
	imp := args("import", "--target-address", to.Address, sink, folder, "--collection", s.name)
	migrate(t, nil, imp...).want(t, exitFailed, "would give the rows new keys", "--keep-ids", "--new-keys")
	migrate(t, nil, append(imp, "--new-keys")...).want(t, exitOK, "imported 1,000 rows", "by inserts", "the target gave every row a new key")
}

// TestInsertInDoubt kills an import whose rows get new keys in the midst of a call. Nobody can tell whether it was heard: the rows are
// named, and not inserted again, until the collection is dropped.
func TestInsertInDoubt(t *testing.T) {
	t.Parallel()
	key := labtest.IntKey("id")
	key.AutoID = true
	s, folder, to := newInMemoryBy(t, 2, key), t.TempDir(), memory.Start(t, "v2.3.5")
	migrate(t, nil, args(s.export, sink, folder)...).want(t, exitOK)
	gate := to.Hold(func(method string) bool { return method == "Insert" })
	defer gate.Open()
	imp := args("import", "--via", "insert", "--new-keys", "--jobs", "1", "--target-address", to.Address, sink, folder, "--collection", s.name)
	cmd := exec.CommandContext(t.Context(), binary, imp...)
	cmd.Dir = t.TempDir()
	end := begin(t, cmd)
	gate.Await(t)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	end()
	gate.Open()
	for range 2 { // however often it is asked for
		migrate(t, nil, imp...).want(t, exitFailed, "rows 1 to 1,0", " of part _default/part-00000.parquet", "can't tell what was imported", "drop the collection")
	}
	fences, err := to.Client(t).Fences(t.Context(), s.name, checkpoint.Name(checkpoint.Import, s.name, s.name))
	if err != nil || len(fences) > 0 { // from 2.5.5 on it could not be dropped
		t.Errorf("aliases left: %v, %v", fences, err)
	}
	if err := to.Client(t).Drop(t.Context(), s.name); err != nil {
		t.Fatal(err)
	}
	migrate(t, nil, imp...).want(t, exitOK, "imported 2,000 rows")
}

// TestInsertResumed goes on with an import by inserts that was killed, by its name alone: how the rows come is read from its checkpoint.
func TestInsertResumed(t *testing.T) {
	t.Parallel()
	s, folder, to := newInMemory(t, 2), t.TempDir(), memory.Start(t, "v2.3.5")
	migrate(t, nil, args(s.export, sink, folder)...).want(t, exitOK)
	gate := to.Hold(func(method string) bool { return method == "Upsert" })
	defer gate.Open()
	target := []string{"--target-address", to.Address}
	cmd := exec.CommandContext(t.Context(), binary, args("import", "--via", "insert", target, sink, folder, "--collection", s.name, "--as", "other")...)
	cmd.Dir = t.TempDir()
	end := begin(t, cmd)
	gate.Await(t)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	end()
	gate.Open()
	migrate(t, nil, args("resume", target, sink, folder, "--job", s.name)...).want(t, exitOK, "imported 2,000 rows", "into other by inserts")
	migrate(t, nil, args("verify", "--from", "export", target, sink, folder, "--collection", s.name, "--as", "other")...).want(t, exitOK, "equal: 2,000 rows")
}

// TestInsertInterrupted ends an import by inserts after a signal, though a call of it gets no answer. It leaves no alias, and the same
// command goes on.
func TestInsertInterrupted(t *testing.T) {
	t.Parallel()
	s, folder, to := newInMemory(t, 2), t.TempDir(), memory.Start(t, "v2.3.5")
	migrate(t, nil, args(s.export, sink, folder)...).want(t, exitOK)
	imp := args("import", "--via", "insert", "--target-address", to.Address, sink, folder, "--collection", s.name)
	interrupt(t, to.Hold(func(method string) bool { return method == "Upsert" }), imp)
	fences, err := to.Client(t).Fences(t.Context(), s.name, checkpoint.Name(checkpoint.Import, s.name, s.name))
	if err != nil || len(fences) > 0 {
		t.Errorf("aliases left: %v, %v", fences, err)
	}
	migrate(t, nil, imp...).want(t, exitOK, "imported 2,000 rows")
}
