//go:build lab

package main

import (
	"encoding/json"
	"os/exec"
	"testing"

	"migrate/internal/labtest"
	"migrate/internal/move"
)

// TestDoctor finds the lab fit for a move, and says of each thing that is not what to mend.
func TestDoctor(t *testing.T) {
	name := documents(t, labtest.Source(t), 100)
	folder := t.TempDir()
	tried := args("doctor", toSource, toTarget, toStaging, sink, folder)
	all := args(tried, "--collection", name)
	t.Run("fit", func(t *testing.T) {
		r := migrate(t, nil, args(all, "--json")...)
		r.want(t, exitOK)
		var found []move.Finding
		if err := json.Unmarshal([]byte(r.stdout), &found); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, f := range found {
			seen[f.What] = true
			if f.Bad {
				t.Errorf("to mend: %+v", f)
			}
		}
		for _, what := range []string{"source", "source clock", "target", "target clock", "sink", "sink space", "open files", "staging"} {
			if !seen[what] {
				t.Errorf("%s was not tried", what)
			}
		}
	})
	for title, c := range map[string]struct {
		args []string
		want []string
	}{
		"nobody listens":       {args(all, "--target-address", "127.0.0.1:9"), []string{"MEND  target", "check the address"}},
		"no such collection":   {args(tried, "--collection", "nobody"), []string{"MEND  sink space", "not found"}},
		"no such bucket":       {args(all, "--staging-url", "s3://no-such-bucket/x"), []string{"MEND  staging", "bucket does not exist"}},
		"wrong key":            {args(all, "--staging-secret-key", "hunter2"), []string{"MEND  staging", "access denied"}},
		"a folder that is one": {args(all, sink, "/proc/version"), []string{"MEND  sink", "it is a file"}},
		"too few files":        {[]string{"ulimit"}, []string{"MEND  open files", "up to 64"}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), binary, c.args...)
			if c.args[0] == "ulimit" {
				cmd = exec.CommandContext(t.Context(), "sh", args("-c", `ulimit -n 64 && exec "$@"`, "sh", binary, all)...)
			}
			cmd.Dir = t.TempDir()
			begin(t, cmd)().want(t, exitFailed, append(c.want, "see above")...)
		})
	}
}

// TestStatus shows how each job stands, in words and in JSON.
func TestStatus(t *testing.T) {
	name := documents(t, labtest.Source(t), 100)
	folder := t.TempDir()
	migrate(t, nil, "status", sink, folder).want(t, exitOK, "JOB")
	migrate(t, nil, args("export", toSource, "--collection", name, sink, folder)...).want(t, exitOK)
	migrate(t, nil, "status", sink, folder).want(t, exitOK, name, "export", "done", "100/100", "migrate import --job "+name)
	r := migrate(t, nil, "status", sink, folder, "--json", "--job", name)
	r.want(t, exitOK)
	var jobs []move.Status
	if err := json.Unmarshal([]byte(r.stdout), &jobs); err != nil || len(jobs) != 1 || jobs[0].RowsDone != 100 || jobs[0].State != "done" {
		t.Errorf("status --json: %v, %+v", err, jobs)
	}
	migrate(t, nil, "jobs", "rm", sink, folder, "--job", name).want(t, exitFailed, "complete export", "--force")
	migrate(t, nil, "jobs", "rm", sink, folder, "--job", name, "--force").want(t, exitOK)
	if r := migrate(t, nil, "status", sink, folder, "--json"); r.stdout != "[]\n" {
		t.Errorf("after it was removed: %s", r.stdout)
	}
}
