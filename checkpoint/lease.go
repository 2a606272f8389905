package checkpoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Lease says who owns a job. Its owner renews it; it has lapsed when one who would have the job has seen it unchanged for its
// length, whatever the clocks of the two machines say. A new owner raises the epoch, which fences the one before: its next write
// is refused.
type Lease struct {
	ID      string    `json:"id"` // random: no two owners have the same, not even of one process
	Owner   Owner     `json:"owner"`
	Epoch   int64     `json:"epoch"`
	Expires time.Time `json:"expires"` // by its owner's clock; a hint for others
}

// leaseTime is how long a lease holds without being renewed, renewEvery how often it is, and watchEvery how often one who would
// have the job looks. The counts in the document are written every countEvery while they move.
const (
	leaseTime  = 30 * time.Second
	renewEvery = leaseTime / 3
	watchEvery = time.Second
	countEvery = 2 * time.Second
)

// held reports whether a process may have the job: it was taken, and its owner is not known to be gone.
func (j *Job) held() bool { return j.State == Running && !kernel.gone(j.Lease.Owner) }

// Owner is a process on a machine. The start time tells it from a later one with the same id.
type Owner struct {
	Host      string `json:"host"`
	Boot      string `json:"boot,omitempty"`          // the machine's boot id, which no two machines share
	Namespace string `json:"pid_namespace,omitempty"` // that PID is a number of; empty where it is not known
	PID       int    `json:"pid"`
	Start     string `json:"start,omitempty"` // of the process, in the kernel's ticks
}

func (o Owner) String() string { return fmt.Sprintf("process %d on %s", o.PID, o.Host) }

// proc is the folder where the kernel shows processes.
type proc string

const kernel proc = "/proc"

// self is this process.
func (p proc) self() Owner {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	start, _ := p.startOf(os.Getpid())
	return Owner{Host: host, Boot: p.bootID(), Namespace: p.namespace(), PID: os.Getpid(), Start: start}
}

// gone reports whether an owner is known to have ended. Only a process of this machine whose number means the same here
// can be known so; any other has to let its lease run out.
func (p proc) gone(o Owner) bool { return p.near(o) && p.ended(o.PID, o.Start) }

// near reports whether an owner is, or was, a process of this machine, by a number that means the same here.
func (p proc) near(o Owner) bool {
	me := p.self()
	return o.Host == me.Host && o.Boot == me.Boot && o.Boot != "" && o.Namespace == me.Namespace && o.Namespace != ""
}

// ended asks the kernel whether there is a process of that number, since /proc may hide those of other users. Where it is
// shown, it may be a later one, or one that only waits to be buried.
func (p proc) ended(pid int, start string) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	now, shown := p.startOf(pid)
	return shown && now != start
}

func (p proc) bootID() string {
	b, err := os.ReadFile(p.path("sys/kernel/random/boot_id"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// namespace is the PID namespace of this process, or "" where /proc is absent or that of another one, so that its numbers
// stand for other processes.
func (p proc) namespace() string {
	me, err := os.Readlink(p.path("self"))
	if err != nil || me != strconv.Itoa(os.Getpid()) {
		return ""
	}
	name, err := os.Readlink(p.path("self/ns/pid"))
	if err != nil {
		return ""
	}
	return name
}

// startOf is when a process started, or "" where it has ended and waits to be buried; false where it is not shown. See
// proc(5): field 22 of /proc/PID/stat, counted from the parenthesis that ends the name.
func (p proc) startOf(pid int) (start string, shown bool) {
	b, err := os.ReadFile(p.path(fmt.Sprintf("%d/stat", pid)))
	if err != nil {
		return "", false
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	const stateField, startField = 0, 19
	if len(fields) <= startField {
		return "", false
	}
	if fields[stateField] == "Z" || fields[stateField] == "X" {
		return "", true
	}
	return fields[startField], true
}

func (p proc) path(name string) string { return filepath.Join(string(p), name) }
