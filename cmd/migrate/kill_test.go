package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"migrate/checkpoint"
	"migrate/internal/document"
	"migrate/internal/export"
	"migrate/internal/labtest/faulttable"
	"migrate/sinks"
)

// kills is how many times each of export and import is killed: 3 in `make test`, and 30 in `make test-faults`.
func kills(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("KILLS"))
	if err != nil {
		n = 3
	}
	return n
}

// killer kills a command at random instants, again and again, until it has struck so many times.
type killer struct {
	random *rand.Rand
	within time.Duration // of an undisturbed run
	env    []string      // beside that of the test; nil: nothing
}

func newKiller(t *testing.T, within time.Duration) killer {
	seed := uint64(time.Now().UnixNano())
	if given, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		seed = given
	}
	t.Logf("SEED=%d, killing within %v", seed, within)
	return killer{random: rand.New(rand.NewPCG(seed, 1)), within: within}
}

// run runs a command and kills it with -9 at a random instant; it reports whether the command ended before that, as it should.
func (k killer) run(t *testing.T, args []string) (ended bool) {
	t.Helper()
	r, killed := k.strike(t, args)
	if !killed {
		r.want(t, exitOK)
	}
	return !killed
}

// strike runs a command and kills it with -9 at a random instant, unless it has ended before that.
func (k killer) strike(t *testing.T, args []string) (r result, killed bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), k.env...)
	end := begin(t, cmd)
	timer := time.AfterFunc(time.Duration(k.random.Float64()*float64(k.within)), func() { cmd.Process.Kill() })
	defer timer.Stop()
	r = end()
	return r, cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled()
}

// TestExportKilled kills an export again and again; what comes of it is what an undisturbed run makes.
func TestExportKilled(t *testing.T) {
	t.Parallel()
	s, folder := newInMemory(t, 4), t.TempDir()
	export := func(job string) []string { return args(s.export, sink, folder, "--job", job, "--workers", "2") }
	started := time.Now()
	migrate(t, nil, export("undisturbed")...).want(t, exitOK)
	k := newKiller(t, time.Since(started))
	faulttable.Tried(t, "export: kill -9 at a random instant", kills(t), "the same command ends it: same parts, byte for byte")
	for range kills(t) {
		k.run(t, export("killed"))
		if _, err := readManifest(t, folder, "killed"); err == nil {
			wantSameExport(t, folder)
			removeJob(t, folder, "killed")
		}
	}
	migrate(t, nil, export("killed")...).want(t, exitOK)
	wantSameExport(t, folder)
}

// wantSameExport compares what came of the kills with the undisturbed run, object by object.
func wantSameExport(t *testing.T, folder string) {
	t.Helper()
	want, err := readManifest(t, folder, "undisturbed")
	if err != nil {
		t.Fatal(err)
	}
	got, err := readManifest(t, folder, "killed")
	if err != nil {
		t.Fatal(err)
	}
	if got.Total != want.Total || len(got.Parts) != len(want.Parts) {
		t.Fatalf("%v in %d parts after kills, %v in %d undisturbed", got.Total, len(got.Parts), want.Total, len(want.Parts))
	}
	for i, p := range want.Parts {
		if got.Parts[i].SHA256 != p.SHA256 {
			t.Errorf("part %s is another than that of the undisturbed run", p.Object)
		}
	}
}

func readManifest(t *testing.T, folder, job string) (*export.Manifest, error) {
	t.Helper()
	local, err := sinks.NewLocal(folder)
	if err != nil {
		t.Fatal(err)
	}
	return export.Read(t.Context(), local, job)
}

