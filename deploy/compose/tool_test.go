//go:build compose

package compose

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tool is migrate as someone has it who has no copy of this repository: the program, and a project that it wrote.
type tool struct {
	*stack
	program string
	path    string // of programs: Compose is found there
	project string
}

// TestRunTool has migrate write a project, start it, watch it, measure it, scale it, drill it and stop it.
func TestRunTool(t *testing.T) {
	m := newTool(t)
	m.step("migrate cluster start", func() { fmt.Print(m.migrate("cluster", "start", "--force")) })
	m.step("started again: nothing changes", func() { m.migrate("cluster", "start", "--force") })
	m.counts("proxy 2, querynode 2, datanode 2, indexnode 2")

	m.step("migrate bench search, through nginx", func() {
		fmt.Print(m.migrate("bench", "search", "--target-address", m.lb(), "--rows", "20000", "--threads", "4", "--queries", "50"))
	})
	m.step("migrate cluster monitor", func() { fmt.Print(m.migrate("cluster", "monitor")) })

	m.step("migrate cluster scale querynode 3", func() { m.migrate("cluster", "scale", "querynode", "3") })
	m.step("started again: three they stay", func() { m.migrate("cluster", "start", "--force") })
	m.counts("proxy 2, querynode 3, datanode 2, indexnode 2")
	m.step("migrate cluster scale querynode 2", func() { m.migrate("cluster", "scale", "querynode", "2") })
	m.counts("proxy 2, querynode 2, datanode 2, indexnode 2")

	m.step("migrate drill querynode datanode proxy", func() {
		fmt.Print(m.migrate("drill", "querynode", "datanode", "proxy", "--kill", "--target-address", m.lb(),
			"--base-rows", "5000", "--dim", "64", "--threads", "4", "--away", "20s"))
	})

	m.step("migrate cluster stop: the data stays", func() { m.migrate("cluster", "stop") })
	if volumes := m.docker("volume", "ls", "--quiet"); !strings.Contains(volumes, m.name()+"_minio") {
		t.Errorf("the data is gone:\n%s", volumes)
	}
	m.step("started on it", func() { m.migrate("cluster", "start", "--force") })
	m.step("migrate cluster stop --wipe: it goes", func() { m.migrate("cluster", "stop", "--wipe") })
	if volumes := m.docker("volume", "ls", "--quiet"); strings.Contains(volumes, m.name()+"_") {
		t.Errorf("some data is left:\n%s", volumes)
	}
}

// newTool builds migrate and has it write a project, to which the lab's images and limits are added.
func newTool(t *testing.T) *tool {
	s, dir := newStack(t), t.TempDir()
	m := &tool{s, filepath.Join(dir, "migrate"), dir + ":" + os.Getenv("PATH"), filepath.Join(dir, "milvus")}
	s.run("../..", nil, "go", "build", "-o", m.program, "./cmd/migrate")
	if err := os.Symlink(s.program, filepath.Join(dir, "docker-compose")); err != nil {
		t.Fatal(err)
	}
	m.step("migrate cluster init", func() { m.run(dir, m.env(), m.program, "cluster", "init", m.project, "--overlays", "ha,lb") })
	env, err := os.OpenFile(filepath.Join(m.project, ".env"), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer env.Close()
	for name, value := range s.variables {
		fmt.Fprintf(env, "%s=%s\n", name, value)
	}
	m.run(".", nil, "cp", "compose.lab.yaml", m.project) // init does not write it: it is no one else's
	fmt.Fprintln(env, "COMPOSE_FILE=compose.yaml:compose.ha.yaml:compose.lb.yaml:compose.lab.yaml")
	return m
}

// name is the project's, by which the names of its volumes begin.
func (m *tool) name() string {
	return readEnv(m.t, filepath.Join(m.project, ".env"))["COMPOSE_PROJECT_NAME"]
}

func (m *tool) env() []string { return []string{"PATH=" + m.path} }

// migrate runs the program on the project, and returns what it prints. A bench has no project.
func (m *tool) migrate(args ...string) string {
	m.t.Helper()
	if args[0] != "bench" {
		args = append(args, "--project-dir", m.project)
	}
	out, err := m.engine.Run(m.ctx, nil, m.project, m.env(), m.program, args...)
	if err != nil {
		m.t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// counts compares what the coordinators count with what there should be.
func (m *tool) counts(want string) {
	m.t.Helper()
	var sample struct {
		Services []struct {
			Service         string
			Wanted, Healthy int
		}
		Registered []struct {
			Component string
			Known     int
		}
	}
	if err := json.Unmarshal([]byte(m.migrate("cluster", "monitor", "--json")), &sample); err != nil {
		m.t.Fatal(err)
	}
	var known []string
	for _, r := range sample.Registered {
		known = append(known, fmt.Sprintf("%s %d", r.Component, r.Known))
	}
	if got := strings.Join(known, ", "); got != want {
		m.t.Fatalf("known to their coordinators are %s, want %s", got, want)
	}
	for _, s := range sample.Services {
		if s.Healthy != s.Wanted {
			m.t.Fatalf("%d of %d of %s are healthy", s.Healthy, s.Wanted, s.Service)
		}
	}
}
