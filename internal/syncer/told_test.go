package syncer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"migrate/internal/labtest"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/syncer"
	"migrate/sinks/faults"
)

// journal tells what was noted in it.
type journal struct {
	notes  []source.Change
	asked  int
	untold error // in place of what changed
	blind  bool  // it lists the same whatever was written
	kept   string
}

func (j *journal) open(context.Context, *model.Collection) (source.Changes, error) { return j, nil }

func (j *journal) note(partition string, gone bool, keys ...int64) {
	for _, k := range keys {
		j.notes = append(j.notes, source.Change{Partition: partition, Key: model.IntKey(k), Gone: gone})
	}
}

// Changes implements source.Changes.
func (j *journal) Changes(_ context.Context, since json.RawMessage) (source.Changed, error) {
	j.asked++
	if since == nil {
		since = json.RawMessage(strconv.Itoa(len(j.notes)))
	} else if j.untold != nil {
		return source.Changed{}, j.untold
	}
	n, err := strconv.Atoi(string(since))
	if err != nil {
		return source.Changed{}, err
	}
	last := map[string]source.Change{}
	for _, c := range j.notes[n:] {
		last[c.Partition+" "+c.Key.String()] = c
	}
	all := make([]source.Change, 0, len(last))
	for _, c := range last {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b source.Change) int { return a.Key.Compare(b.Key) })
	return source.Changed{Next: json.RawMessage(strconv.Itoa(len(j.notes))), Keys: func(yield func(source.Change, error) bool) {
		for _, c := range all {
			if !yield(c, nil) {
				return
			}
		}
	}}, nil
}

// Same implements source.Changes.
func (j *journal) Same(_ context.Context, since json.RawMessage) (bool, error) {
	n, err := strconv.Atoi(string(since))
	return j.blind || len(j.notes) == n, err
}

// Forget implements source.Changes.
func (j *journal) Forget(_ context.Context, keep json.RawMessage) error {
	j.kept = string(keep)
	return nil
}

// told is a pair in sync, of which the source tells what is written from now on.
type told struct {
	pair
	journal
}

func newTold(t *testing.T, partitions ...string) *told {
	t.Helper()
	p := &told{pair: newPair(t, plain(id), partitions...)}
	labtest.Insert(t, p.Source, p.Name, "", at(1, upTo(0, 2000)...))
	p.sync(t)
	return p
}

// options have rows compared that the source does not tell of in the first cycles only.
func (p *told) options() syncer.Options {
	opts := p.Options()
	opts.Changes, opts.HandOver = p.open, time.Millisecond
	return opts
}

func (p *told) sync(t *testing.T) []syncer.Report {
	t.Helper()
	reports, err := p.Sync(t, p.options())
	if err != nil {
		t.Fatal(err)
	}
	return reports
}

func (p *told) upsert(t *testing.T, version int64, keys ...int64) {
	t.Helper()
	labtest.Upsert(t, p.Source, p.Name, at(version, keys...))
	p.note(model.DefaultPartition, false, keys...)
}

func (p *told) delete(t *testing.T, keys ...int64) {
	t.Helper()
	labtest.Delete(t, p.Source, p.Name, in(keys))
	p.note(model.DefaultPartition, true, keys...)
}

// TestTold applies just what the source tells, and reads nothing where it tells nothing.
func TestTold(t *testing.T) {
	t.Parallel()
	p := newTold(t)
	r := p.sync(t)[0]
	if !r.InStep || r.Read > 0 || r.Ranges > 0 || r.By != "storage" {
		t.Errorf("nothing was written: %+v", r)
	}
	p.upsert(t, 2, 7, 700, 1999)
	p.upsert(t, 1, 5000, 5001)
	p.delete(t, 8, 9)
	p.upsert(t, 2, 10)
	p.delete(t, 10)
	r = p.sync(t)[0]
	if total([]syncer.Report{r}) != (syncer.Outcome{Inserted: 2, Changed: 3, Deleted: 3}) || r.Read != 5 || r.Ranges > 0 || !r.Settled || r.InStep {
		t.Errorf("%+v", r)
	}
	if r = p.sync(t)[0]; !r.InStep || r.Read > 0 || p.kept != strconv.Itoa(len(p.notes)) {
		t.Errorf("nothing was written after that: %+v; kept is %s", r, p.kept)
	}
	p.WantEqual(t)
}

