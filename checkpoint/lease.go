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

// Lease says who owns a job, and until when it need not be asked again. A new owner raises the epoch, which fences the
// one before: its next write is refused.
type Lease struct {
	ID      string    `json:"id"` // random: no two owners have the same, not even of one process
	Owner   Owner     `json:"owner"`
	Epoch   int64     `json:"epoch"`
	Expires time.Time `json:"expires"`
}

// until says how long a lease holds. With clocks that agree no lease ends later than leaseTime from now.
func (l Lease) until(now time.Time) string {
	ends := fmt.Sprintf("until %s unless it renews", l.Expires.Local().Format(time.TimeOnly))
	if ahead := l.Expires.Sub(now) - leaseTime; ahead > time.Second {
		return fmt.Sprintf("%s; that machine's clock is %v or more ahead of this one's", ends, ahead.Round(time.Second))
	}
	return ends
}

// leaseTime is how long a lease holds without being renewed, and renewEvery how often it is.
const (
	leaseTime  = 30 * time.Second
	renewEvery = leaseTime / 3
)

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
func (p proc) gone(o Owner) bool {
	me := p.self()
	near := o.Host == me.Host && o.Boot == me.Boot && o.Boot != "" && o.Namespace == me.Namespace && o.Namespace != ""
	return near && p.ended(o.PID, o.Start)
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
