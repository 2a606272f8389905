package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// machine is a folder with a Compose project, and programs that answer with what Docker's answered on a real machine and note
// how they were called. So it can be shown that nothing is started where something is wrong, without a machine for each.
type machine struct {
	t       *testing.T
	project string
	bin     string
}

func newMachine(t *testing.T) *machine {
	m := &machine{t, filepath.Join(t.TempDir(), "milvus"), t.TempDir()}
	migrate(t, nil, "cluster", "init", m.project).want(t, exitOK, "migrate cluster start")
	for _, name := range []string{"info.json", "config.json"} {
		text, err := os.ReadFile(filepath.Join("../../internal/ops/compose/testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		m.write(name, string(text), 0o600)
	}
	m.write("ps.json", "", 0o600) // nothing runs
	m.replace("config.json", `"19530-19537"`, `"47530-47537"`)
	m.write("docker", fmt.Sprintf(`#!/bin/sh
cd %q
echo "$*" >>calls
case "$*" in
'compose version --short') echo 2.39.1 ;;
info*) cat info.json ;;
*config*) cat config.json ;;
*ps*) cat ps.json ;;
*stats* | *up* | *down*) ;;
*) exit 9 ;;
esac
`, m.bin), 0o700)
	return m
}

func (m *machine) write(name, text string, mode os.FileMode) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.bin, name), []byte(text), mode); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) read(name string) string {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(m.bin, name))
	if err != nil && !os.IsNotExist(err) {
		m.t.Fatal(err)
	}
	return string(text)
}

func (m *machine) replace(name, old, new string) {
	m.t.Helper()
	text := m.read(name)
	if !strings.Contains(text, old) {
		m.t.Fatalf("%s lacks %s", name, old)
	}
	m.write(name, strings.ReplaceAll(text, old, new), 0o600)
}

// fit makes the machine large enough for all that is recorded.
func (m *machine) fit() { m.replace("info.json", `"NCPU": 2`, `"NCPU": 8`) }

func (m *machine) run(args ...string) result {
	m.t.Helper()
	return migrate(m.t, []string{"PATH=" + m.bin + ":/usr/bin:/bin"}, append(args, "--project-dir", m.project)...)
}

// started tells whether anything was changed.
func (m *machine) started() bool {
	calls := m.read("calls")
	return strings.Contains(calls, " up ") || strings.Contains(calls, " down ")
}

// TestClusterBadInput gets a clear error for each mistake, and starts nothing.
func TestClusterBadInput(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)

	recorded, err := os.ReadFile("../../internal/ops/compose/testdata/ps.json")
	if err != nil {
		t.Fatal(err)
	}
	another := func(m *machine) { m.write("ps.json", string(recorded), 0o600) }
	belongs := []string{"belong to another folder: /srv/milvus", "COMPOSE_PROJECT_NAME"}

	start := []string{"cluster", "start", "--force"}
	for title, c := range map[string]struct {
		prepare func(m *machine)
		args    []string
		code    int
		want    []string
	}{
		"too little memory": {func(m *machine) { m.replace("info.json", "25276510208", "8276510208") }, []string{"cluster", "start"}, exitFailed,
			[]string{"MEND  memory: 7.7 GiB, and 16 GiB are needed", "--force"}},
		"too few cores":  {func(m *machine) { m.replace("info.json", `"NCPU": 8`, `"NCPU": 2`) }, start, exitFailed, []string{"MEND  limit of querynode", "4 CPUs"}},
		"a taken port":   {func(m *machine) { m.replace("config.json", `"published": "47530-47537"`, `"published": "`+taken+`"`) }, start, exitFailed, []string{"MEND  port of proxy", taken}},
		"no Docker":      {func(m *machine) { m.write("docker", "", 0o600) }, start, exitFailed, []string{"no Docker", "install Docker"}},
		"an old Compose": {func(m *machine) { m.replace("docker", "2.39.1", "2.17.0") }, start, exitFailed, []string{"Compose 2.24"}},
		"no daemon": {func(m *machine) {
			m.replace("docker", "cat info.json", "echo Cannot connect to the Docker daemon at unix:///x >&2; exit 1")
		}, start, exitFailed, []string{"daemon does not answer", "DOCKER_HOST"}},
		"a broken configuration": {func(m *machine) {
			m.replace("docker", "cat config.json", "echo required variable X is missing >&2; exit 15")
		}, start, exitFailed, []string{"required variable X"}},
		"another's, started":   {another, start, exitFailed, belongs},
		"another's, wiped":     {another, []string{"cluster", "stop", "--wipe"}, exitFailed, belongs},
		"another's, scaled":    {another, []string{"cluster", "scale", "querynode", "3"}, exitFailed, belongs},
		"another's, drilled":   {another, []string{"drill", "querynode", "--target-address", "127.0.0.1:9"}, exitFailed, belongs},
		"no .env":              {func(m *machine) { os.Remove(filepath.Join(m.project, ".env")) }, start, exitFailed, []string{"no .env", "new-env"}},
		"no project":           {func(m *machine) { os.Remove(filepath.Join(m.project, "compose.yaml")) }, start, exitFailed, []string{"no Compose project", "cluster init"}},
		"an unknown component": {nil, []string{"cluster", "scale", "etcd", "3"}, exitUsage, []string{"proxy, querynode, datanode, indexnode"}},
		"no replica":           {nil, []string{"cluster", "scale", "querynode", "0"}, exitUsage, []string{"1 to 32"}},
		"too many replicas":    {nil, []string{"cluster", "scale", "querynode", "33"}, exitUsage, []string{"1 to 32"}},
		"more than ports":      {nil, []string{"cluster", "scale", "proxy", "9"}, exitUsage, []string{"PROXY_PORTS"}},
		"replicas of nonsense": {nil, []string{"cluster", "scale", "querynode", "many"}, exitUsage, []string{"whole number"}},
		"no replicas":          {nil, []string{"cluster", "scale", "querynode"}, exitUsage, []string{"COMPONENT and REPLICAS"}},
		"scaled while it is down": {nil, []string{"cluster", "scale", "querynode", "3"}, exitFailed,
			[]string{"does not run", "migrate cluster start"}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.fit()
			if c.prepare != nil {
				c.prepare(m)
			}
			m.run(c.args...).want(t, c.code, c.want...)
			if m.started() {
				t.Errorf("something was started:\n%s", m.read("calls"))
			}
		})
	}
}

// TestClusterStart goes on where only the machine is small and one says so, and stops without touching the data.
func TestClusterStart(t *testing.T) {
	m := newMachine(t)
	m.fit()
	m.replace("info.json", "25276510208", "8276510208")
	m.replace("info.json", "/var/lib/docker", "/not/on/this/machine")
	m.run("cluster", "start", "--force").want(t, exitOK, "WARN  memory", "WARN  disk", "SERVICE", "querynode", "NOT WELL")
	if !strings.Contains(m.read("calls"), "up --detach --wait\n") {
		t.Errorf("nothing was started:\n%s", m.read("calls"))
	}
	m.run("cluster", "monitor").want(t, exitOK, "NOT WELL", "known to their coordinators: proxy 0", "searches in query nodes: 0")
	m.run("cluster", "stop").want(t, exitOK, "its data is kept")
	if calls := m.read("calls"); !strings.Contains(calls, " down ") || strings.Contains(calls, "--volumes") {
		t.Errorf("stopped otherwise than asked:\n%s", calls)
	}
	m.run("cluster", "stop", "--wipe").want(t, exitOK, "its data is gone")
	if !strings.Contains(m.read("calls"), "--volumes") {
		t.Error("the data is not removed")
	}
}
