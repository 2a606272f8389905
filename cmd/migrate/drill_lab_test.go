//go:build lab

package main

import (
	"encoding/json"
	"path/filepath"
	"testing"
)

var smallDrill = []string{"--base-rows", "1000", "--dim", "16", "--threads", "2", "--away", "1s", "--settle", "1s"}

// TestDrill stops and starts something that the cluster does not need: nothing fails, and nothing is lost.
func TestDrill(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "away")
	commands := args("--stop-command", "touch "+mark, "--start-command", "rm "+mark)
	migrate(t, nil, args("drill", toTarget, smallDrill, commands)...).want(t, exitOK, "TAKEN AWAY", "touch "+mark, "0 lost, 0 doubled")

	r := migrate(t, nil, args("drill", toTarget, smallDrill, commands, "--json")...)
	r.want(t, exitOK)
	var got drillResult
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil {
		t.Fatal(err)
	}
	if got.Rows.Lost != 0 || got.Rows.Doubled != 0 || got.Rows.Acknowledged <= 1000 || len(got.Parts) != 1 || got.Parts[0].Searches.Calls() == 0 {
		t.Errorf("got %s", r.stdout)
	}

	broken := args("--stop-command", "echo no such unit; exit 5", "--start-command", "true")
	migrate(t, nil, args("drill", toTarget, smallDrill, broken)...).want(t, exitFailed, "no such unit")
}
