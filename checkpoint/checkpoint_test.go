package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"migrate/internal/document"
	"migrate/internal/export"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/model"
	"migrate/sinks"
	"migrate/sinks/faults"
)

const name = "docs/export.checkpoint.json"

func newSink(t *testing.T) *faults.Faults {
	t.Helper()
	local, err := sinks.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return faults.Watch(t, local)
}

func fresh() Job {
	return Job{Kind: Export, Name: "docs", Params: map[string]string{"source": "a:1", "collection": "docs"}}
}

func acquire(t *testing.T, sink sinks.Sink, job Job) (context.Context, *Holder) {
	t.Helper()
	ctx, h, err := Acquire(t.Context(), sink, name, job)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, h
}

func onePart(j *Job) {
	after := model.TextKey(`k"1`)
	j.Parts = []Part{{Part: export.Part{Partition: "_default", Range: model.Range{After: &after}}, Planned: 7, State: Finished}}
}

// TestGoesOn finds the parts that an interrupted owner finished.
func TestGoesOn(t *testing.T) {
	sink := newSink(t)
	_, first := acquire(t, sink, fresh())
	if err := first.Update(t.Context(), onePart); err != nil {
		t.Fatal(err)
	}
	var kept *ResumableError
	if err := first.Suspend(t.Context(), errors.New("a cause")); !errors.As(err, &kept) || kept.Done != 1 || !strings.Contains(err.Error(), "a cause") {
		t.Errorf("suspending: %v", err)
	}
	_, second := acquire(t, sink, fresh())
	defer second.Release(t.Context(), Done, nil)
	if done, _ := second.job.Finished(); !second.Resumed || done != 1 || second.Epoch() != 2 {
		t.Errorf("resumed %t, %d parts, epoch %d", second.Resumed, done, second.Epoch())
	}
	if got := second.Job().Parts[0].After.Text; got != `k"1` {
		t.Errorf("a bound came back as %q", got)
	}
}

// TestTaken notes when an owner takes a job, and what was finished by then.
func TestTaken(t *testing.T) {
	sink := newSink(t)
	_, first := acquire(t, sink, fresh())
	if j := first.Job(); j.Taken.IsZero() || !j.Taken.Equal(j.Started) || j.TakenRows != 0 {
		t.Errorf("at first: taken %v with %d rows, started %v", j.Taken, j.TakenRows, j.Started)
	}
	err := first.Update(t.Context(), func(j *Job) { onePart(j); j.Parts[0].Rows.Rows = 7 })
	if err != nil {
		t.Fatal(err)
	}
	first.Suspend(t.Context(), errors.New("a cause"))
	_, second := acquire(t, sink, fresh())
	defer second.Release(t.Context(), Done, nil)
	if j := second.Job(); !j.Taken.After(j.Started) || j.TakenRows != 7 {
		t.Errorf("resumed: taken %v with %d rows, started %v", j.Taken, j.TakenRows, j.Started)
	}
}

// TestRate is of what the owner did since it took the job.
func TestRate(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(int64(seconds), 0) }
	for title, c := range map[string]struct {
		job  Job
		want float64
	}{
		"just begun":             {Job{Started: at(100), Taken: at(100), Updated: at(100)}, 0},
		"begun 10 s ago":         {Job{Started: at(100), Taken: at(100), Updated: at(110)}, 100},
		"resumed a day later":    {Job{Started: at(100), Taken: at(86_400), TakenRows: 400, Updated: at(86_410)}, 60},
		"resumed, nothing yet":   {Job{Started: at(100), Taken: at(86_400), TakenRows: 1000, Updated: at(86_410)}, 0},
		"some is done again":     {Job{Started: at(100), Taken: at(86_400), TakenRows: 1500, Updated: at(86_410)}, 0},
		"by an earlier migrate":  {Job{Started: at(100), Updated: at(120)}, 50},
		"the clock was set back": {Job{Started: at(100), Taken: at(100), Updated: at(90)}, 0},
	} {
		onePart(&c.job)
		c.job.Parts[0].Rows.Rows = 1000
		if got := c.job.Rate(); got != c.want {
			t.Errorf("%s: %v rows/s, want %v", title, got, c.want)
		}
	}
}

// TestBoundToItsParameters refuses a run with others, and says which differ; unless nothing was done, so that the job begins anew.
func TestBoundToItsParameters(t *testing.T) {
	sink := newSink(t)
	_, untouched := acquire(t, sink, fresh())
	untouched.Suspend(t.Context(), errors.New("a cause"))
	larger := fresh()
	larger.Params["part size"] = "1"
	ctx, h := acquire(t, sink, larger)
	if h.Resumed || h.Epoch() != 2 || h.Job().Params["part size"] != "1" {
		t.Errorf("an export that has done nothing, begun with other parameters: %+v", h.Job())
	}
	if err := h.Update(ctx, onePart); err != nil {
		t.Fatal(err)
	}
	h.Suspend(t.Context(), errors.New("a cause"))
	other := fresh()
	other.Params["source"] = "b:2"
	_, _, err := Acquire(t.Context(), sink, name, other)
	if !errors.Is(err, ErrOther) || !strings.Contains(err.Error(), `source was "a:1" and is "b:2"`) || strings.Contains(err.Error(), "collection was") {
		t.Errorf("with another source: %v", err)
	}
}

