package checkpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"migrate/internal/document"
	"migrate/internal/labtest/faulttable"
	"migrate/sinks"
	"migrate/sinks/faults"
	"migrate/sinks/memory"
)

const name = "docs/export"

type params struct {
	Source     string `json:"source,omitempty"`
	Collection string `json:"collection"`
	PartSize   int    `json:"part size,string"`
}

// spec and result are those of an engine.
type spec struct {
	Name string `json:"name"`
}

type result struct {
	Object string `json:"object"`
}

func newSink(t *testing.T) *faults.Faults {
	t.Helper()
	local, err := sinks.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return faults.Watch(t, local)
}

func fresh() Fresh {
	return Fresh{Kind: Export, Name: "docs", Params: params{Source: "a:1", Collection: "docs"}}
}

func acquire(t *testing.T, sink sinks.Sink, job Fresh) (context.Context, *Holder) {
	t.Helper()
	ctx, h, err := Acquire(t.Context(), sink, name, job)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, h
}

// plan cuts a job into so many chunks of 10 rows.
func plan(t interface {
	Helper()
	Fatal(...any)
}, h *Holder, n int) {
	t.Helper()
	planned := make([]Planned, n)
	for i := range planned {
		planned[i] = Planned{spec{fmt.Sprintf("chunk %d", i)}, Tally{1, 10}}
	}
	if err := h.Plan(context.Background(), map[string]int{"snapshot": 7}, planned); err != nil {
		t.Fatal(err)
	}
}

// do does so many of the chunks that are left, and returns them.
func do(t *testing.T, h *Holder, n int) (did []*Claim) {
	t.Helper()
	claims := h.Claims()
	for range n {
		c, err := claims.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Save(t.Context(), Done, c.Size, result{"object"}); err != nil {
			t.Fatal(err)
		}
		did = append(did, c)
	}
	return did
}

func release(t *testing.T, h *Holder, state State) {
	t.Helper()
	if err := h.Release(t.Context(), state, nil); err != nil {
		t.Fatal(err)
	}
}

// TestResumes finds the chunks that an interrupted owner finished.
func TestResumes(t *testing.T) {
	sink := newSink(t)
	_, first := acquire(t, sink, fresh())
	plan(t, first, 2)
	do(t, first, 1)
	var kept *ResumableError
	if err := first.Suspend(t.Context(), errors.New("a cause")); !errors.As(err, &kept) || kept.Done != 1 || kept.Parts != 2 || kept.Rows != 10 || !strings.Contains(err.Error(), "a cause") {
		t.Errorf("suspending: %v", err)
	}
	_, second := acquire(t, sink, fresh())
	defer second.Release(t.Context(), Done, nil)
	job := second.Job()
	if !second.Resumed || job.Done != (Tally{1, 10}) || job.Planned != (Tally{2, 20}) || second.Epoch() != 2 || string(job.Body) != `{"snapshot":7}` {
		t.Errorf("resumed %t: %+v", second.Resumed, job)
	}
	claims := second.Claims()
	c, err := claims.Next(t.Context())
	if err != nil || c.ID != 1 || string(c.Spec) != `{"name":"chunk 1"}` {
		t.Errorf("claimed %+v, %v", c, err)
	}
	if _, err := claims.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("a third chunk: %v", err)
	}
}

