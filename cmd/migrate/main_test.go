package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/deploy/lab"
	"migrate/internal/labtest"
	"migrate/internal/milvus"
)

// binary is the real program, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "migrate")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "migrate")
		build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, ".") // as the image is built
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building migrate: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// result is what a run printed, and how it ended.
type result struct {
	code           int
	stdout, stderr string
}

// migrate runs the program with nothing in its environment but env.
func migrate(t *testing.T, env []string, args ...string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Dir, cmd.Env = t.TempDir(), append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	return begin(t, cmd)()
}

// begin starts a command, and returns what waits for its end.
func begin(t *testing.T, cmd *exec.Cmd) (end func() result) {
	t.Helper()
	return start(t, cmd).end
}

// running is a command that was started.
type running struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr heard
}

func start(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	r := &running{t: t, cmd: cmd}
	cmd.Stdout, cmd.Stderr = &r.stdout, &r.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// end waits for the command's end.
func (r *running) end() result {
	r.t.Helper()
	err := r.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	return result{r.cmd.ProcessState.ExitCode(), r.stdout.String(), r.stderr.String()}
}

// url is where the command serves, by its log; "" as long as it does not.
func (r *running) url() string {
	if at := served.FindStringSubmatch(r.stderr.String()); at != nil {
		return at[1]
	}
	return ""
}

var served = regexp.MustCompile(`msg="the status page is served" at=(\S+)`)

// send sends a signal to a process that runs.
func send(t *testing.T, p *os.Process, signal syscall.Signal) {
	t.Helper()
	if err := p.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// heard is what a command has said by now.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

// serving starts a command that serves on a port of its own choice, and returns where, and what ends it by a signal.
func serving(t *testing.T, cmd *exec.Cmd) (url string, end func() result) {
	t.Helper()
	r := start(t, cmd)
	await(t, func() bool { return r.url() != "" })
	return r.url(), func() result {
		t.Helper()
		send(t, cmd.Process, syscall.SIGTERM)
		return r.end()
	}
}

// anyPort has a command that serves tell where.
var anyPort = []string{"--listen", "127.0.0.1:0", "--log-level", "info"}

func (r result) want(t *testing.T, code int, texts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d", r.code, code)
	}
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) {
			t.Errorf("output lacks %q", text)
		}
	}
	if t.Failed() {
		t.Logf("stdout:\n%s\nstderr:\n%s", padding.ReplaceAllString(r.stdout, "  "), r.stderr)
	}
}

// padding fills the columns of a table, of which a log of CI keeps only so much.
var padding = regexp.MustCompile(` {3,}`)

const (
	dim  = 8
	sink = "--sink-url"
)

// toTarget names the lab's cluster.
var toTarget = []string{"--target-address", lab.Proxy1}

func args(parts ...any) []string {
	var all []string
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			all = append(all, p)
		case []string:
			all = append(all, p...)
		}
	}
	return all
}

func documentRows(from, to int) labtest.Rows {
	n := to - from
	return labtest.Rows{N: n, Columns: []*schemapb.FieldData{
		labtest.Column(labtest.IntKey("id"), labtest.Each(n, func(i int) int64 { return int64(from + i) })),
		labtest.Vectors("v", dim, n, uint64(from)),
	}}
}

// TestResultIsLost fails where the result of a command can't be written.
func TestResultIsLost(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, json := range []string{"--json=false", "--json"} {
		cmd := exec.CommandContext(t.Context(), binary, "status", json, sink, t.TempDir())
		cmd.Stdout = full
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Run(); cmd.ProcessState.ExitCode() != exitFailed || !strings.Contains(said.String(), "no space left") {
			t.Errorf("%s: %v: %s", json, err, said.String())
		}
	}
}

// TestConfiguration takes flags before the environment, and that before the file, and refuses what it does not know.
func TestConfiguration(t *testing.T) {
	dir := t.TempDir()
	file := func(text string) string {
		name := filepath.Join(dir, fmt.Sprint(time.Now().UnixNano())+".yaml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	three := file("source:\n  address: file:1\ncollection: c\n")
	for title, c := range map[string]struct {
		env  []string
		args []string
		want string
	}{
		"file":              {nil, args("export", "--config", three), "file:1"},
		"file by variable":  {[]string{"MIGRATE_CONFIG=" + three}, args("export"), "file:1"},
		"environment":       {[]string{"MIGRATE_SOURCE_ADDRESS=env:2"}, args("export", "--config", three), "env:2"},
		"flag":              {[]string{"MIGRATE_SOURCE_ADDRESS=env:2"}, args("export", "--config", three, "--source-address", "flag:3"), "flag:3"},
		"unknown key":       {nil, args("export", "--config", file("source:\n  adress: x\n")), "adress"},
		"unknown section":   {nil, args("export", "--config", file("sauce:\n  x: 1\n")), "sauce"},
		"unknown variable":  {[]string{"MIGRATE_SOURCE_ADRESS=x"}, args("export"), "MIGRATE_SOURCE_ADRESS"},
		"absent file":       {nil, args("export", "--config", filepath.Join(dir, "none.yaml")), "none.yaml"},
		"file of no YAML":   {nil, args("export", "--config", file("\tx")), "configuration file"},
		"unknown log level": {nil, args("export", "--log-level", "loud"), "loud"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			if r := migrate(t, c.env, c.args...); r.code == exitOK || !strings.Contains(r.stderr, c.want) {
				t.Errorf("exit code %d, output lacks %q:\n%s", r.code, c.want, r.stderr)
			}
		})
	}
}

// TestLogFormat says all in JSON where the log is for machines, the reason of the end included.
func TestLogFormat(t *testing.T) {
	r := migrate(t, nil, "sync", "--log-format", "json", "--collection", "c")
	r.want(t, exitUsage)
	var line struct {
		Level, Error string
		Code         int `json:"exit code"`
	}
	if err := json.Unmarshal([]byte(r.stderr), &line); err != nil || line.Code != exitUsage || !strings.Contains(line.Error, "source.address") {
		t.Errorf("%v: %+v", err, line)
	}
	migrate(t, nil, "sync", "--log-format", "xml").want(t, exitUsage, "text or json")
}

// await waits until something has happened that stays so.
func await(t *testing.T, happened func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(labtest.Patience); time.Now().Before(deadline); <-tick.C {
		if happened() {
			return
		}
	}
	t.Fatal("it did not happen in time")
}

func TestVersion(t *testing.T) {
	r := migrate(t, nil, "--version")
	r.want(t, 0)
	if !strings.HasPrefix(r.stdout, "migrate version ") {
		t.Errorf("it printed %q", r.stdout)
	}
}

// documents makes a small collection on a server.
func documents(t *testing.T, server *milvus.Server, rows int) string {
	t.Helper()
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, dim)))
	labtest.Create(t, server, c)
	if rows > 0 {
		labtest.Insert(t, server, c.Name, "", documentRows(0, rows))
	}
	return c.Name
}
