package engine

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// programs puts shell scripts on the PATH in place of the real programs.
func programs(t *testing.T, scripts map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestStartAndStop(t *testing.T) {
	calls := filepath.Join(t.TempDir(), "calls")
	programs(t, map[string]string{
		"dockerd": `trap 'exit 0' TERM; while :; do sleep 0.1; done`,
		"docker":  `echo "$DOCKER_HOST $*" >> ` + calls + `; if [ "$1" = ps ]; then echo aaa bbb; fi`,
	})
	dir := t.TempDir()
	e, err := Start(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Stop(); err != nil {
		t.Fatal(err)
	}
	if e.daemon.ProcessState == nil {
		t.Error("dockerd still runs")
	}
	socket := "unix://" + filepath.Join(dir, "docker.sock")
	for _, want := range []string{" version\n", " ps --all --quiet\n", " rm --force aaa bbb\n"} {
		if got, _ := os.ReadFile(calls); !strings.Contains(string(got), socket+want) {
			t.Errorf("docker was called as %q, want %q", got, socket+want)
		}
	}
}

func TestDaemonThatEnds(t *testing.T) {
	programs(t, map[string]string{"dockerd": "echo no cgroups >&2; exit 3", "docker": "exit 1"})
	dir := t.TempDir()
	_, err := Start(t.Context(), dir)
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "dockerd.log: it ended") ||
		!strings.HasSuffix(err.Error(), "no cgroups") {
		t.Errorf("error %v, want it to tell the exit status, the log, and its last line", err)
	}
	if log, _ := os.ReadFile(filepath.Join(dir, "dockerd.log")); string(log) != "no cgroups\n" {
		t.Errorf("the log is %q", log)
	}
}

func TestAnEngineIsThereAlready(t *testing.T) {
	dir := t.TempDir()
	other, err := net.Listen("unix", filepath.Join(dir, "docker.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := Start(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("error %v, want it to tell of the other engine", err)
	}
}

func TestRunTellsWhatAProgramSaid(t *testing.T) {
	var e Engine
	out, err := e.Run(t.Context(), strings.NewReader("in"), t.TempDir(), []string{"A=b"}, "sh", "-c", `cat; echo "$A"; echo no such image >&2; exit 4`)
	if out != "inb\n" || err == nil || !strings.Contains(err.Error(), "exit status 4") || !strings.Contains(err.Error(), "no such image") {
		t.Errorf("got %q and %v", out, err)
	}
}
