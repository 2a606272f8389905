package cutover_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/checkpoint"
	"migrate/internal/cutover"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/labtest/pairs"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/syncer"
	"migrate/sinks"
	"migrate/sinks/faults"
)

// pair is a collection on a source, and one of the same name on a target, which are servers in memory.
type pair struct{ pairs.Servers }

// options are those of a sync that knows of cutovers.
func (p pair) options() syncer.Options {
	opts := p.Options()
	opts.MayBegin = cutover.MayBegin(p.Sink, opts.Job, p.Name)
	return opts
}

// What all of these tests call by a short name.
var (
	id              = pairs.ID
	plain, at, upTo = pairs.Plain, pairs.At, pairs.UpTo
	in, count, drop = pairs.In, pairs.Count, pairs.Drop
	numbered        = pairs.NumberedRows
)

var errBroken = errors.New("broken on purpose")

func nothing(context.Context) error { return nil }

// lying is a target that says it has done what it has not.
type lying struct{}

func (lying) Insert(context.Context, string, string, []*schemapb.FieldData, int) error { return nil }
func (lying) Upsert(context.Context, string, string, []*schemapb.FieldData, int) error { return nil }
func (lying) Delete(context.Context, string, string, string) error                     { return nil }

// soon makes switches that wait for no more than they have to.
func soon(to syncer.Side) cutover.Options {
	return cutover.Options{To: to, Still: time.Millisecond}
}

// newPair makes an empty collection on both sides.
func newPair(t *testing.T) pair {
	t.Helper()
	return pair{pairs.Start(t, "v2.3.5", "v2.3.5", labtest.Collection(plain(id)))}
}

// filled is a pair with so many rows on both sides.
func filled(t *testing.T, rows int64) pair {
	t.Helper()
	p := newPair(t)
	labtest.Insert(t, p.Source, p.Name, "", at(1, upTo(0, rows)...))
	p.WantSync(t)
	return p
}

func (p pair) tryToSwitch(t *testing.T, how cutover.Options) (cutover.Result, error) {
	t.Helper()
	return cutover.Run(t.Context(), p.Source, p.Target, p.Sink, p.Options(), how)
}

