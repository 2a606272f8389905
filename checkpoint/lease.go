package checkpoint

import (
	"fmt"
	"os"
	"strings"
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
	Host  string `json:"host"`
	Boot  string `json:"boot,omitempty"` // the machine's boot id, which no two machines share
	PID   int    `json:"pid"`
	Start string `json:"start,omitempty"` // of the process, in the kernel's ticks
}

func (o Owner) String() string { return fmt.Sprintf("process %d on %s", o.PID, o.Host) }

// self is this process.
func self() Owner {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return Owner{Host: host, Boot: bootID(), PID: os.Getpid(), Start: startOf(os.Getpid())}
}

// gone reports whether an owner is known to have ended: only a process of this machine can be known so.
func (o Owner) gone() bool {
	me := self()
	return o.Host == me.Host && o.Boot == me.Boot && o.Boot != "" && startOf(o.PID) != o.Start
}

func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// startOf is when a process started, or "" where there is none. See proc(5): field 22 of /proc/PID/stat, counted from
// the parenthesis that ends the name.
func startOf(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	const state, start = 0, 19
	if len(fields) <= start || fields[state] == "Z" || fields[state] == "X" {
		return ""
	}
	return fields[start]
}
