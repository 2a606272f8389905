package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// pollInterval is how often a process or a server's health is looked at while waiting for it.
const pollInterval = 100 * time.Millisecond

// A process is known by its pid and the instant it started: the pid alone may belong to another one tomorrow.
type process struct {
	PID     int    `json:"pid"`
	Started uint64 `json:"started"` // clock ticks from the machine's boot to the process's start
}

// identify returns the process that has the pid now, and whether it has ended and only waits for its parent to take
// notice.
func identify(pid int) (p process, ended bool, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, false, fmt.Errorf("looking for process %d: %w", pid, err)
	}
	started, ended, err := parseStat(string(stat))
	if err != nil {
		return process{}, false, fmt.Errorf("looking for process %d: %w", pid, err)
	}
	return process{PID: pid, Started: started}, ended, nil
}

// statFields are the fields of the text of /proc/PID/stat from the third on. The command's name stands second, in parentheses, and
// may hold anything, so they are counted from the last closing one.
func statFields(stat string) []string {
	return strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
}

// parseStat reads the start time, in ticks, from the text of /proc/PID/stat, and whether the process has ended. A process
// whose first thread alone has ended reads as a zombie too, but has other threads: Java and Go end in that way, with their
// ports still open.
func parseStat(stat string) (started uint64, ended bool, err error) {
	const state, threads, start = 0, 17, 19 // fields 3, 20 and 22 of proc(5), counted from the one after the name
	fields := statFields(stat)
	if len(fields) <= start {
		return 0, false, fmt.Errorf("unexpected stat %q", stat)
	}
	ended = fields[state] == "X" || fields[state] == "Z" && fields[threads] == "1"
	started, err = strconv.ParseUint(fields[start], 10, 64)
	return started, ended, err
}

// alive tells whether this very process still runs.
func (p process) alive() bool {
	now, ended, err := identify(p.PID)
	return err == nil && now == p && !ended
}

// signal sends sig to this very process; one that has ended, whoever has its pid now, is left alone.
func (p process) signal(sig syscall.Signal) error {
	handle, err := os.FindProcess(p.PID)
	if err != nil {
		return fmt.Errorf("finding process %d: %w", p.PID, err)
	}
	defer handle.Release()
	// The handle is bound to whoever has the pid now, so checking after taking it leaves no gap.
	if !p.alive() {
		return nil
	}
	if err := handle.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("sending %s to process %d: %w", sig, p.PID, err)
	}
	return nil
}

// terminate asks the process to end and kills it when it has not ended within grace.
func (p process) terminate(ctx context.Context, grace time.Duration) error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if p.gone(waiting) == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return p.kill(ctx)
}

// kill ends the process without asking it.
func (p process) kill(ctx context.Context) error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := p.gone(waiting); err != nil {
		return fmt.Errorf("waiting for process %d to end after SIGKILL: %w", p.PID, err)
	}
	return nil
}

// gone waits until the process has ended.
func (p process) gone(ctx context.Context) error {
	return poll(ctx, func() bool { return !p.alive() })
}

// poll waits until done says so, or ctx ends.
func poll(ctx context.Context, done func() bool) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	return nil
}

// memory is the process's resident memory in bytes, 0 where it can't be read.
func (p process) memory() int64 {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.PID))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// cpuTime is how many seconds of CPU time the process has taken so far, 0 where it can't be read.
func (p process) cpuTime() float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID))
	if err != nil {
		return 0
	}
	const user, system, ticks = 11, 12, 100 // fields 14 and 15 of proc(5), in the ticks that every Linux reports in
	fields := statFields(string(stat))
	if len(fields) <= system {
		return 0
	}
	inUser, err1 := strconv.ParseUint(fields[user], 10, 64)
	inSystem, err2 := strconv.ParseUint(fields[system], 10, 64)
	if errors.Join(err1, err2) != nil {
		return 0
	}
	return float64(inUser+inSystem) / ticks
}

// A command is what starts a part. Its environment is given whole: a variable of the caller's could change any key of
// Milvus' configuration.
type command struct {
	path string
	args []string
	env  []string
}

// launch starts the command in dir, in a session of its own so that it outlives its starter and the terminal's Ctrl-C,
// with its output in the file log.
func launch(c command, dir, log string) (process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return process{}, fmt.Errorf("opening the log: %w", err)
	}
	defer out.Close()
	cmd := exec.Command(c.path, c.args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, c.env, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return process{}, fmt.Errorf("starting %s: %w", c.path, err)
	}
	defer cmd.Process.Release()
	p, _, err := identify(cmd.Process.Pid) // one that has ended already is not reaped, and so still known
	return p, err
}