func (p pair) wantSwitch(t *testing.T, how cutover.Options) cutover.Result {
	t.Helper()
	done, err := p.tryToSwitch(t, how)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// TestSwitch goes to the target and back again. What is written to the side that serves arrives on the other, either way.
func TestSwitch(t *testing.T) {
	t.Parallel()
	p := filled(t, 1000)
	labtest.Upsert(t, p.Source, p.Name, at(2, upTo(0, 10)...)) // for the last pass
	alias, other := labtest.Name(), labtest.Collection(plain(id))
	labtest.Create(t, p.Target, other)
	if err := p.Target.PointAlias(t.Context(), alias, other.Name); err != nil {
		t.Fatal(err)
	}
	how := soon(syncer.Target)
	how.Alias, how.Keep = alias, time.Hour
	done := p.wantSwitch(t, how)
	p.WantServing(t, syncer.Target)
	p.wantAlias(t, alias, p.Name)
	p.wantCertificate(t, done, 1000)
	if left := time.Until(done.Until); left > time.Hour || left < 59*time.Minute {
		t.Errorf("the way back is kept for %v", left)
	}

	labtest.Insert(t, p.Target, p.Name, "", at(3, upTo(1000, 1100)...))
	labtest.Delete(t, p.Target, p.Name, in(upTo(20, 30)))
	reports := p.WantSync(t)
	if last := reports[len(reports)-1]; last.Direction != "target to source" {
		t.Errorf("the sync goes from %s", last.Direction)
	}
	if n := count(t, p.Source, p.Name); n != 1090 {
		t.Errorf("the source has %d rows, want 1090", n)
	}

	labtest.Upsert(t, p.Target, p.Name, at(4, upTo(100, 110)...))
	p.wantCertificate(t, p.wantSwitch(t, soon(syncer.Source)), 1090)
	p.WantServing(t, syncer.Source)
	p.wantAlias(t, alias, other.Name)
	labtest.Insert(t, p.Source, p.Name, "", at(5, upTo(2000, 2010)...))
	p.WantSync(t)
	p.WantEqual(t)
	if n := count(t, p.Target, p.Name); n != 1100 {
		t.Errorf("the target has %d rows, want 1100", n)
	}
	if err := p.Target.PointAlias(t.Context(), alias, ""); err != nil { // a collection with an alias can't be dropped
		t.Fatal(err)
	}
}

// TestWrittenToTheOther refuses a target that somebody has written to, which moves nothing on the source and no count: the
// same command then brings it in step.
func TestWrittenToTheOther(t *testing.T) {
	t.Parallel()
	p := filled(t, 1000)
	p.WantQuiet(t)
	labtest.Upsert(t, p.Target, p.Name, at(9, 7))
	if _, err := p.tryToSwitch(t, soon(syncer.Target)); !errors.Is(err, model.ErrDiffers) {
		t.Errorf("error %v, want %v", err, model.ErrDiffers)
	}
	p.WantServing(t, syncer.Source)
	p.wantSwitch(t, soon(syncer.Target))
	p.WantServing(t, syncer.Target)
	p.WantEqual(t)
}

// TestUncheckable refuses what can't be proved equal, and promises no mending: Milvus 2.3 counts the largest key and never
// returns it.
func TestUncheckable(t *testing.T) {
	t.Parallel()
	m := pairs.Start(t, "v2.3.5", "v2.3.5", labtest.Collection(plain(id)))
	m.From.Hide = []model.Key{model.IntKey(math.MaxInt64)}
	p := pair{m}
	labtest.Insert(t, p.Source, p.Name, "", at(1, 0, math.MaxInt64))
	p.WantSync(t)
	if _, err := p.tryToSwitch(t, soon(syncer.Target)); !errors.Is(err, model.ErrDiffers) || !strings.Contains(err.Error(), "1 rows are counted and never returned") {
		t.Errorf("error %v", err)
	}
	p.WantServing(t, syncer.Source)
}

// TestAliasMovedSince leaves an alias alone that somebody has moved after the switch.
func TestAliasMovedSince(t *testing.T) {
	t.Parallel()
	p := filled(t, 100)
	alias, other := labtest.Name(), labtest.Collection(plain(id))
	labtest.Create(t, p.Target, other)
	how := soon(syncer.Target)
	how.Alias = alias
	p.wantSwitch(t, how)
	p.wantAlias(t, alias, p.Name)
	if err := p.Target.PointAlias(t.Context(), alias, other.Name); err != nil {
		t.Fatal(err)
	}
	p.wantSwitch(t, soon(syncer.Source))
	p.wantAlias(t, alias, other.Name)
	if err := p.Target.PointAlias(t.Context(), alias, ""); err != nil {
		t.Fatal(err)
	}
}

func (p pair) wantAlias(t *testing.T, alias, want string) {
	t.Helper()
	if got, err := p.Target.Aliased(t.Context(), alias); err != nil || got != want {
		t.Errorf("the alias names %q, want %q; %v", got, want, err)
	}
}

// wantCertificate reads what a switch left on the sink.
func (p pair) wantCertificate(t *testing.T, done cutover.Result, rows int64) {
	t.Helper()
	texts := map[string]string{}
	for info, err := range p.Sink.List(t.Context(), cutover.CertificatePrefix("j", p.Name)) {
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(done.Objects, p.Sink.URL(info.Name)) {
			texts[info.Name[strings.LastIndexByte(info.Name, '.'):]] = read(t, p.Sink, info.Name)
		}
	}
	c, err := cutover.ParseCertificate([]byte(texts[".json"]))
	if err != nil || c.Report.Right.Rows != rows || !c.Report.Equal || c.Serves.Address != done.Certificate.Serves.Address {
		t.Errorf("the certificate: %+v, %v", c, err)
	}
	if page := texts[".html"]; !strings.Contains(page, c.Left.Address) || !strings.Contains(page, fmt.Sprint(rows)) {
		t.Errorf("the page: %s", page)
	}
}

// TestSwitchRefused leaves the source serving where anything is not as it has to be.
func TestSwitchRefused(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "cutover while rows are written, while the sides differ, before the import, twice, or held by a sync", 1, "refused, and the source goes on serving")
	for name, c := range map[string]struct {
		alter func(*testing.T, pair, *syncer.Options, *cutover.Options)
		want  error
	}{
		"written to": {func(t *testing.T, p pair, _ *syncer.Options, how *cutover.Options) {
			how.Still = 50 * time.Millisecond
			k := int64(10_000)
			p.From.Steadily(10*time.Millisecond, func() { p.From.Growing(t, p.Name, at(1, k)); k++ })
		}, cutover.ErrWritten},
		"written to while it is verified": {func(t *testing.T, p pair, _ *syncer.Options, how *cutover.Options) {
			how.Began = func(step string, _ int64) {
				if step == "verify" {
					labtest.Insert(t, p.Source, p.Name, "", at(9, 5000))
				}
			}
		}, model.ErrDiffers},
		"written to after it was verified": {func(t *testing.T, p pair, _ *syncer.Options, how *cutover.Options) {
			how.Began = func(step string, _ int64) {
				if strings.HasPrefix(step, "see") {
					labtest.Upsert(t, p.Source, p.Name, at(9, 5))
				}
			}
		}, cutover.ErrWritten},
		"a target that takes nothing": {func(t *testing.T, p pair, opts *syncer.Options, _ *cutover.Options) {
			labtest.Insert(t, p.Source, p.Name, "", at(9, 5000))
			opts.Writer = lying{}
		}, model.ErrDiffers},
		"no way back to go":   {func(_ *testing.T, _ pair, _ *syncer.Options, how *cutover.Options) { how.To = syncer.Source }, cutover.ErrServes},
		"a name for an alias": {func(_ *testing.T, p pair, _ *syncer.Options, how *cutover.Options) { how.Alias = p.Name }, milvus.ErrNoAlias},
		"rows lost": {func(t *testing.T, p pair, _ *syncer.Options, _ *cutover.Options) {
			labtest.Delete(t, p.Source, p.Name, in(upTo(0, 200)))
		}, syncer.ErrDeletes},
		"target gone": {func(t *testing.T, p pair, _ *syncer.Options, _ *cutover.Options) { drop(t, p.Target, p.Name) }, syncer.ErrTarget},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := filled(t, 300)
			opts, how := p.Options(), soon(syncer.Target)
			c.alter(t, p, &opts, &how)
			_, err := cutover.Run(t.Context(), p.Source, p.Target, p.Sink, opts, how)
			var says *cutover.ServingError
			if !errors.Is(err, c.want) || !errors.As(err, &says) || says.Serving != syncer.Source {
				t.Errorf("error %v, want %v", err, c.want)
			}
			p.WantServing(t, syncer.Source)
		})
	}
	t.Run("not imported", func(t *testing.T) {
		t.Parallel()
		p := newPair(t)
		opts := p.Options()
		opts.BaseDone = false
		if _, err := cutover.Run(t.Context(), p.Source, p.Target, p.Sink, opts, soon(syncer.Target)); !errors.Is(err, syncer.ErrBase) {
			t.Errorf("error %v, want %v", err, syncer.ErrBase)
		}
	})
	t.Run("a sync runs", func(t *testing.T) {
		t.Parallel()
		p := filled(t, 300)
		opts := p.Options()
		opts.Once, opts.Interval = false, time.Hour
		ctx, stop := context.WithCancel(t.Context())
		opts.Cycled = func(syncer.Report) {
			defer stop()
			if _, err := p.tryToSwitch(t, soon(syncer.Target)); !errors.Is(err, checkpoint.ErrHeld) {
				t.Errorf("error %v, want %v", err, checkpoint.ErrHeld)
			}
		}
		if err := syncer.Run(ctx, p.Source, p.Target, p.Sink, opts); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestSwitchBroken breaks each write that a switch makes to the checkpoint and beside it, in turn, both ways. After each the
// checkpoint says which side serves, and the same call ends the switch.
func TestSwitchBroken(t *testing.T) {
	t.Parallel()
	p := filled(t, 100)
	tried := 0
	for _, method := range []faults.Method{faults.Swap, faults.Put} {
		for _, broken := range []faults.Fault{faults.Error(errBroken), faults.LoseAnswer(errBroken)} {
			for n := 0; p.breakSwitch(t, method, n, broken); n++ {
				tried++
			}
		}
	}
	if tried < 10 {
		t.Errorf("only %d writes were broken", tried)
	}
	faulttable.Tried(t, "cutover or rollback: a write to the checkpoint or of the certificate fails, or loses its answer", tried, "one side serves, and the same command ends it")
}

// renewed is the time after which a lease is renewed, which a slow machine takes for a switch now and then.
const renewed = 10 * time.Second

// breakSwitch breaks the n-th write of a switch to the side that does not serve, and reports whether there was one.
func (p pair) breakSwitch(t *testing.T, method faults.Method, n int, fault faults.Fault) bool {
	t.Helper()
	from := p.Serving(t)
	broken := faults.Wrap(p.Sink)
	for range n {
		broken.Queue(method, faults.Call(nothing))
	}
	broken.Queue(method, fault)
	began := time.Now()
	_, err := cutover.Run(t.Context(), p.Source, p.Target, broken, p.Options(), soon(from.Other()))
	if len(broken.Unused()) > 0 {
		if err != nil {
			t.Errorf("nothing was broken: %v", err)
		}
		return false
	}
	if err == nil && time.Since(began) > renewed { // what was broken was a renewal of the lease, which is made again
		p.WantEqual(t)
		p.WantServing(t, from.Other())
		return true
	}
	if !errors.Is(err, errBroken) {
		t.Errorf("write %d: %v", n, err)
	}
	var says *cutover.ServingError
	if !errors.As(err, &says) || says.Serving == "" || !says.Serving.Is(p.Serving(t)) {
		t.Errorf("the %s serves, and the error says: %v", p.Serving(t), err)
	}
	p.WantEqual(t)
	p.endOwner(t)
	p.wantSwitch(t, soon(from.Other()))
	p.WantServing(t, from.Other())
	return true
}

// endOwner has an owner be gone that could not give its job back: this process, which would have ended.
func (p pair) endOwner(t *testing.T) {
	t.Helper()
	name := checkpoint.Name(checkpoint.Sync, "j", p.Name)
	job, err := checkpoint.Read(t.Context(), p.Sink, name)
	if err != nil {
		t.Fatal(err)
	}
	job.Lease.Owner.Start += "0"
	pairs.Put(t, p.Sink, name, *job)
}

// TestLate notices what a client that was forgotten writes to the side that was left, and undoes it only if that is said.
func TestLate(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "a forgotten client writes to the source after a cutover", 1, "the sync back ends before it undoes it, and says so")
	p := filled(t, 300)
	p.wantSwitch(t, soon(syncer.Target))
	labtest.Insert(t, p.Source, p.Name, "", at(7, 9000))
	labtest.Insert(t, p.Target, p.Name, "", at(7, 8000))
	if _, err := p.Sync(t, p.options()); !errors.Is(err, syncer.ErrLate) {
		t.Errorf("error %v, want %v", err, syncer.ErrLate)
	}
	if _, err := p.tryToSwitch(t, soon(syncer.Source)); !errors.Is(err, syncer.ErrLate) {
		t.Errorf("error %v, want %v", err, syncer.ErrLate)
	}
	if n := count(t, p.Source, p.Name); n != 301 {
		t.Errorf("the source has %d rows, want 301", n)
	}
	opts := p.Options()
	opts.DiscardLate = true
	if _, err := p.Sync(t, opts); err != nil {
		t.Fatal(err)
	}
	p.WantEqual(t)
	p.WantSync(t) // what was applied is not taken for what somebody wrote
}

// TestOver ends a sync back when its time is over, and TestCheckpointGone refuses to begin one forward, which would overwrite
// the target, when the checkpoint is gone.
func TestOver(t *testing.T) {
	t.Parallel()
	p := filled(t, 100)
	how := soon(syncer.Target)
	how.Keep = time.Nanosecond
	p.wantSwitch(t, how)
	labtest.Insert(t, p.Target, p.Name, "", at(7, 8000))
	if _, err := p.Sync(t, p.options()); !errors.Is(err, syncer.ErrOver) {
		t.Errorf("error %v, want %v", err, syncer.ErrOver)
	}
	if n := count(t, p.Source, p.Name); n != 100 {
		t.Errorf("the source has %d rows, want 100", n)
	}
	p.wantSwitch(t, soon(syncer.Source)) // which brings what was written since
	if n := count(t, p.Source, p.Name); n != 101 {
		t.Errorf("the source has %d rows, want 101", n)
	}
}

func TestCheckpointGone(t *testing.T) {
	t.Parallel()
	p := filled(t, 100)
	p.wantSwitch(t, soon(syncer.Target))
	labtest.Insert(t, p.Target, p.Name, "", at(7, 8000))
	if err := checkpoint.Discard(t.Context(), p.Sink, checkpoint.Name(checkpoint.Sync, "j", p.Name)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Sync(t, p.options()); !errors.Is(err, syncer.ErrSwitched) {
		t.Errorf("error %v, want %v", err, syncer.ErrSwitched)
	}
	for _, to := range []syncer.Side{syncer.Source, syncer.Target} {
		var says *cutover.ServingError
		if _, err := p.tryToSwitch(t, soon(to)); !errors.Is(err, syncer.ErrSwitched) || !errors.As(err, &says) || says.Serving != "" {
			t.Errorf("a switch to the %s: %v, want %v and no side that serves", to, err, syncer.ErrSwitched)
		}
	}
	if n := count(t, p.Target, p.Name); n != 101 {
		t.Errorf("the target has %d rows, want 101", n)
	}
	p.rebuild(t, syncer.Target)
	p.WantSync(t)
	p.WantEqual(t)
}

// TestRebuild makes a damaged checkpoint anew, and has the side serve that the newest certificate names: none is overwritten.
func TestRebuild(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "the checkpoint of a sync damaged, before and after a cutover and a rollback", 3, "refused; `jobs rebuild` makes it anew, the side serves that did, and the sides are equal after one pass")
	p := filled(t, 100)
	name := checkpoint.Name(checkpoint.Sync, "j", p.Name)
	if _, _, err := cutover.Rebuild(t.Context(), p.Sink, "j", p.Name); !errors.Is(err, checkpoint.ErrNotDamaged) {
		t.Errorf("a whole one: %v, want %v", err, checkpoint.ErrNotDamaged)
	}
	next := int64(1000)
	damaged := func(serves *milvus.Server, side syncer.Side) {
		t.Helper()
		damage(t, p.Sink.(sinks.Swapper), checkpoint.Object(name))
		if _, err := p.Sync(t, p.options()); !errors.Is(err, checkpoint.ErrDamaged) {
			t.Errorf("a damaged one: %v, want %v", err, checkpoint.ErrDamaged)
		}
		p.rebuild(t, side)
		labtest.Insert(t, serves, p.Name, "", at(5, upTo(next, next+10)...))
		p.WantSync(t)
		p.WantEqual(t)
		p.WantServing(t, side)
		next += 10
		if n := count(t, serves, p.Name); n != 100+next-1000 {
			t.Errorf("the %s has %d rows, want %d", side, n, 100+next-1000)
		}
	}
	damaged(p.Source, syncer.Source)
	p.wantSwitch(t, soon(syncer.Target))
	damaged(p.Target, syncer.Target)
	p.wantSwitch(t, soon(syncer.Source))
	damaged(p.Source, syncer.Source)
}

func (p pair) rebuild(t *testing.T, want syncer.Side) {
	t.Helper()
	if got, _, err := cutover.Rebuild(t.Context(), p.Sink, "j", p.Name); err != nil || got != want {
		t.Errorf("the %s serves, %v; want the %s", got, err, want)
	}
}

// damage flips a bit in the middle of a document.
func damage(t *testing.T, sink sinks.Swapper, name string) {
	t.Helper()
	text, version, err := sink.Load(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if _, err := sink.Swap(t.Context(), name, version, text); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, sink sinks.Sink, name string) string {
	t.Helper()
	obj, err := sink.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer obj.Close()
	text, err := io.ReadAll(obj)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