// TestToldStill asks for no flush while nothing is written, and sees by counts what is not listed yet.
func TestToldStill(t *testing.T) {
	t.Parallel()
	p := newTold(t)
	p.blind = true
	p.sync(t)
	for _, write := range []func(){
		func() { p.upsert(t, 2, 7) },
		func() { p.delete(t, 8) },
		func() { p.upsert(t, 1, 6000) },
		func() { p.delete(t, 9); p.upsert(t, 1, 6001) },
	} {
		labtest.Flush(t, p.Source, p.Name)
		p.sync(t)
		p.asked = 0
		if r := p.sync(t)[0]; !r.InStep || p.asked > 0 {
			t.Errorf("asked %d times though nothing was written: %+v", p.asked, r)
		}
		write()
		if r := p.sync(t)[0]; r.Applied() == 0 || p.asked != 1 {
			t.Errorf("asked %d times: %+v", p.asked, r)
		}
		p.WantEqual(t)
	}
}

// TestToldMoved deletes a key where it was first, though it comes to a partition that is earlier.
func TestToldMoved(t *testing.T) {
	t.Parallel()
	p := newTold(t, "a")
	labtest.Insert(t, p.Source, p.Name, "a", at(1, 3000))
	p.note("a", false, 3000)
	p.delete(t, 7)
	p.sync(t)
	labtest.Delete(t, p.Source, p.Name, "id == 3000")
	p.note("a", true, 3000)
	p.upsert(t, 2, 3000)
	labtest.Insert(t, p.Source, p.Name, "a", at(2, 7))
	p.note("a", false, 7)
	p.sync(t)
	p.WantEqual(t)
}

// TestToldGoneSince leaves alone what is gone when it is looked up: that is told the next time.
func TestToldGoneSince(t *testing.T) {
	t.Parallel()
	p := newTold(t)
	p.upsert(t, 2, 7, 8)
	labtest.Delete(t, p.Source, p.Name, "id == 7")
	if done := total(p.sync(t)[:1]); done != (syncer.Outcome{Changed: 1}) {
		t.Errorf("%+v", done)
	}
	p.note(model.DefaultPartition, true, 7)
	p.sync(t)
	p.WantEqual(t)
}

// TestToldOfNewPartition has all rows compared where keys are told of a partition that was made since the collections were described.
func TestToldOfNewPartition(t *testing.T) {
	t.Parallel()
	p := newTold(t)
	opts := p.options()
	opts.Changes = func(ctx context.Context, coll *model.Collection) (source.Changes, error) {
		if !slices.Contains(coll.Partitions, "a") {
			if err := p.Source.CreatePartitions(ctx, &model.Collection{Name: p.Name, Schema: coll.Schema, Partitions: []string{model.DefaultPartition, "a"}}); err != nil {
				return nil, err
			}
			labtest.Delete(t, p.Source, p.Name, "id == 7")
			labtest.Insert(t, p.Source, p.Name, "a", at(2, 7))
			p.note(model.DefaultPartition, true, 7)
			p.note("a", false, 7)
		}
		return p.open(ctx, coll)
	}
	reports, err := p.Sync(t, opts)
	if err != nil || reports[0].Ranges == 0 {
		t.Errorf("%+v, %v", reports, err)
	}
	p.sync(t)
	p.WantEqual(t)
}

// TestToldOtherwise compares what is not told: a target that others wrote to, as its count tells.
func TestToldOtherwise(t *testing.T) {
	t.Parallel()
	p := newTold(t)
	labtest.Delete(t, p.Target, p.Name, "id == 7")
	if reports := p.sync(t); total(reports) != (syncer.Outcome{Inserted: 1}) {
		t.Errorf("%+v", reports)
	}
	p.WantEqual(t)
}

// TestToldHandOver compares nothing while the source shows rows that are deleted, or a row twice, though nothing was written, as after a
// compaction: it is over in the end.
func TestToldHandOver(t *testing.T) {
	t.Parallel()
	for title, shown := range map[string]int64{"a deleted row": 6000, "a row twice": 7} {
		for _, wrote := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, after writes %t", title, wrote), func(t *testing.T) {
				t.Parallel()
				s := newServers(t, "v2.3.5", plain(id))
				p := &told{pair: pair{s.Pair}}
				labtest.Insert(t, p.Source, p.Name, "", at(1, upTo(0, 2000)...))
				p.sync(t)
				if p.sync(t); wrote {
					p.upsert(t, 2, 8)
					p.sync(t)
				}
				labtest.Insert(t, p.Source, p.Name, "", at(1, shown))
				var counts atomic.Int64
				s.From.Watch(func(_ context.Context, method string) {
					if method == "Query" && counts.Add(1) == 6 {
						s.From.TakeBack(p.Name)
					}
				})
				opts := p.options()
				opts.HandOver = labtest.Patience
				reports, err := p.Sync(t, opts)
				if r := reports[0]; err != nil || !r.InStep || r.Ranges > 0 || r.Applied() > 0 || counts.Load() < 6 {
					t.Errorf("%+v, %v, after %d counts", r, err, counts.Load())
				}
				p.WantEqual(t)
			})
		}
	}
}

