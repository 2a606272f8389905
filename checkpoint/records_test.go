package checkpoint

import (
	"context"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"migrate/internal/clock"
	"migrate/internal/export"
	"migrate/sinks"
	"migrate/sinks/faults"
)

func vouch(context.Context, Part) (bool, error) { return true, nil }

// damage cuts the document off.
func damage(t rapid.TB, sink sinks.Swapper) {
	t.Helper()
	text, version, err := sink.Load(context.Background(), name)
	if err == nil {
		_, err = sink.Swap(context.Background(), name, version, text[:len(text)/2])
	}
	if err != nil {
		t.Fatal(err)
	}
}

func planned(n int) func(*Job) {
	return func(j *Job) {
		for i := range n {
			j.Parts = append(j.Parts, Part{Part: export.Part{Partition: "_default"}, Number: i, Planned: 10})
		}
	}
}

// TestRebuild makes a damaged document anew, whatever was done of the job by however many owners.
func TestRebuild(t *testing.T) {
	states := rapid.SampledFrom([]PartState{Todo, Intended, Submitted, Finished})
	root := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		ctx, sink := context.Background(), emptySink(t, root)
		parts := rapid.IntRange(1, 5).Draw(t, "parts")
		var last Job
		for owner := range rapid.IntRange(1, 3).Draw(t, "owners") {
			_, h, err := Acquire(ctx, sink, name, fresh())
			if err != nil {
				t.Fatal(err)
			}
			if owner == 0 {
				update(t, h, planned(parts))
			}
			for range rapid.IntRange(0, 6).Draw(t, "changes") {
				i, state := rapid.IntRange(0, parts-1).Draw(t, "part"), states.Draw(t, "state")
				update(t, h, func(j *Job) { j.Parts[i].State, j.Parts[i].Task = state, int64(len(state)) })
			}
			last = h.Job()
			h.Suspend(ctx, errors.New("a cause"))
		}
		damage(t, sink)
		if _, _, err := Acquire(ctx, sink, name, fresh()); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "can be made anew") {
			t.Errorf("going on with a damaged document: %v", err)
		}
		if _, err := Rebuild(ctx, sink, name, vouch); err != nil {
			t.Fatal(err)
		}
		_, h, err := Acquire(ctx, sink, name, fresh())
		if err != nil {
			t.Fatal(err)
		}
		defer h.Release(ctx, Done, nil)
		if got := h.Job(); !h.Resumed || !reflect.DeepEqual(got.Parts, last.Parts) || !got.Started.Equal(last.Started) || h.Epoch() <= 1 {
			t.Errorf("made anew: %+v\nwas %+v", got, last)
		}
	})
}

func emptySink(t *rapid.T, root string) *sinks.Local {
	folder, err := os.MkdirTemp(root, "")
	if err != nil {
		t.Fatal(err)
	}
	sink, err := sinks.NewLocal(folder)
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

func update(t rapid.TB, h *Holder, change func(*Job)) {
	t.Helper()
	if err := h.Update(context.Background(), change); err != nil {
		t.Fatal(err)
	}
}

// TestRebuildDoubts has parts done again that are not whole.
func TestRebuildDoubts(t *testing.T) {
	sink := newSink(t)
	_, h := acquire(t, sink, fresh())
	update(t, h, planned(2))
	update(t, h, func(j *Job) {
		for i := range j.Parts {
			j.Parts[i].State, j.Parts[i].Object, j.Parts[i].Bytes = Finished, "part", 7
		}
	})
	h.Suspend(t.Context(), errors.New("a cause"))
	damage(t, sink)
	job, err := Rebuild(t.Context(), sink, name, func(_ context.Context, p Part) (bool, error) { return p.Number == 1, nil })
	if err != nil {
		t.Fatal(err)
	}
	want := Part{Part: export.Part{Partition: "_default"}, Number: 0, Planned: 10}
	if !reflect.DeepEqual(job.Parts[0], want) || job.Parts[1].State != Finished {
		t.Errorf("made anew: %+v", job.Parts)
	}
}

// TestLateRecord of an owner that was fenced is not believed, and neither is one of an earlier job.
func TestLateRecord(t *testing.T) {
	sink := newSink(t)
	_, late := acquire(t, sink, fresh())
	update(t, late, planned(1))
	expire(t, sink)
	_, next := acquire(t, sink, fresh())
	update(t, next, func(j *Job) { j.Parts[0].State = Finished })
	if err := late.Update(t.Context(), func(j *Job) { j.Parts[0].State = Intended }); !errors.Is(err, ErrLost) {
		t.Fatalf("a late write: %v", err)
	}
	late.Release(t.Context(), Failed, ErrLost)
	next.Suspend(t.Context(), errors.New("a cause"))
	earlier := record{Started: time.Now().Add(-time.Hour), Part: Part{State: Todo}}
	if err := putSealed(t.Context(), sink, recordName(name, 0, 9), earlier); err != nil {
		t.Fatal(err)
	}
	damage(t, sink)
	job, err := Rebuild(t.Context(), sink, name, vouch)
	if err != nil || job.Parts[0].State != Finished {
		t.Errorf("made anew: %+v, %v", job, err)
	}
}

// TestRebuildRefuses what needs no rebuilding, and what can't be rebuilt.
func TestRebuildRefuses(t *testing.T) {
	sink := newSink(t)
	_, h := acquire(t, sink, fresh())
	update(t, h, planned(1))
	h.Suspend(t.Context(), errors.New("a cause"))
	if _, err := Rebuild(t.Context(), sink, name, vouch); !errors.Is(err, ErrNotDamaged) {
		t.Errorf("a document that can be read: %v", err)
	}
	damage(t, sink)
	if err := sink.Delete(t.Context(), planName(name)); err != nil {
		t.Fatal(err)
	}
	if _, err := Rebuild(t.Context(), sink, name, vouch); !errors.Is(err, sinks.ErrNotExist) {
		t.Errorf("without a plan: %v", err)
	}
	if _, _, err := Acquire(t.Context(), sink, name, fresh()); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "can't be made anew") {
		t.Errorf("going on without a plan: %v", err)
	}
}