// TestDoneStands through a job of the same name that was refused, or killed, before it had done anything.
func TestDoneStands(t *testing.T) {
	want := func(t *testing.T, sink sinks.Sink, parts int) {
		t.Helper()
		if j, err := Read(t.Context(), sink, name); err != nil || j.State != Done || len(j.Parts) != parts || j.Before != nil {
			t.Errorf("what stands: %+v, %v", j, err)
		}
	}
	for title, end := range map[string]func(*testing.T, *faults.Faults, *Holder){
		"refused": func(t *testing.T, _ *faults.Faults, h *Holder) {
			if err := h.Remove(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"killed": func(t *testing.T, sink *faults.Faults, h *Holder) { h.stop(); expire(t, sink) },
		"done, with nothing to do": func(t *testing.T, _ *faults.Faults, h *Holder) {
			if err := h.Release(t.Context(), Done, nil); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(title, func(t *testing.T) {
			sink := newSink(t)
			ctx, h := acquire(t, sink, fresh())
			if err := h.Update(ctx, onePart); err != nil {
				t.Fatal(err)
			}
			if err := h.Release(ctx, Done, nil); err != nil {
				t.Fatal(err)
			}
			_, again := acquire(t, sink, fresh())
			end(t, sink, again)
			if title == "done, with nothing to do" {
				want(t, sink, 0)
				return
			}
			want(t, sink, 1)
			ctx, third := acquire(t, sink, fresh())
			if third.Resumed || third.Epoch() != 3 {
				t.Errorf("resumed %t, epoch %d", third.Resumed, third.Epoch())
			}
			if err := third.Update(ctx, onePart); err != nil || third.Job().Before != nil {
				t.Errorf("a job that has begun keeps the one before: %v", err)
			}
			third.Release(ctx, Failed, nil)
		})
	}
}

// TestLoginInADocument: earlier versions wrote the source's address as it was given. Its login is not shown, nor written again, and
// the document goes on being that of the same server.
func TestLoginInADocument(t *testing.T) {
	sink := newSink(t)
	for _, address := range []string{"root:hunter2@a:1", "http://root:hunter2@a:1", "https://a:1/library"} {
		old := fresh()
		old.Params["source"] = address
		ctx, h := acquire(t, sink, old)
		if err := h.Update(ctx, onePart); err != nil {
			t.Fatal(err)
		}
		h.Suspend(t.Context(), fmt.Errorf("counting the rows of \"docs\" on %s: gone", address))
		read, err := Read(t.Context(), sink, name)
		if err != nil || read.Params["source"] != "a:1" || strings.Contains(fmt.Sprintf("%+v", read), "hunter2") {
			t.Errorf("%s: %v, %+v", address, err, read)
		}
		_, h = acquire(t, sink, fresh())
		if !h.Resumed {
			t.Errorf("%s: the job began anew", address)
		}
		h.Release(t.Context(), Done, nil)
		text, err := readAll(t.Context(), sink, name)
		if err != nil || strings.Contains(string(text), "hunter2") {
			t.Errorf("%s: %v: %s", address, err, text)
		}
	}
}

// done leaves a job of many parts that is done.
func done(t *testing.T, sink sinks.Sink) {
	t.Helper()
	ctx, h := acquire(t, sink, fresh())
	err := h.Update(ctx, func(j *Job) {
		onePart(j)
		j.Parts = slices.Repeat(j.Parts, 3000)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Release(ctx, Done, nil); err != nil {
		t.Fatal(err)
	}
}

// TestDoneStandsAfterAFault where the next job of the name could not be taken whole, or is removed with as many parts planned.
func TestDoneStandsAfterAFault(t *testing.T) {
	broken := errors.New("broken")
	for title, fail := range map[string]func(*faults.Faults){
		"as it is taken": func(sink *faults.Faults) {
			sink.Queue(faults.Delete, faults.Error(broken))
			if _, _, err := Acquire(t.Context(), sink, name, fresh()); !errors.Is(err, broken) {
				t.Errorf("taken over a fault: %v", err)
			}
		},
		"with parts planned": func(sink *faults.Faults) {
			ctx, h := acquire(t, sink, fresh())
			err := h.Update(ctx, func(j *Job) {
				onePart(j)
				j.Parts[0].State = Todo
				j.Parts = slices.Repeat(j.Parts, 3000)
			})
			if err := errors.Join(err, h.Remove(ctx)); err != nil {
				t.Error(err)
			}
		},
	} {
		sink := newSink(t)
		done(t, sink)
		fail(sink)
		if j, err := Read(t.Context(), sink, name); err != nil || j.State != Done || len(j.Parts) != 3000 {
			t.Errorf("%s: what stands is not the job that was done: %v", title, err)
		}
	}
}

// TestDoneStandsAfterAKillElsewhere where the next job of the name was killed on another machine, and a third is begun with other
// parameters and refused.
func TestDoneStandsAfterAKillElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newSink(t)
		done(t, sink)
		_, killed := acquire(t, sink, fresh())
		onAnotherHost(t, killed)
		killed.stop()
		other := fresh()
		other.Params["part size"] = "7"
		ctx, third := acquire(t, sink, other)
		if err := third.Remove(ctx); err != nil {
			t.Fatal(err)
		}
		if j, err := Read(t.Context(), sink, name); err != nil || j.State != Done || len(j.Parts) != 3000 {
			t.Errorf("what stands is not the job that was done: %v", err)
		}
	})
}

// TestHeld refuses a second owner while the first lives.
func TestHeld(t *testing.T) {
	sink := newSink(t)
	_, h := acquire(t, sink, fresh())
	defer h.Release(t.Context(), Done, nil)
	if _, _, err := Acquire(t.Context(), sink, name, fresh()); !errors.Is(err, ErrHeld) {
		t.Errorf("a second owner: %v", err)
	}
}

// TestLateOwner is fenced by the next one: it can write nothing, and its context ends.
func TestLateOwner(t *testing.T) {
	sink := newSink(t)
	ctx, late := acquire(t, sink, fresh())
	expire(t, sink)
	_, next := acquire(t, sink, fresh())
	defer next.Release(t.Context(), Done, nil)
	if err := late.Update(t.Context(), onePart); !errors.Is(err, ErrLost) {
		t.Errorf("a late write: %v", err)
	}
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), ErrLost) {
		t.Errorf("the late owner's context ended with %v", context.Cause(ctx))
	}
	late.Release(t.Context(), Failed, ErrLost)
	if j, err := Read(t.Context(), sink, name); err != nil || len(j.Parts) != 0 || j.Lease.Epoch != 2 {
		t.Errorf("the document after a late write: %+v, %v", j, err)
	}
}