// TestUntold compares all rows where it can't be told what was written, and goes on as the source tells it again.
func TestUntold(t *testing.T) {
	t.Parallel()
	p := newTold(t)
	p.untold = source.ErrUntold
	labtest.Upsert(t, p.Source, p.Name, at(2, 7))
	labtest.Delete(t, p.Source, p.Name, "id == 8")
	reports := p.sync(t)
	if total(reports) != (syncer.Outcome{Changed: 1, Deleted: 1}) || reports[0].By != "" {
		t.Errorf("%+v", reports)
	}
	p.untold = nil
	p.sync(t) // ranges that differed are looked at again
	p.upsert(t, 3, 7)
	if r := p.sync(t)[0]; r.By != "storage" || r.Changed != 1 || r.Read != 1 {
		t.Errorf("%+v", r)
	}
	p.WantEqual(t)

	p.untold = errors.New("the store is away")
	p.upsert(t, 4, 7)
	if _, err := p.Sync(t, p.options()); !errors.Is(err, p.untold) {
		t.Errorf("%v", err)
	}
	p.untold = nil
	p.sync(t)
	p.WantEqual(t)
}

// TestToldBesideDuplicates compares where a key that was written has several rows.
func TestToldBesideDuplicates(t *testing.T) {
	t.Parallel()
	p := newTold(t)
	labtest.Insert(t, p.Source, p.Name, "", at(2, 7))
	p.note(model.DefaultPartition, false, 7)
	last := p.sync(t)
	if r := last[len(last)-1]; r.By != "" || r.Ranges == 0 || r.Duplicates != 1 {
		t.Errorf("%+v", r)
	}
}

// TestToldSeldom asks a source that is written to all the time now and then.
func TestToldSeldom(t *testing.T) {
	t.Parallel()
	p := newTold(t)
	opts := p.options()
	opts.Once, opts.Interval = false, time.Millisecond
	p.asked = 0
	ctx, cancel := context.WithCancel(t.Context())
	var version int64
	opts.Cycled = func(r syncer.Report) {
		if version++; version > 10 || r.Err != nil {
			cancel()
		}
		p.upsert(t, 1+version, version)
	}
	if err := syncer.Run(ctx, p.Source, p.Target, p.Sink, opts); !errors.Is(err, context.Canceled) || p.asked != 3 {
		t.Errorf("asked %d times in %d cycles, %v", p.asked, version, err)
	}
	p.sync(t)
	p.WantEqual(t)
}

// TestToldNotBeforeAll counts what is told only once all ranges were compared since it is.
func TestToldNotBeforeAll(t *testing.T) {
	t.Parallel()
	p := &told{pair: newPair(t, plain(id))}
	labtest.Insert(t, p.Source, p.Name, "", at(1, upTo(0, 3000)...))
	labtest.Insert(t, p.Target, p.Name, "", at(1, upTo(0, 3000)...))
	labtest.Upsert(t, p.Target, p.Name, at(9, 17, 2900)) // before anything was told
	opts := p.options()
	opts.CycleRows = 1
	for range 3 { // passes that end with differences, which they applied
		if _, err := p.Sync(t, opts); err == nil {
			break
		}
	}
	p.WantEqual(t)
}

// TestToldStoreFails loses nothing where any write of the position fails, or its answer is lost.
func TestToldStoreFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, fault := range []faults.Fault{faults.Error(broken), faults.LoseAnswer(broken)} {
		for n := range 5 {
			p := newTold(t)
			p.upsert(t, 2, 7, 700)
			p.upsert(t, 1, 5000)
			p.delete(t, 8)
			sink := faults.Wrap(p.Sink)
			nothing := faults.Call(func(context.Context) error { return nil })
			for range n {
				sink.Queue(faults.Swap, nothing)
			}
			sink.Queue(faults.Swap, fault)
			good := p.Sink
			p.Sink = sink
			if _, err := p.Sync(t, p.options()); err != nil && !errors.Is(err, broken) {
				t.Error(err)
			}
			p.Sink = good
			p.sync(t)
			p.WantEqual(t)
		}
	}
}
