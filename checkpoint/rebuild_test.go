package checkpoint

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"migrate/internal/clock"
	"migrate/sinks"
	"migrate/sinks/faults"
	"migrate/sinks/memory"
)

func vouch(context.Context, Chunk) (bool, error) { return true, nil }

// damage cuts a document off.
func damage(t rapid.TB, sink sinks.Swapper, object string) {
	t.Helper()
	text, version, err := sink.Load(context.Background(), object)
	if err == nil {
		_, err = sink.Swap(context.Background(), object, version, text[:len(text)/2])
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestRebuild makes a damaged document anew, whatever was done of the job by however many owners.
func TestRebuild(t *testing.T) {
	states := rapid.SampledFrom([]State{Todo, "intended", "submitted", Done})
	rapid.Check(t, func(t *rapid.T) {
		ctx, sink := context.Background(), &memory.Sink{}
		parts := rapid.IntRange(1, 5).Draw(t, "parts")
		var last []Chunk
		var started time.Time
		for owner := range rapid.IntRange(1, 3).Draw(t, "owners") {
			_, h, err := Acquire(ctx, sink, name, fresh())
			if err != nil {
				t.Fatal(err)
			}
			if owner == 0 {
				plan(t, h, parts)
			}
			for range rapid.IntRange(0, 6).Draw(t, "changes") {
				c := &Claim{Chunk: h.chunk(rapid.IntRange(0, parts-1).Draw(t, "part")), holder: h}
				state := states.Draw(t, "state")
				if err := c.Save(ctx, state, Tally{}, result{string(state)}); err != nil {
					t.Fatal(err)
				}
			}
			last, started = slices.Collect(h.Chunks()), h.Job().Started
			h.Suspend(ctx, errors.New("a cause"))
		}
		damage(t, sink, Object(name))
		if _, _, err := Acquire(ctx, sink, name, fresh()); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "can be made anew") {
			t.Errorf("resuming with a damaged document: %v", err)
		}
		if _, err := Rebuild(ctx, sink, name, vouch); err != nil {
			t.Fatal(err)
		}
		_, h, err := Acquire(ctx, sink, name, fresh())
		if err != nil {
			t.Fatal(err)
		}
		defer h.Release(ctx, Done, nil)
		if got := slices.Collect(h.Chunks()); !h.Resumed || !reflect.DeepEqual(got, last) || !h.Job().Started.Equal(started) || h.Epoch() <= 1 {
			t.Errorf("made anew: %+v\nwas %+v", got, last)
		}
	})
}

// TestRebuildDoubts has chunks done again that are not whole, and those whose document is damaged.
func TestRebuildDoubts(t *testing.T) {
	for title, cut := range map[string][]string{
		"the job":             {Object(name)},
		"a chunk":             {chunkObject(name, "1.1", 2)},
		"the job and a chunk": {Object(name), chunkObject(name, "1.1", 2)},
	} {
		sink := newSink(t)
		_, h := acquire(t, sink, fresh())
		plan(t, h, 3)
		do(t, h, 3)
		h.Suspend(t.Context(), errors.New("a cause"))
		for _, object := range cut {
			damage(t, sink, object)
		}
		if _, _, err := Acquire(t.Context(), sink, name, fresh()); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "can be made anew") {
			t.Errorf("%s damaged: %v", title, err)
		}
		job, err := Rebuild(t.Context(), sink, name, func(_ context.Context, c Chunk) (bool, error) { return c.ID != 0, nil })
		if err != nil {
			t.Fatal(title, err)
		}
		want := 2
		if len(cut) > 1 || cut[0] != Object(name) {
			want = 1
		}
		_, h = acquire(t, sink, fresh())
		if job.Done.Parts != want || !h.Resumed || h.Job().Done.Parts != want || h.chunk(0).State != Todo || string(h.chunk(0).Spec) != `{"name":"chunk 0"}` {
			t.Errorf("%s damaged, made anew: %+v, %+v", title, job, h.chunks)
		}
		do(t, h, 3-want)
		release(t, h, Done)
	}
}