// TestRecordRefused leaves the document as it was.
func TestRecordRefused(t *testing.T) {
	broken := errors.New("broken on purpose")
	for _, f := range []faults.Fault{faults.Error(broken), faults.ErrorAfter(3, broken), faults.LoseAnswer(broken)} {
		sink := newSink(t)
		_, h := acquire(t, sink, fresh())
		update(t, h, planned(1))
		sink.Queue(faults.Put, f.On("0.1.json"))
		if err := h.Update(t.Context(), func(j *Job) { j.Parts[0].State = Finished }); !errors.Is(err, broken) {
			t.Errorf("a record that is refused: %v", err)
		}
		if j, err := Read(t.Context(), sink, name); err != nil || j.Parts[0].State != Todo || h.Job().Parts[0].State != Todo {
			t.Errorf("the document after that: %+v, %v", j, err)
		}
		update(t, h, func(j *Job) { j.Parts[0].State = Finished })
		h.Release(t.Context(), Done, nil)
		for info, err := range sink.List(t.Context(), recordFolder(name)) {
			t.Errorf("left after the end: %s, %v", info.Name, err)
		}
	}
}

// slow is a store that takes its time to remove an object, or refuses to.
type slow struct {
	*sinks.Local
	takes  time.Duration
	refuse error
}

func (s slow) Delete(ctx context.Context, name string) error {
	if err := clock.Sleep(ctx, s.takes); err != nil || s.refuse != nil {
		return errors.Join(err, s.refuse)
	}
	return s.Local.Delete(ctx, name)
}

// TestDoneIsDone though its records take longer to remove than an owner has to end, or stay.
func TestDoneIsDone(t *testing.T) {
	const parts = 100
	for _, c := range []struct {
		name string
		sink slow
		left int // records
	}{
		{"a slow store", slow{takes: time.Second}, 0},
		{"a store that is away", slow{takes: time.Hour}, parts + 1},
		{"a store without the right", slow{refuse: sinks.ErrAccess}, parts + 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			local, err := sinks.NewLocal(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			_, h := acquire(t, local, fresh())
			update(t, h, planned(parts))
			update(t, h, func(j *Job) {
				for i := range j.Parts {
					j.Parts[i].State = Finished
				}
			})
			c.sink.Local = local
			h.sink = c.sink
			if err := h.Release(t.Context(), Done, nil); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if j, err := Read(t.Context(), local, name); err != nil || j.State != Done {
				t.Errorf("%s: the document: %+v, %v", c.name, j, err)
			}
			left := 0
			for range local.List(t.Context(), recordFolder(name)) {
				left++
			}
			if left != c.left {
				t.Errorf("%s: %d records left, and not %d", c.name, left, c.left)
			}
		})
	}
}

// TestRecordsLeft by a job that is done are none of the next one of its name: that is not made anew from them.
func TestRecordsLeft(t *testing.T) {
	sink := newSink(t)
	_, h := acquire(t, sink, fresh())
	update(t, h, planned(1))
	update(t, h, func(j *Job) { j.Parts[0].State = Finished })
	sink.Queue(faults.Delete, faults.Error(errors.New("broken on purpose")).On("plan.json"))
	if err := h.Release(t.Context(), Done, nil); err != nil {
		t.Fatal(err)
	}
	_, next := acquire(t, sink, fresh())
	defer next.Release(t.Context(), Failed, nil)
	damage(t, sink)
	if job, err := Rebuild(t.Context(), sink, name, vouch); !errors.Is(err, sinks.ErrNotExist) {
		t.Errorf("made anew of what the job before left: %+v, %v", job, err)
	}
}

// FuzzRecordName takes no other object for a record.
func FuzzRecordName(f *testing.F) {
	f.Add("3.2.json")
	f.Fuzz(func(t *testing.T, object string) {
		part, epoch, ok := parseRecordName(name, recordFolder(name)+object)
		if ok && (part < 0 || recordName(name, part, epoch) != recordFolder(name)+object) {
			t.Errorf("%q is part %d of epoch %d", object, part, epoch)
		}
	})
}
