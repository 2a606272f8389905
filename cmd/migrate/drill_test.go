package main

import (
	"testing"
)

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
		"more dimensions than any": {args("drill", toTarget, "querynode", "--dim", "99999"), exitUsage, "dimensions"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			migrate(t, nil, c.args...).want(t, c.code, c.want)
		})
	}
}
