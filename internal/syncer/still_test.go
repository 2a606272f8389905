package syncer_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/pairs"
	"migrate/internal/model"
	"migrate/internal/syncer"
)

// calls counts those to a server, by method.
type calls struct {
	mu sync.Mutex
	of map[string]int
}

func (c *calls) note(_ context.Context, method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of[method]++
}

// since gives what was counted, and begins anew.
func (c *calls) since() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.of
	c.of = map[string]int{}
	return was
}

// stillCalls are all that a cycle asks the source in which nothing was written, but for what tells the changes: two counts.
var stillCalls = map[string]int{"Query": 2}

// still is a pair in sync, of which the source tells what is written, and its calls are counted.
type still struct {
	*told
	servers pairs.Servers
	asked   calls
}

func newStill(t *testing.T) *still {
	t.Helper()
	s := newServers(t, "v2.3.5", plain(id))
	p := &still{told: &told{pair: pair{s.Pair}}, servers: s, asked: calls{of: map[string]int{}}}
	labtest.Insert(t, p.Source, p.Name, "", at(1, upTo(0, 2000)...))
	p.told.sync(t)
	p.told.sync(t)
	s.From.Watch(p.asked.note)
	return p
}

// seal flushes the source, so that the server has nothing in growing segments. It is not counted.
func (p *still) seal(t *testing.T) {
	t.Helper()
	if _, err := p.servers.From.Flush(t.Context(), &milvuspb.FlushRequest{CollectionNames: []string{p.Name}}); err != nil {
		t.Fatal(err)
	}
}

func (p *still) partition(t *testing.T, name string) {
	t.Helper()
	if err := p.Source.CreatePartitions(t.Context(), &model.Collection{Name: p.Name, Partitions: []string{name}}); err != nil {
		t.Fatal(err)
	}
}

// daemon runs cycles until one of them is the last, and tells of each what the source was asked in it.
func (p *still) daemon(t *testing.T, opts syncer.Options, cycled func(r syncer.Report, asked map[string]int) (last bool)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), labtest.Patience)
	defer cancel()
	opts.Once, opts.Interval = false, time.Millisecond
	opts.Cycled = func(r syncer.Report) {
		asked := p.asked.since()
		t.Logf("in sync %t, %+v, the source was asked %v, %v", r.InStep, r.Outcome, asked, r.Err)
		if cycled(r, asked) {
			cancel()
		}
		p.asked.since()
	}
	if err := syncer.Run(ctx, p.Source, p.Target, p.Sink, opts); !errors.Is(err, context.Canceled) && !errors.Is(err, syncer.ErrSource) {
		t.Errorf("the daemon ended: %v", err)
	}
}

// TestStill asks the source for two counts where nothing was written, and finds in the next cycle whatever is written: what is in
// growing segments, or only deleted, by counts alone, and what was flushed since.
func TestStill(t *testing.T) {
	t.Parallel()
	p := newStill(t)
	blind := func(write func()) func() {
		return func() { p.blind = true; write() }
	}
	writes := []func(){
		blind(func() { p.upsert(t, 2, 7) }),
		blind(func() { p.delete(t, 8) }),
		blind(func() { p.upsert(t, 1, 6000) }),
		blind(func() { p.delete(t, 9); p.upsert(t, 1, 6001) }),
		func() { p.upsert(t, 2, 10); p.seal(t) },
		func() { p.delete(t, 11); p.upsert(t, 1, 6002); p.seal(t) },
	}
	done, wrote := 0, false
	p.daemon(t, p.options(), func(r syncer.Report, asked map[string]int) bool {
		still := maps.Equal(asked, stillCalls)
		if wrote && (r.Applied() == 0 || still) || still && !r.InStep || r.Err != nil {
			t.Errorf("after %d writes: %+v", done, r)
			return true
		}
		if wrote, p.blind = false, false; !still {
			p.seal(t)
			return false
		}
		if done == len(writes) {
			return true
		}
		writes[done]()
		done, wrote = done+1, true
		return false
	})
	if done < len(writes) {
		t.Errorf("%d writes of %d were made", done, len(writes))
	}
	p.WantEqual(t)
}

// TestStillSeesMore has whole cycles see what no write to the source tells: what others did to the target, whether it moves a count or not, a
// partition, and a collection that is gone.
func TestStillSeesMore(t *testing.T) {
	t.Parallel()
	p := newStill(t)
	opts := p.options()
	opts.DescribeEvery, opts.FullScanEvery = 50*time.Millisecond, 200*time.Millisecond
	has := func(partition string) bool {
		c, err := p.Target.Describe(t.Context(), p.Name)
		return err == nil && slices.Contains(c.Partitions, partition)
	}
	steps := []struct {
		change func()
		seen   func(syncer.Report) bool
	}{
		{func() { labtest.Delete(t, p.Target, p.Name, "id == 7") }, func(r syncer.Report) bool { return r.Inserted == 1 }},
		{func() { labtest.Upsert(t, p.Target, p.Name, at(9, 8)) }, func(r syncer.Report) bool { return r.Changed == 1 }},
		{func() { p.partition(t, "late") }, func(syncer.Report) bool { return has("late") }},
		{func() { drop(t, p.Source, p.Name) }, func(r syncer.Report) bool { return errors.Is(r.Err, syncer.ErrSource) }},
	}
	step, wrote := 0, false
	p.daemon(t, opts, func(r syncer.Report, _ map[string]int) bool {
		switch {
		case wrote && steps[step].seen(r):
			step, wrote = step+1, false
		case r.Err != nil:
			t.Error(r.Err)
			return true
		case !wrote && r.InStep:
			steps[step].change()
			wrote = true
		}
		p.seal(t)
		return step == len(steps)
	})
	if step < len(steps) {
		t.Errorf("change %d was not seen", step)
	}
}
