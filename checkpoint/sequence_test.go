package checkpoint

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"migrate/sinks"
	"migrate/sinks/faults"
	"migrate/sinks/memory"
)

var errBroken = errors.New("broken on purpose")

// TestAnySequence works through a job with owners that fail at any of their writes, are killed at any time, or end in order: what was
// recorded stays, nothing is recorded that was not, and in the end each chunk is done.
func TestAnySequence(t *testing.T) {
	quiet(t)
	rapid.Check(t, func(t *rapid.T) {
		s := &sequence{memory: &memory.Sink{}, recorded: map[int]State{}, maybe: map[int]State{}}
		parts := rapid.IntRange(1, 6).Draw(t, "parts")
		for range rapid.IntRange(0, 6).Draw(t, "owners") {
			s.sink = faults.Wrap(s.memory)
			for range rapid.IntRange(0, 2).Draw(t, "faults") {
				fault := rapid.SampledFrom([]faults.Fault{faults.Error(errBroken), faults.LoseAnswer(errBroken)}).Draw(t, "fault")
				method := rapid.SampledFrom([]faults.Method{faults.Swap, faults.Swap, faults.Load, faults.List, faults.Delete}).Draw(t, "method")
				s.sink.Queue(method, fault.On(rapid.SampledFrom([]string{"", jobsFolder, plansFolder, chunksFolder, oldSuffix}).Draw(t, "on")))
			}
			s.own(t, parts, rapid.IntRange(0, 12).Draw(t, "steps"))
		}
		s.sink = faults.Wrap(s.memory)
		s.finish(t, parts)
	})
}

// quiet keeps the log of owners that are taken over out of the test's.
func quiet(t *testing.T) {
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { slog.SetDefault(before) })
}

// sequence is what is known of a job.
type sequence struct {
	memory   *memory.Sink
	sink     *faults.Faults
	recorded map[int]State // surely
	maybe    map[int]State // by a write that failed
}

// own takes the job and does some steps, until one fails.
func (s *sequence) own(t *rapid.T, parts, steps int) {
	_, h, err := Acquire(context.Background(), s.sink, name, fresh())
	if err != nil {
		s.wantBroken(t, err)
		s.gone(t) // where it could not be given up, its process ends
		return
	}
	s.check(t, h)
	if h.Job().Plan.Chunks == 0 {
		if err := h.Plan(context.Background(), nil, make([]Planned, parts)); err != nil {
			s.wantBroken(t, err)
			s.leave(t, h)
			return
		}
	}
	s.work(t, h, steps)
	s.leave(t, h)
}

func (s *sequence) work(t *rapid.T, h *Holder, steps int) {
	claims := h.Claims()
	for range steps {
		c, err := claims.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return
		}
		for _, state := range []State{"intended", "submitted", Done}[:rapid.IntRange(0, 3).Draw(t, "states")] {
			if err := c.Save(context.Background(), state, Tally{}, nil); err != nil {
				s.wantBroken(t, err)
				s.maybe[c.ID] = state
				return
			}
			delete(s.maybe, c.ID)
			s.recorded[c.ID] = state
		}
	}
}

// leave ends an owner: in order, or by a kill.
func (s *sequence) leave(t *rapid.T, h *Holder) {
	h.stop()
	if rapid.Bool().Draw(t, "killed") {
		s.gone(t)
		return
	}
	if err := h.Release(context.Background(), Interrupted, nil); err != nil {
		s.wantBroken(t, err)
		s.gone(t)
	}
}

// gone has the process that holds the job be one that has ended, if somebody holds it.
func (s *sequence) gone(t *rapid.T) {
	text, version, err := s.memory.Load(context.Background(), Object(name))
	if errors.Is(err, sinks.ErrNotExist) {
		return
	}
	job, err := parseJob(text)
	if err != nil {
		t.Fatal(err)
	}
	job.Lease.Owner.Start += "0"
	store, err := On(s.memory)
	if err == nil {
		err = put(context.Background(), store, name, found{version: version, sign: s.sign(t)}, job)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s *sequence) sign(t *rapid.T) Version {
	_, version, err := s.memory.Load(context.Background(), oldObject(name))
	if err != nil && !errors.Is(err, sinks.ErrNotExist) {
		t.Fatal(err)
	}
	return version
}

// check holds what an owner finds against what was recorded.
func (s *sequence) check(t *rapid.T, h *Holder) {
	for c := range h.Chunks() {
		if maybe, ok := s.maybe[c.ID]; ok && c.State == maybe {
			s.recorded[c.ID] = maybe
		}
		if c.State != s.recorded[c.ID] {
			t.Fatalf("chunk %d is %q, and was recorded as %q", c.ID, c.State, s.recorded[c.ID])
		}
	}
	s.maybe = map[int]State{}
}

// finish does the rest without a fault.
func (s *sequence) finish(t *rapid.T, parts int) {
	_, h, err := Acquire(context.Background(), s.sink, name, fresh())
	if err != nil {
		t.Fatal(err)
	}
	s.check(t, h)
	if h.Job().Plan.Chunks == 0 {
		if len(s.recorded) > 0 {
			t.Fatalf("the plan is gone, and these were recorded: %v", maps.Clone(s.recorded))
		}
		plan(t, h, parts)
	}
	for c, err := h.Claims().Next(context.Background()); err == nil; c, err = h.Claims().Next(context.Background()) {
		if err := c.Save(context.Background(), Done, Tally{1, 10}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Release(context.Background(), Done, nil); err != nil {
		t.Fatal(err)
	}
	if j, err := Read(context.Background(), s.memory, name); err != nil || j.State != Done || j.Plan.Chunks != parts {
		t.Fatalf("in the end: %+v, %v", j, err)
	}
	for info := range s.memory.List(context.Background(), "") {
		if info.Name != Object(name) && info.Name != oldObject(name) {
			t.Fatalf("left: %s", info.Name)
		}
	}
}

func (s *sequence) wantBroken(t *rapid.T, err error) {
	if !errors.Is(err, errBroken) {
		t.Fatalf("not the fault that was queued: %v", err)
	}
}
