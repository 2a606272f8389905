//go:build lab

package main

import (
	"strings"
	"testing"
	"time"

	"migrate/deploy/lab"
	"migrate/internal/labtest"
	"migrate/internal/labtest/double"
	"migrate/internal/labtest/faulttable"
)

// TestImportKilled kills an import again and again; in the end every row is there once.
func TestImportKilled(t *testing.T) {
	t.Parallel()
	importKilled(t, kills(t), "import: kill -9 at a random instant", "--target-address", closingLate(t, lab.Proxy1))
}

// TestImportKilledREST does so with jobs of the REST API, against doubles: one that remembers what it was asked for, one that
// does not, and one that waits for the commit.
func TestImportKilledREST(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]double.Config{
		"2.4": {Version: "v2.4.15"}, "2.6": {Version: "v2.6.24", Idempotent: true}, "3.0": {Version: "v3.0.2", Idempotent: true, Commit: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := labtest.Later(t, cfg)
			importKilled(t, (kills(t)+2)/3, "import by a double's REST API: kill -9 at a random instant",
				"--target-address", server.Address, "--target-rest-url", server.RESTURL)
		})
	}
}

func importKilled(t *testing.T, times int, fault string, through ...string) {
	t.Helper()
	s, folder, to, target := newInMemory(t, 3), t.TempDir(), labtest.Target(t), labtest.Name()
	name := s.name
	migrate(t, nil, args(s.export, sink, folder)...).want(t, exitOK)
	labtest.DropLater(t, to, target)
	imp := args("import", through, toStaging, sink, folder, "--collection", name, "--as", target, "--jobs", "2")
	k := newKiller(t, 4*time.Second)
	faulttable.Tried(t, fault, times, "the same command ends it: every row once")
	for strikes := 0; strikes < times; {
		r, killed := k.strike(t, imp)
		if killed {
			strikes++
			continue
		}
		wantImported(t, r)
		verifyTarget(t, folder, name, target)
		if err := to.Drop(t.Context(), target); err != nil {
			t.Fatal(err)
		}
	}
	wantImported(t, migrate(t, nil, imp...))
	verifyTarget(t, folder, name, target)
}

// wantImported wants that a run has imported every row, or was told that the one before it had, which was killed between the
// record of its end and its end.
func wantImported(t *testing.T, r result) {
	t.Helper()
	if strings.Contains(r.stderr, "imported already") {
		r.want(t, exitFailed)
		return
	}
	r.want(t, exitOK, "imported 3,000 rows")
}

// closingLate is a server's address, but for connections that stay open for a moment after a client was killed. The
// proxy of 2.3.5 breaks down when a call for a job's state is cut off at the wrong moment (see docs/reliability.md), and
// the other tests need it.
func closingLate(t *testing.T, address string) string {
	t.Helper()
	p := labtest.Proxy(t, address)
	toxic := `{"type": "slow_close", "stream": "upstream", "attributes": {"delay": 2000}}`
	if _, err := p.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		t.Fatal(err)
	}
	return p.Listen
}

func verifyTarget(t *testing.T, folder, name, target string) {
	t.Helper()
	migrate(t, nil, args("verify", "--from", "export", toTarget, sink, folder, "--collection", name, "--as", target)...).
		want(t, exitOK, "equal: 3,000 rows")
}