// TestRebuildRefuses what needs no rebuilding, and what can't be rebuilt.
func TestRebuildRefuses(t *testing.T) {
	sink := newSink(t)
	_, h := acquire(t, sink, fresh())
	plan(t, h, 1)
	do(t, h, 1)
	h.Suspend(t.Context(), errors.New("a cause"))
	if _, err := Rebuild(t.Context(), sink, name, vouch); !errors.Is(err, ErrNotDamaged) {
		t.Errorf("a document that can be read: %v", err)
	}
	damage(t, sink, chunkObject(name, "1.1", 0))
	if _, err := Rebuild(t.Context(), sink, name, nil); !errors.Is(err, ErrDamaged) {
		t.Errorf("a chunk of which only a server knows: %v", err)
	}
	damage(t, sink, Object(name))
	if err := sink.Delete(t.Context(), planObject(name, "1.1")); err != nil {
		t.Fatal(err)
	}
	if _, err := Rebuild(t.Context(), sink, name, vouch); !errors.Is(err, sinks.ErrNotExist) {
		t.Errorf("without a plan: %v", err)
	}
	if _, _, err := Acquire(t.Context(), sink, name, fresh()); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "can't be made anew") {
		t.Errorf("resuming without a plan: %v", err)
	}
}

// TestPageLost: without a page of its plan a job is refused as damaged, before anything else is done of it, and can't be made anew.
func TestPageLost(t *testing.T) {
	for title, lose := range map[string]func(sinks.Sink, string) error{
		"missing": func(sink sinks.Sink, page string) error { return sink.Delete(t.Context(), page) },
		"damaged": func(sink sinks.Sink, page string) error { damage(t, sink.(sinks.Swapper), page); return nil },
	} {
		sink := newSink(t)
		_, h := acquire(t, sink, fresh())
		plan(t, h, pageChunks+1)
		release(t, h, Failed)
		if err := lose(sink, pageObject(name, "1.1", 1)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Acquire(t.Context(), sink, name, fresh()); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "can't be made anew") {
			t.Errorf("%s: %v", title, err)
		}
		if j, err := Read(t.Context(), sink, name); err != nil || j.State != Interrupted || !strings.Contains(j.Error, "can't be made anew") {
			t.Errorf("%s: read %+v, %v", title, j, err)
		}
		if _, err := Rebuild(t.Context(), sink, name, vouch); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: made anew: %v", title, err)
		}
		if err := Remove(t.Context(), sink, "docs"); err != nil {
			t.Errorf("%s: %v", title, err)
		}
	}
}

// TestChunkRefused leaves the chunk as it was.
func TestChunkRefused(t *testing.T) {
	broken := errors.New("broken on purpose")
	for _, f := range []faults.Fault{faults.Error(broken), faults.LoseAnswer(broken)} {
		sink := newSink(t)
		_, h := acquire(t, sink, fresh())
		plan(t, h, 1)
		sink.Queue(faults.Swap, f.On(chunksFolder))
		c, err := h.Claims().Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Save(t.Context(), Done, c.Size, nil); !errors.Is(err, broken) || c.State != Todo || h.Job().Done.Parts != 0 {
			t.Errorf("a chunk that is refused: %v", err)
		}
		do(t, h, 1)
		release(t, h, Done)
		for _, folder := range []string{plansFolder, chunksFolder} {
			for info, err := range sink.List(t.Context(), folder) {
				t.Errorf("left after the end: %s, %v", info.Name, err)
			}
		}
	}
}

// slow is a store that takes its time to remove an object, or refuses to.
type slow struct {
	Store
	takes  time.Duration
	refuse error
}

func (s slow) Delete(ctx context.Context, name string) error {
	if err := clock.Sleep(ctx, s.takes); err != nil || s.refuse != nil {
		return errors.Join(err, s.refuse)
	}
	return s.Store.Delete(ctx, name)
}

