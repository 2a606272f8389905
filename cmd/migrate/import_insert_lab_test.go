//go:build lab

package main

import (
	"context"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"migrate/checkpoint"
	"migrate/deploy/lab"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
)

// toStandalone names the lab's standalone as a target.
var toStandalone = []string{"--target-address", lab.Standalone}

// TestInsertKilled kills an import by inserts again and again; in the end every row is there once, or, of rows that get new keys, those are
// named of which nobody can tell.
func TestInsertKilled(t *testing.T) {
	t.Parallel()
	t.Run("given keys", func(t *testing.T) {
		t.Parallel()
		insertKilled(t, false, "the same command ends it: every row once")
	})
	t.Run("new keys", func(t *testing.T) {
		t.Parallel()
		insertKilled(t, true, "the same command ends it: every row once, or the rows in doubt named, and none inserted twice")
	})
}

func insertKilled(t *testing.T, newKeys bool, outcome string) {
	t.Helper()
	const rows = 3 * partRows
	key := labtest.IntKey("id")
	key.AutoID = newKeys
	s, folder, to, target := newInMemoryBy(t, 3, key), t.TempDir(), labtest.Source(t), labtest.Name()
	migrate(t, nil, args(s.export, sink, folder)...).want(t, exitOK)
	labtest.DropLater(t, to, target)
	imp := args("import", "--via", "insert", toStandalone, sink, folder, "--collection", s.name, "--as", target)
	if newKeys {
		imp = append(imp, "--new-keys")
	}
	k := newKiller(t, 3*time.Second)
	faulttable.Tried(t, "import by inserts, "+t.Name()[strings.LastIndex(t.Name(), "/")+1:]+": kill -9 at a random instant", kills(t), outcome)
	for strikes := 0; ; {
		r, killed := k.strike(t, imp)
		if killed {
			strikes++
			continue
		}
		if newKeys && strings.Contains(r.stderr, "can't tell what was imported") {
			r.want(t, exitFailed, "of part _default/part-", "drop the collection")
			if n, err := to.RowCount(t.Context(), target); err != nil || n > rows {
				t.Fatalf("%d rows are there, of %d: %v", n, rows, err)
			}
		} else {
			wantImported(t, r)
			migrate(t, nil, args("verify", "--from", "export", toStandalone, sink, folder, "--collection", s.name, "--as", target)...).
				want(t, exitOK, "equal: 3,000 rows")
			if strikes >= kills(t) {
				return
			}
		}
		if err := to.Drop(t.Context(), target); err != nil {
			t.Fatal(err)
		}
	}
}

// TestInsertStopped stops an import by inserts with a call of it held on its way, past its lease. Another goes on with the job and ends it,
// and a sync brings newer rows. Then the call comes to the server, and the process wakes up: nothing newer is overwritten.
func TestInsertStopped(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "import by inserts: stopped past its lease, with a call held on its way until a sync has brought newer rows", 1,
		"the server refuses the call; the process ends, told that another took over; all rows equal")
	s, folder, to, target := newInMemory(t, 3), t.TempDir(), labtest.Source(t), labtest.Name()
	migrate(t, nil, args(s.export, sink, folder)...).want(t, exitOK)
	labtest.DropLater(t, to, target)
	gate := labtest.NewGate()
	defer gate.Open()
	held := labtest.Relay(t, lab.Standalone, func(ctx context.Context, method string, request []byte) ([]byte, error) {
		if method == "Upsert" {
			gate.Pass(context.WithoutCancel(ctx))
		}
		return request, nil
	})
	imp := func(address string) []string {
		return args("import", "--via", "insert", "--target-address", address, sink, folder, "--collection", s.name, "--as", target)
	}
	cmd := exec.CommandContext(t.Context(), binary, imp(held)...)
	cmd.Dir = t.TempDir()
	end := begin(t, cmd)
	gate.Await(t)
	stopUnlocked(t, cmd.Process, folder)
	expire(t, folder, checkpoint.Name(checkpoint.Import, s.name, target))
	migrate(t, nil, imp(lab.Standalone)...).want(t, exitOK, "imported 3,000 rows")

	labtest.Upsert(t, s.Client(t), s.name, labtest.Rows{N: partRows, Columns: s.columns(0, partRows, 2)})
	both := args("--source-address", s.Address, toStandalone, sink, folder, "--collection", s.name, "--as", target)
	migrate(t, nil, args("sync", "--once", both)...).want(t, exitOK, "1000 changed")
	gate.Open()
	send(t, cmd.Process, syscall.SIGCONT)
	end().want(t, exitFailed, "taken over by another process")
	migrate(t, nil, args("verify", "--source-address", s.Address, toStandalone, "--collection", s.name, "--as", target)...).want(t, exitOK, "equal: 3,000 rows")
	if have := labtest.Describe(t, to, target); len(have.Aliases) > 0 {
		t.Errorf("aliases left: %v", have.Aliases)
	}
	fences, err := to.Fences(t.Context(), target, checkpoint.Name(checkpoint.Import, s.name, target))
	if err != nil || len(fences) > 0 {
		t.Errorf("left on the target: %v, %v", fences, err)
	}
}
