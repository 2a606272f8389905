package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	stat := func(name, state, threads string) string {
		return "7 (" + name + ") " + state + " 1 7 7 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 " + threads + " 0 4242 1000 50"
	}
	tests := []struct {
		name, stat string
		started    uint64
		ended      bool
		err        string
	}{
		{name: "running", stat: stat("milvus", "S", "12"), started: 4242},
		{name: "a name like fields", stat: stat("a) Z 1 (b", "R", "1"), started: 4242},
		{name: "zombie", stat: stat("java", "Z", "1"), started: 4242, ended: true},
		{name: "only the first thread ended", stat: stat("java", "Z", "3"), started: 4242},
		{name: "dead", stat: stat("java", "X", "1"), started: 4242, ended: true},
		{name: "cut short", stat: "7 (java) S 1 7", err: "unexpected"},
		{name: "empty", stat: "", err: "unexpected"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			started, ended, err := parseStat(test.stat)
			if started != test.started || ended != test.ended || !matches(err, test.err) {
				t.Errorf("parseStat(%q) = %d, %t, %v; want %d, %t, %q",
					test.stat, started, ended, err, test.started, test.ended, test.err)
			}
		})
	}
}

// matches tells whether err is nil where want is empty, and else whether it says want.
func matches(err error, want string) bool {
	if want == "" || err == nil {
		return want == "" && err == nil
	}
	return strings.Contains(err.Error(), want)
}

// aProcess launches a shell script whose log holds "ready" once its traps are set.
func aProcess(t *testing.T, script string) process {
	t.Helper()
	dir := t.TempDir()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "log")
	p, err := launch(command{path: shell, args: []string{"-c", script + "\necho ready\nwhile :; do sleep 0.05; done"}}, dir, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.signal(syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	})
	err = poll(t.Context(), func() bool {
		text, err := os.ReadFile(log)
		return err != nil || strings.Contains(string(text), "ready")
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProcessIsKnownByItsStart(t *testing.T) {
	p := aProcess(t, "")
	reused := process{PID: p.PID, Started: p.Started - 1}
	if !p.alive() {
		t.Errorf("%+v was just started and is not alive", p)
	}
	if reused.alive() {
		t.Errorf("%+v is taken for %+v", p, reused)
	}
	if err := reused.kill(t.Context()); err != nil {
		t.Errorf("killing a process that is long gone: %v", err)
	}
	if !p.alive() {
		t.Errorf("%+v was killed in the place of %+v", p, reused)
	}
	if (process{}).alive() {
		t.Error("no process is alive")
	}
}

func TestTerminate(t *testing.T) {
	tests := []struct {
		name, script string
		grace        time.Duration
	}{
		{"ends when asked", "", time.Minute},
		{"is killed when it does not", "trap '' TERM", 10 * time.Millisecond},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := aProcess(t, test.script)
			if err := p.terminate(t.Context(), test.grace); err != nil {
				t.Fatal(err)
			}
			if p.alive() {
				t.Error("it is still alive")
			}
		})
	}
}

func TestLaunchedProcessHasItsOwnSession(t *testing.T) {
	p := aProcess(t, "")
	session, _, errno := syscall.Syscall(syscall.SYS_GETSID, uintptr(p.PID), 0, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	if int(session) != p.PID {
		t.Errorf("process %d is in session %d, and would get the terminal's Ctrl-C", p.PID, session)
	}
	if p.memory() == 0 {
		t.Error("its memory is 0")
	}
}