// TestDoneIsDone though its chunks take longer to remove than an owner has to end, or stay.
func TestDoneIsDone(t *testing.T) {
	const parts = 100
	for _, c := range []struct {
		name string
		sink slow
		left int // documents
	}{
		{"a slow store", slow{takes: time.Second}, 0},
		{"a store that is away", slow{takes: time.Hour}, parts + 2},
		{"a store without the right", slow{refuse: sinks.ErrAccess}, parts + 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			sink := &memory.Sink{}
			_, h := acquire(t, sink, fresh())
			plan(t, h, parts)
			do(t, h, parts)
			c.sink.Store = h.store
			h.store = c.sink
			if err := h.Release(t.Context(), Done, nil); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if j, err := Read(t.Context(), sink, name); err != nil || j.State != Done {
				t.Errorf("%s: the document: %+v, %v", c.name, j, err)
			}
			left := 0
			for _, folder := range []string{plansFolder, chunksFolder} {
				for range sink.List(t.Context(), folder) {
					left++
				}
			}
			if left != c.left {
				t.Errorf("%s: %d documents left, and not %d", c.name, left, c.left)
			}
		})
	}
}

// TestLeftChunks of a job that is done, or whose document is lost, are none of the next one of its name.
func TestLeftChunks(t *testing.T) {
	for title, lose := range map[string]func(*testing.T, sinks.Sink, *Holder){
		"done": func(t *testing.T, _ sinks.Sink, h *Holder) {
			h.store = slow{Store: h.store, refuse: sinks.ErrAccess}
			release(t, h, Done)
		},
		"lost": func(t *testing.T, sink sinks.Sink, h *Holder) {
			release(t, h, Interrupted)
			if err := sink.Delete(t.Context(), Object(name)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		sink := newSink(t)
		_, h := acquire(t, sink, fresh())
		plan(t, h, 1)
		do(t, h, 1)
		lose(t, sink, h)
		_, next := acquire(t, sink, fresh())
		plan(t, next, 1)
		next.Release(t.Context(), Failed, nil)
		_, next = acquire(t, sink, fresh())
		if next.Job().Done.Parts != 0 || next.Resumed != (title == "lost") {
			t.Errorf("%s: the next job has done %+v", title, next.Job().Done)
		}
		if err := next.Forget(t.Context()); err != nil {
			t.Fatal(err)
		}
		next.Release(t.Context(), Failed, nil)
		damage(t, sink, Object(name))
		if job, err := Rebuild(t.Context(), sink, name, vouch); !errors.Is(err, sinks.ErrNotExist) {
			t.Errorf("%s: made anew of a plan that was given up: %+v, %v", title, job, err)
		}
	}
}

// TestBegunTwice: who is killed before it has removed what an earlier job of its name left does not take that for its own.
func TestBegunTwice(t *testing.T) {
	sink := &memory.Sink{}
	store, err := On(sink)
	if err != nil {
		t.Fatal(err)
	}
	_, h := acquire(t, sink, fresh())
	release(t, h, Failed)
	_, h = acquire(t, sink, fresh())
	plan(t, h, 2)
	do(t, h, 2)
	release(t, h, Failed)
	if err := removeDocument(t.Context(), store, name); err != nil {
		t.Fatal(err)
	}
	j, err := fresh().job()
	if err != nil {
		t.Fatal(err)
	}
	killed := &Holder{store: store, name: name, job: j}
	killed.own(t.Context())
	killed.job.Lease.Owner.Start += "0"
	if err := put(t.Context(), store, name, found{}, &killed.job); err != nil {
		t.Fatal(err)
	}
	_, h = acquire(t, sink, fresh())
	plan(t, h, 2)
	do(t, h, 1)
	release(t, h, Failed)
	_, h = acquire(t, sink, fresh())
	defer h.Release(t.Context(), Failed, nil)
	if done := h.Job().Done; done.Parts != 1 {
		t.Errorf("done: %+v", done)
	}
}