func removeJob(t *testing.T, folder, job string) {
	t.Helper()
	local, err := sinks.NewLocal(folder)
	if err != nil {
		t.Fatal(err)
	}
	for info, err := range local.List(t.Context(), job+"/") {
		if err != nil {
			t.Fatal(err)
		}
		if err := local.Delete(t.Context(), info.Name); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTwoProcesses lets only one of two processes have a job.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "two processes on one job", 1, "the second is refused, and told who has the job")
	s, folder := newInMemory(t, 2), t.TempDir()
	export := args(s.export, sink, folder, "--workers", "1")
	first, end := stopped(t, s, folder, export)
	migrate(t, nil, export...).want(t, exitFailed, "held by another process", strconv.Itoa(first.Pid))
	send(t, first, syscall.SIGCONT)
	end().want(t, exitOK)
	migrate(t, nil, export...).want(t, exitFailed, "complete already")
}

// stopped starts an export, and stops it in the midst of a part: it waits for an answer, which it gets as soon as it goes on.
func stopped(t *testing.T, s inMemory, folder string, export []string) (*os.Process, func() result) {
	t.Helper()
	gate := s.holdOnce(folder, s.name, "_default", "*")
	cmd := exec.CommandContext(t.Context(), binary, export...)
	cmd.Dir = t.TempDir()
	end := begin(t, cmd)
	gate.Await(t)
	stopUnlocked(t, cmd.Process, folder)
	gate.Open()
	return cmd.Process, end
}

// stopUnlocked stops a process, and not while it writes a document, with a lock on it that nobody else would get then.
func stopUnlocked(t *testing.T, p *os.Process, folder string) {
	t.Helper()
	for {
		send(t, p, syscall.SIGSTOP)
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(p.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
			t.Fatalf("it did not stop: %v, %v", status, err)
		}
		if !locked(t, folder) {
			return
		}
		send(t, p, syscall.SIGCONT)
		time.Sleep(time.Millisecond)
	}
}

// locked reports whether somebody holds a lock on a document of a job, or of a part of it.
func locked(t *testing.T, folder string) (found bool) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(folder, "_migrate"), func(path string, _ fs.DirEntry, err error) error {
		found = found || strings.HasSuffix(path, ".lock.partial")
		if errors.Is(err, fs.ErrNotExist) { // it went meanwhile
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestLateProcess pauses a process past its lease: another goes on with the job, and the late one, woken, stops with a
// clear error and has changed nothing.
func TestLateProcess(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "a process stopped past its lease, and woken", 1, "it ends, told that another took over; the other's export stands")
	s, folder := newInMemory(t, 4), t.TempDir()
	export := args(s.export, "--json", sink, folder, "--workers", "1")
	late, end := stopped(t, s, folder, export)
	expire(t, folder, checkpoint.Name(checkpoint.Export, s.name, ""))
	r := migrate(t, nil, export...)
	r.want(t, exitOK)
	send(t, late, syscall.SIGCONT)
	end().want(t, exitFailed, "taken over by another process")
	var exported exportResult
	if err := json.Unmarshal([]byte(r.stdout), &exported); err != nil || exported.Content.Rows != s.rows {
		t.Errorf("%v, %+v", err, exported)
	}
	if m, err := readManifest(t, folder, s.name); err != nil || m.Total != exported.Content {
		t.Errorf("the manifest after the late process woke: %v, %v", m, err)
	}
}

// expire has the owner of a job be taken for gone, as its time would, when somebody has watched for so long.
func expire(t *testing.T, folder, job string) {
	t.Helper()
	local, err := sinks.NewLocal(folder)
	if err != nil {
		t.Fatal(err)
	}
	name := checkpoint.Object(job)
	text, version, err := local.Load(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	var doc checkpoint.Job
	if err := document.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	doc.Lease.Owner.Start += "0"
	if text, err = document.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	if _, err := local.Swap(t.Context(), name, version, text); err != nil {
		t.Fatal(err)
	}
}

// TestInterrupted stops after a signal, though its server gives no answer, says so, and leaves no part behind.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	s, folder := newInMemory(t, 2), t.TempDir()
	gate := s.holdOnce(folder, s.name, "*", "*")
	interrupt(t, gate, args(s.export, sink, folder, "--workers", "1"))
	if left, _ := filepath.Glob(filepath.Join(folder, s.name, "*", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