// TestEach calls with each chunk once, and ends with the first error.
func TestEach(t *testing.T) {
	ctx, h := acquire(t, newSink(t), fresh())
	defer h.Release(t.Context(), Done, nil)
	plan(t, h, 3)
	broken := errors.New("on purpose")
	var did []int
	claims := h.Claims()
	err := Each(ctx, claims, func(c *Claim) error {
		if did = append(did, c.ID); len(did) == 2 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) || !slices.Equal(did, []int{0, 1}) {
		t.Errorf("%v, %v", did, err)
	}
	err = Each(ctx, claims, func(c *Claim) error {
		did = append(did, c.ID)
		return nil
	})
	if err != nil || !slices.Equal(did, []int{0, 1, 2}) {
		t.Errorf("%v, %v", did, err)
	}
}

// TestClaims hands out each chunk once to many goroutines, and first those that were begun.
func TestClaims(t *testing.T) {
	sink := newSink(t)
	ctx, h := acquire(t, sink, fresh())
	defer h.Release(t.Context(), Done, nil)
	plan(t, h, 2500)
	for _, c := range [][]byte{[]byte("700"), []byte("2400")} {
		var id int
		if err := json.Unmarshal(c, &id); err != nil {
			t.Fatal(err)
		}
		begun := &Claim{Chunk: h.chunk(id), holder: h}
		if err := begun.Save(ctx, "intended", Tally{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	claims := h.Claims()
	for _, want := range []int{700, 2400} {
		if c, err := claims.Next(ctx); err != nil || c.ID != want {
			t.Errorf("claimed %+v, %v, want %d", c, err, want)
		}
	}
	var mu sync.Mutex
	seen := map[int]bool{}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for c, err := claims.Next(ctx); err == nil; c, err = claims.Next(ctx) {
				mu.Lock()
				if seen[c.ID] {
					t.Errorf("chunk %d twice", c.ID)
				}
				seen[c.ID] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(seen) != 2498 {
		t.Errorf("%d chunks", len(seen))
	}
}

// TestTaken notes when an owner takes a job, and what was finished by then.
func TestTaken(t *testing.T) {
	sink := newSink(t)
	_, first := acquire(t, sink, fresh())
	if j := first.Job(); j.Taken.IsZero() || !j.Taken.Equal(j.Started) || j.TakenRows != 0 {
		t.Errorf("at first: taken %v with %d rows, started %v", j.Taken, j.TakenRows, j.Started)
	}
	plan(t, first, 1)
	do(t, first, 1)
	first.Suspend(t.Context(), errors.New("a cause"))
	_, second := acquire(t, sink, fresh())
	defer second.Release(t.Context(), Done, nil)
	if j := second.Job(); !j.Taken.After(j.Started) || j.TakenRows != 10 {
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
		c.job.Done = Tally{1, 1000}
		if got := c.job.Rate(); got != c.want {
			t.Errorf("%s: %v rows/s, want %v", title, got, c.want)
		}
	}
}

// TestCountsAreRefreshed with the lease, and soon, while they move.
func TestCountsAreRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &memory.Sink{}
		_, h := acquire(t, sink, fresh())
		plan(t, h, 3)
		do(t, h, 2)
		if j, err := Read(t.Context(), sink, name); err != nil || j.Done.Parts != 0 {
			t.Errorf("a chunk wrote the job's document: %+v, %v", j, err)
		}
		time.Sleep(countEvery + time.Millisecond)
		if j, err := Read(t.Context(), sink, name); err != nil || j.Done != (Tally{2, 20}) {
			t.Errorf("after a while: %+v, %v", j, err)
		}
		release(t, h, Interrupted)
	})
}

// TestBoundToItsParameters refuses a run with others, and says which differ; unless nothing was done, so that the job begins anew.
func TestBoundToItsParameters(t *testing.T) {
	sink := newSink(t)
	_, untouched := acquire(t, sink, fresh())
	untouched.Suspend(t.Context(), errors.New("a cause"))
	larger := fresh()
	larger.Params = params{Source: "a:1", Collection: "docs", PartSize: 1}
	_, h := acquire(t, sink, larger)
	if h.Resumed || h.Epoch() != 2 || !strings.Contains(string(h.Job().Params), `"part size":"1"`) {
		t.Errorf("an export that has done nothing, begun with other parameters: %+v", h.Job())
	}
	plan(t, h, 1)
	do(t, h, 1)
	h.stop()
	expire(t, sink) // so that the document does not know of it
	other := fresh()
	other.Params = params{Source: "b:2", Collection: "docs", PartSize: 1}
	_, _, err := Acquire(t.Context(), sink, name, other)
	if !errors.Is(err, ErrOther) || !strings.Contains(err.Error(), `source was "a:1" and is "b:2"`) || strings.Contains(err.Error(), "collection was") {
		t.Errorf("with another source: %v", err)
	}
	other.Params = params{Collection: "docs", PartSize: 1}
	if _, _, err := Acquire(t.Context(), sink, name, other); !errors.Is(err, ErrOther) || !strings.Contains(err.Error(), `source was "a:1" and is ""`) {
		t.Errorf("with one that is left out: %v", err)
	}
}

// TestDoneStands through a job of the same name that was refused, or killed, before it had done anything.
func TestDoneStands(t *testing.T) {
	want := func(t *testing.T, sink sinks.Sink, parts int) {
		t.Helper()
		if j, err := Read(t.Context(), sink, name); err != nil || j.State != Done || j.Done.Parts != parts || j.Before != nil {
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
		"killed with chunks planned": func(t *testing.T, sink *faults.Faults, h *Holder) {
			plan(t, h, 3000)
			h.stop()
			expire(t, sink)
		},
		"removed with chunks planned": func(t *testing.T, _ *faults.Faults, h *Holder) {
			plan(t, h, 3000)
			if err := h.Remove(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"done, with nothing to do": func(t *testing.T, _ *faults.Faults, h *Holder) { release(t, h, Done) },
	} {
		t.Run(title, func(t *testing.T) {
			sink := newSink(t)
			done(t, sink)
			_, again := acquire(t, sink, fresh())
			end(t, sink, again)
			if title == "done, with nothing to do" {
				want(t, sink, 0)
				return
			}
			want(t, sink, 1)
			_, third := acquire(t, sink, fresh())
			if third.Resumed || third.Epoch() != 3 {
				t.Errorf("resumed %t, epoch %d", third.Resumed, third.Epoch())
			}
			plan(t, third, 1)
			do(t, third, 1)
			if third.Job().Before != nil {
				t.Error("a job that has begun keeps the one before")
			}
			third.Release(t.Context(), Failed, nil)
			if j, err := Read(t.Context(), sink, name); err != nil || j.State != Failed {
				t.Errorf("what stands once another has begun: %+v, %v", j, err)
			}
		})
	}
}

// done leaves a job that is done.
func done(t *testing.T, sink sinks.Sink) {
	t.Helper()
	_, h := acquire(t, sink, fresh())
	plan(t, h, 1)
	do(t, h, 1)
	release(t, h, Done)
}

// TestDoneStandsAfterAFault where the next job of the name could not be taken whole.
func TestDoneStandsAfterAFault(t *testing.T) {
	broken := errors.New("broken")
	for title, queue := range map[string]func(*faults.Faults){
		"its write is refused":    func(sink *faults.Faults) { sink.Queue(faults.Swap, faults.Error(broken)) },
		"its answer is lost":      func(sink *faults.Faults) { sink.Queue(faults.Swap, faults.LoseAnswer(broken)) },
		"plans can't be seen":     func(sink *faults.Faults) { sink.Queue(faults.List, faults.Error(broken).On(plansFolder)) },
		"the document can't be":   func(sink *faults.Faults) { sink.Queue(faults.Load, faults.Error(broken).On(jobsFolder)) },
		"the sign can't be seen":  func(sink *faults.Faults) { sink.Queue(faults.Load, faults.Error(broken).On(oldSuffix)) },
		"old records can't be":    func(sink *faults.Faults) { sink.Queue(faults.List, faults.Error(broken).On("checkpoint/")) },
		"what there is, can't be": func(sink *faults.Faults) { sink.Queue(faults.List, faults.Error(broken).On(chunksFolder)) },
	} {
		sink := newSink(t)
		done(t, sink)
		queue(sink)
		if _, _, err := Acquire(t.Context(), sink, name, fresh()); !errors.Is(err, broken) {
			t.Errorf("%s: taken over a fault: %v", title, err)
		}
		if j, err := Read(t.Context(), sink, name); err != nil || j.State != Done || j.Done.Parts != 1 {
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
		other.Params = params{Collection: "docs", PartSize: 7}
		ctx, third := acquire(t, sink, other)
		if err := third.Remove(ctx); err != nil {
			t.Fatal(err)
		}
		if j, err := Read(t.Context(), sink, name); err != nil || j.State != Done || j.Done.Parts != 1 {
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

// TestLateOwner is fenced by the next one: it can't write over anything, and its context ends.
func TestLateOwner(t *testing.T) {
	sink := newSink(t)
	ctx, late := acquire(t, sink, fresh())
	plan(t, late, 2)
	claims := late.Claims()
	claim, err := claims.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	expire(t, sink)
	_, next := acquire(t, sink, fresh())
	do(t, next, 1)
	if err := claim.Save(t.Context(), "intended", Tally{}, nil); !errors.Is(err, ErrLost) {
		t.Errorf("a late write of a chunk: %v", err)
	}
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), ErrLost) {
		t.Errorf("the late owner's context ended with %v", context.Cause(ctx))
	}
	if err := late.Update(t.Context(), func(j *Job) { j.Error = "late" }); !errors.Is(err, ErrLost) {
		t.Errorf("a late write: %v", err)
	}
	if err := late.Plan(t.Context(), nil, nil); !errors.Is(err, ErrLost) {
		t.Errorf("a late plan: %v", err)
	}
	late.Release(t.Context(), Failed, ErrLost)
	if j := next.Job(); j.Done.Parts != 1 {
		t.Errorf("the job after late writes: %+v", j)
	}
	release(t, next, Interrupted)
	chunks, err := ReadChunks(t.Context(), sink, name)
	if err != nil || len(chunks) != 2 || chunks[0].State != Done || chunks[1].State != Todo {
		t.Errorf("the chunks after late writes: %+v, %v", chunks, err)
	}
}

// TestOvertaken writes over what an owner before has written late.
func TestOvertaken(t *testing.T) {
	sink := newSink(t)
	_, late := acquire(t, sink, fresh())
	plan(t, late, 1)
	expire(t, sink)
	_, next := acquire(t, sink, fresh())
	do(t, late, 1) // whose lease, by its own clock, holds
	did := do(t, next, 1)
	if err := did[0].Save(t.Context(), Done, did[0].Size, result{"another"}); err != nil {
		t.Error(err)
	}
	late.Release(t.Context(), Failed, ErrLost)
	release(t, next, Interrupted)
	chunks, err := ReadChunks(t.Context(), sink, name)
	if err != nil || string(chunks[0].Result) != `{"object":"another"}` {
		t.Errorf("the chunk: %+v, %v", chunks, err)
	}
}

// expire has the owner be gone, as a process that ended.
func expire(t *testing.T, sink sinks.Swapper) {
	t.Helper()
	text, version, err := sink.Load(t.Context(), Object(name))
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
	if _, err := sink.Swap(t.Context(), Object(name), version, text); err != nil {
		t.Fatal(err)
	}
}

// TestOneOfManyWins lets one of many processes that begin at once have the job.
func TestOneOfManyWins(t *testing.T) {
	for title, prepare := range map[string]func(*testing.T) sinks.Sink{
		"none": func(t *testing.T) sinks.Sink { return newSink(t) },
		"done": func(t *testing.T) sinks.Sink { sink := newSink(t); done(t, sink); return sink },
		"interrupted": func(t *testing.T) sinks.Sink {
			sink := newSink(t)
			_, h := acquire(t, sink, fresh())
			plan(t, h, 5)
			release(t, h, Interrupted)
			return sink
		},
	} {
		sink := prepare(t)
		var won sync.Map
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				_, h, err := Acquire(t.Context(), sink, name, fresh())
				if err == nil {
					won.Store(i, h)
				} else if !errors.Is(err, ErrHeld) && !errors.Is(err, ErrLost) {
					t.Errorf("%s: the loser of a race is told %v", title, err)
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
			t.Errorf("%s: %d owners", title, winners)
		}
	}
}

// TestLostAnswer is not taken for a lost job.
func TestLostAnswer(t *testing.T) {
	sink := newSink(t)
	_, h := acquire(t, sink, fresh())
	plan(t, h, 1)
	broken := errors.New("broken on purpose")
	sink.Queue(faults.Swap, faults.LoseAnswer(broken).On(jobsFolder))
	if err := h.Update(t.Context(), func(j *Job) { j.Error = "one" }); !errors.Is(err, broken) {
		t.Errorf("a write whose answer is lost: %v", err)
	}
	if err := h.Update(t.Context(), func(j *Job) { j.Error = "two" }); err != nil {
		t.Errorf("the next write: %v", err)
	}
	c, err := h.Claims().Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sink.Queue(faults.Swap, faults.LoseAnswer(broken).On(chunksFolder))
	if err := c.Save(t.Context(), "intended", Tally{}, nil); !errors.Is(err, broken) || h.Begun() {
		t.Errorf("a chunk whose answer is lost: %v", err)
	}
	if err := c.Save(t.Context(), Done, c.Size, nil); err != nil || h.Job().Done.Parts != 1 {
		t.Errorf("the next write of the chunk: %v", err)
	}
	release(t, h, Done)
}

// TestNobodyWaitsForAWrite: while the document is being written, what is known of the job is told, chunks are recorded, and who would
// write too waits no longer than its context lasts.
func TestNobodyWaitsForAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := faults.Watch(t, &memory.Sink{})
		_, h := acquire(t, sink, fresh())
		plan(t, h, 2)
		let := make(chan struct{})
		sink.Queue(faults.Swap, faults.Call(func(context.Context) error { <-let; return nil }).On(jobsFolder))
		go h.Update(t.Context(), func(*Job) {})
		synctest.Wait()
		do(t, h, 1)
		if h.Epoch() != 1 || h.Job().Done.Parts != 1 {
			t.Errorf("meanwhile: %+v", h.Job())
		}
		ctx, end := context.WithTimeoutCause(t.Context(), time.Second, errAway)
		defer end()
		if err := h.Update(ctx, func(*Job) {}); !errors.Is(err, errAway) {
			t.Errorf("a write behind another: %v", err)
		}
		close(let)
		release(t, h, Interrupted)
		if j, err := Read(t.Context(), sink, name); err != nil || j.Done.Parts != 1 {
			t.Errorf("in the end: %+v, %v", j, err)
		}
	})
}

// TestEveryPrefix refuses documents that were cut at any byte.
func TestEveryPrefix(t *testing.T) {
	faulttable.Tried(t, "a checkpoint cut at any byte", 1, "refused as damaged, at every length")
	sink := newSink(t)
	_, h := acquire(t, sink, fresh())
	plan(t, h, 1)
	do(t, h, 1)
	h.Release(t.Context(), Failed, errors.New("a cause"))
	text, _, err := sink.Load(t.Context(), Object(name))
	if err != nil {
		t.Fatal(err)
	}
	for n := range text {
		if j, err := parseJob(text[:n]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut after %d bytes: %+v, %v", n, j, err)
		}
	}
	if _, err := parseJob([]byte(`{"format": 3, "kind": ["new"]}`)); !errors.Is(err, ErrVersion) {
		t.Errorf("a newer document: %v", err)
	}
	for _, object := range []string{chunkObject(name, "1.1", 0), pageObject(name, "1.1", 0)} {
		cutEverywhere(t, sink, object)
	}
}

// cutEverywhere has a job refused of which a document was cut, and makes it whole again.
func cutEverywhere(t *testing.T, sink *faults.Faults, object string) {
	t.Helper()
	text, version, err := sink.Load(t.Context(), object)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(text); n += 7 {
		if version, err = sink.Swap(t.Context(), object, version, text[:n]); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadChunks(t.Context(), sink, name); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%s cut after %d bytes: %v", object, n, err)
		}
	}
	if _, err := sink.Swap(t.Context(), object, version, text); err != nil {
		t.Fatal(err)
	}
}

// FuzzParse never panics, and gives no job without an error where there is none.
func FuzzParse(f *testing.F) {
	text, err := document.Marshal(Job{Format: Format, Kind: Export, Name: "docs"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"format":2,"was":{"format":1}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		j, err := parseJob(text)
		if (j == nil) == (err == nil) || err == nil && j.Name == "" {
			t.Errorf("%+v, %v", j, err)
		}
		if old, err := parseSign(text); old != nil && err == nil {
			old.job()
		}
	})
}

// FuzzNames takes no other object for one of a job's.
func FuzzNames(f *testing.F) {
	f.Add("3.2/7.json")
	f.Add("3.2/job.json")
	f.Add("3.2.json")
	f.Fuzz(func(t *testing.T, object string) {
		if id, ok := chunkOf(name, "3.2", chunkFolder(name, "3.2")+object); ok && chunkObject(name, "3.2", id) != chunkFolder(name, "3.2")+object {
			t.Errorf("%q is chunk %d", object, id)
		}
		if id, ok := planOf(name, plansFolder+name+"/"+object); ok && planObject(name, id) != plansFolder+name+"/"+object {
			t.Errorf("%q is of plan %s", object, id)
		}
		part, epoch, ok := parseOldRecord(name, oldRecords(name)+object)
		if ok && (part < 0 || fmt.Sprintf("%d.%d.json", part, epoch) != object) {
			t.Errorf("%q is part %d of epoch %d", object, part, epoch)
		}
	})
}