// expire has the owner be gone, as a process that ended.
func expire(t *testing.T, sink *faults.Faults) {
	t.Helper()
	text, version, err := sink.Load(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	var j Job
	if err := document.Unmarshal(text, &j); err != nil {
		t.Fatal(err)
	}
	j.Lease.Owner.Start += "0"
	if text, err = document.Marshal(j); err != nil {
		t.Fatal(err)
	}
	if _, err := sink.Swap(t.Context(), name, version, text); err != nil {
		t.Fatal(err)
	}
}

// TestOneOfManyWins lets one of many processes that begin at once have the job.
func TestOneOfManyWins(t *testing.T) {
	sink := newSink(t)
	var won sync.Map
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			_, h, err := Acquire(t.Context(), sink, name, fresh())
			if err == nil {
				won.Store(i, h)
			} else if !errors.Is(err, ErrHeld) && !errors.Is(err, ErrLost) {
				t.Errorf("the loser of a race is told %v", err)
			}
		})
	}
	all.Wait()
	winners := 0
	won.Range(func(_, h any) bool {
		winners++
		h.(*Holder).Release(t.Context(), Done, nil)
		return true
	})
	if winners != 1 {
		t.Errorf("%d owners", winners)
	}
}

// TestLostAnswer is not taken for a lost job.
func TestLostAnswer(t *testing.T) {
	sink := newSink(t)
	_, h := acquire(t, sink, fresh())
	broken := errors.New("broken on purpose")
	sink.Queue(faults.Swap, faults.LoseAnswer(broken))
	if err := h.Update(t.Context(), onePart); !errors.Is(err, broken) {
		t.Errorf("a write whose answer is lost: %v", err)
	}
	if err := h.Update(t.Context(), onePart); err != nil {
		t.Errorf("the next write: %v", err)
	}
	if err := h.Release(t.Context(), Done, nil); err != nil {
		t.Error(err)
	}
}

// TestEveryPrefix refuses a document that was cut at any byte.
func TestEveryPrefix(t *testing.T) {
	faulttable.Tried(t, "a checkpoint cut at any byte", 1, "refused as damaged, at every length")
	sink := newSink(t)
	_, h := acquire(t, sink, fresh())
	if err := h.Update(t.Context(), onePart); err != nil {
		t.Fatal(err)
	}
	h.Release(t.Context(), Failed, errors.New("a cause"))
	text, _, err := sink.Load(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	for n := range text {
		if j, err := parse(text[:n]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut after %d bytes: %+v, %v", n, j, err)
		}
	}
	if _, err := parse([]byte(`{"format": 2, "kind": ["new"]}`)); !errors.Is(err, ErrVersion) {
		t.Errorf("a newer document: %v", err)
	}
}

// FuzzParse never panics, and gives no job without an error where there is none.
func FuzzParse(f *testing.F) {
	j := fresh()
	j.Format = Version
	onePart(&j)
	text, err := document.Marshal(j)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		j, err := parse(text)
		if (j == nil) == (err == nil) || err == nil && j.Name == "" {
			t.Errorf("%+v, %v", j, err)
		}
	})
}
