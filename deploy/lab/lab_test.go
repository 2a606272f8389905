package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// withParts gives the lab one sleeping part for each name, each of which needs the one before.
func withParts(t *testing.T, l *Lab, script string, names ...string) {
	t.Helper()
	l.parts = nil
	for i, name := range names {
		p := part{
			name:     name,
			software: etcdPack,
			ports:    []port{{1, "test"}},
			health:   func(context.Context) error { return nil },
			command: func() (command, error) {
				return command{path: "/bin/sh", args: []string{"-c", script}, env: plainEnvironment()}, nil
			},
		}
		if i > 0 {
			p.needs = []string{names[i-1]}
		}
		l.parts = append(l.parts, p)
	}
	withPack(t, l, etcdPack, map[string]string{"etcd": ""})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := l.Wipe(ctx); err != nil {
			t.Error(err)
		}
	})
}

func pids(statuses []PartStatus) string {
	var all []string
	for _, s := range statuses {
		all = append(all, fmt.Sprintf("%s %s %d", s.Name, s.State, s.PID))
	}
	return strings.Join(all, ", ")
}

func TestUpIsIdempotentAndDownEndsIt(t *testing.T) {
	l := aLab(t)
	withParts(t, l, "exec sleep 60", "store", "server")
	if err := l.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := pids(l.Status(t.Context()))
	if strings.Count(first, "running") != 2 {
		t.Errorf("after Up: %s", first)
	}
	if err := l.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if second := pids(l.Status(t.Context())); second != first {
		t.Errorf("the second Up made %s of %s", second, first)
	}
	if err := l.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := pids(l.Status(t.Context())); after != "store stopped 0, server stopped 0" {
		t.Errorf("after Down: %s", after)
	}
}

func TestKilledPartCanBeStartedAgain(t *testing.T) {
	l := aLab(t)
	withParts(t, l, "exec sleep 60", "store", "server")
	err := l.Start(t.Context(), "server")
	if !matches(err, "it needs store, which is stopped") {
		t.Errorf("starting a part before what it needs: %v", err)
	}
	for _, name := range []string{"store", "server"} {
		if err := l.Start(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	before := l.Status(t.Context())[1]
	if err := l.Kill(t.Context(), "server"); err != nil {
		t.Fatal(err)
	}
	if s := l.Status(t.Context())[1]; s.State != StateStopped || !s.Wrong() {
		t.Errorf("after Kill: %+v", s)
	}
	if err := l.Start(t.Context(), "server"); err != nil {
		t.Fatal(err)
	}
	if after := l.Status(t.Context())[1]; after.State != StateRunning || after.PID == before.PID {
		t.Errorf("started again: %+v; before it was %+v", after, before)
	}
}

func TestPartThatEndsAtOnceShowsItsLog(t *testing.T) {
	l := aLab(t)
	withParts(t, l, "echo bind: address already in use; exit 1", "server")
	l.parts[0].health = func(context.Context) error { return errors.New("refused") }
	err := l.Up(t.Context())
	for _, want := range []string{"server ended before it was healthy", "bind: address already in use"} {
		if !matches(err, want) {
			t.Errorf("error %v; want it to say %q", err, want)
		}
	}
	if s := l.Status(t.Context())[0]; !errors.Is(s.Problem, errEnded) {
		t.Errorf("its problem is %v", s.Problem)
	}
}

func TestUnhealthyPart(t *testing.T) {
	l := aLab(t)
	withParts(t, l, "exec sleep 60", "server")
	if err := l.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.parts[0].health = func(context.Context) error { return errors.New("503") }
	if s := l.Status(t.Context())[0]; s.State != StateUnhealthy || !s.Wrong() {
		t.Errorf("status %+v", s)
	}
}

func TestWaitingForHealthEndsWithTheContext(t *testing.T) {
	l := aLab(t)
	withParts(t, l, "exec sleep 60", "server")
	ctx, cancel := context.WithCancel(t.Context())
	l.parts[0].health = func(context.Context) error {
		cancel()
		return errors.New("not yet")
	}
	if err := l.Up(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Up = %v; want the context's error", err)
	}
}

func TestWrong(t *testing.T) {
	tests := []struct {
		name   string
		status PartStatus
		want   bool
	}{
		{"running", PartStatus{State: StateRunning}, false},
		{"unhealthy", PartStatus{State: StateUnhealthy, Problem: errors.New("503")}, true},
		{"stopped", PartStatus{State: StateStopped, Problem: errNotStarted}, true},
		{"optional, never started", PartStatus{State: StateStopped, Optional: true, Problem: errNotStarted}, false},
		{"optional, crashed", PartStatus{State: StateStopped, Optional: true, Problem: errEnded}, true},
		{"optional, unhealthy", PartStatus{State: StateUnhealthy, Optional: true, Problem: errors.New("503")}, true},
	}
	for _, test := range tests {
		if got := test.status.Wrong(); got != test.want {
			t.Errorf("%s: Wrong = %t", test.name, got)
		}
	}
}

func TestInOrder(t *testing.T) {
	parts := []part{
		{name: "proxy", needs: []string{"etcd", "minio", "what is not given"}}, {name: "etcd"}, {name: "minio", needs: []string{"etcd"}},
	}
	needs := func(p part) []string { return p.needs }
	var mu sync.Mutex
	var order []string
	note := func(_ context.Context, p part) error {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, p.name)
		return nil
	}
	if err := inOrder(t.Context(), parts, needs, note); err != nil {
		t.Fatal(err)
	}
	if want := []string{"etcd", "minio", "proxy"}; !slices.Equal(order, want) {
		t.Errorf("order %v; want %v", order, want)
	}
}

func TestInOrderStopsAtAFailure(t *testing.T) {
	parts := []part{{name: "etcd"}, {name: "proxy", needs: []string{"etcd"}}}
	full := errors.New("disk full")
	err := inOrder(t.Context(), parts, func(p part) []string { return p.needs }, func(_ context.Context, p part) error {
		if p.name == "proxy" {
			t.Error("proxy is started though etcd failed")
		}
		return full
	})
	if !errors.Is(err, full) {
		t.Errorf("error %v; want %v", err, full)
	}
}

func TestRunningSaysWhatToDo(t *testing.T) {
	l := aLab(t)
	t.Setenv(DirVariable, l.Dir())
	_, err := Running(t.Context())
	if !matches(err, "run make lab-up") {
		t.Errorf("error %v; want one that says what to do", err)
	}
}
