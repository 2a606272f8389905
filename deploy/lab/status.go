package lab

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A State is what a part is up to.
type State string

// The states of a part.
const (
	StateRunning   State = "running"   // its process runs and is healthy
	StateUnhealthy State = "unhealthy" // its process runs and does not answer as it should
	StateStopped   State = "stopped"   // it does not run
)

var (
	errNotStarted = errors.New("it was not started, or was stopped")
	errEnded      = errors.New("it was started, and ended by itself")
)

// PartStatus is the state of a part at one instant.
type PartStatus struct {
	Name     string
	State    State
	Optional bool   // Up leaves it alone
	PID      int    // 0 where it does not run
	Port     int    // the one that clients use
	Memory   int64  // resident, in bytes
	Log      string // the path of its log
	Problem  error  // why it is not running
}

// Wrong tells whether the part is not running though it should be. An optional one should once it was started.
func (s PartStatus) Wrong() bool {
	return s.State != StateRunning && !(s.Optional && errors.Is(s.Problem, errNotStarted))
}

// Status looks at every part, in the order of their start. Replicas beyond those that there should be are left out unless they
// were started.
func (l *Lab) Status(ctx context.Context) []PartStatus {
	statuses := make([]PartStatus, len(l.parts))
	var looking sync.WaitGroup
	for i, p := range l.parts {
		looking.Go(func() { statuses[i] = l.statusOf(ctx, p) })
	}
	looking.Wait()
	wanted, err := l.replicas()
	if err != nil {
		wanted = usual() // Up says what is wrong with the numbers
	}
	var shown []PartStatus
	for i, s := range statuses {
		s.Optional = !wanted.includes(l.parts[i])
		if l.parts[i].number == 0 || !s.Optional || !errors.Is(s.Problem, errNotStarted) {
			shown = append(shown, s)
		}
	}
	return shown
}

func (l *Lab) statusOf(ctx context.Context, p part) PartStatus {
	s := PartStatus{Name: p.name, Port: p.ports[0].number, Log: l.logPath(p)}
	as, err := l.recorded(p)
	switch {
	case err != nil:
		s.State, s.Problem = StateStopped, err
	case as == (process{}):
		s.State, s.Problem = StateStopped, errNotStarted
	case !as.alive():
		s.State, s.Problem = StateStopped, errEnded
	default:
		s.State, s.Problem, s.PID, s.Memory = StateRunning, p.health(ctx), as.PID, as.memory()
	}
	if s.State == StateRunning && s.Problem != nil {
		s.State = StateUnhealthy
	}
	return s
}

// ProcessorTime is how long a part that runs has been on the processors since it was started.
func (l *Lab) ProcessorTime(name string) (time.Duration, error) {
	p, err := l.part(name)
	if err != nil {
		return 0, err
	}
	as, err := l.recorded(p)
	if err != nil {
		return 0, err
	}
	return time.Duration(as.cpuTime() * float64(time.Second)), nil
}
