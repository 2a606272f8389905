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
}

// TestDrillBadInput is refused before anything is taken away.
func TestDrillBadInput(t *testing.T) {
	for title, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no server":                {args("drill", "querynode"), exitUsage, "--target-address"},
		"nothing to take away":     {args("drill", toTarget), exitUsage, "--stop-command"},
		"not to be given back":     {args("drill", toTarget, "--stop-command", "true"), exitUsage, "go together"},
		"parts and commands":       {args("drill", toTarget, "querynode", "--stop-command", "true", "--start-command", "true"), exitUsage, "name the parts"},
		"no time to settle":        {args("drill", toTarget, "querynode", "--settle", "0s"), exitUsage, "settle"},
		"a time of nonsense":       {args("drill", toTarget, "querynode", "--away", "long"), exitUsage, "--away"},
		"no project":               {args("drill", toTarget, "querynode"), exitFailed, "no Compose project"},
		"it can't be stopped":      {args("drill", toTarget, smallDrill, "--stop-command", "echo no such unit; exit 5", "--start-command", "true"), exitFailed, "no such unit"},
		"more dimensions than any": {args("drill", toTarget, "querynode", "--dim", "99999"), exitUsage, "dimensions"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			migrate(t, nil, c.args...).want(t, c.code, c.want)
		})
	}
}
