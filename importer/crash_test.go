package importer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"migrate/checkpoint"
	"migrate/importer"
	"migrate/internal/document"
	"migrate/internal/export"
	"migrate/internal/ingest"
	"migrate/internal/ingest/ingesttest"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/sinks"
	"migrate/sinks/memory"
)

// mortal is the store of a process that dies with one of its writes of the checkpoint: nothing that it does later happens.
type mortal struct {
	*memory.Sink
	at     int64 // the number of the write
	heard  bool  // it is stored before the process dies
	writes atomic.Int64
	dead   atomic.Bool
}

func (*mortal) Key(name string) string { return name }

func (m *mortal) alive() error {
	if m.dead.Load() {
		return errBroken
	}
	return nil
}

// Swap dies before or after the write.
func (m *mortal) Swap(ctx context.Context, name string, old sinks.Version, data []byte) (sinks.Version, error) {
	last := m.writes.Add(1) == m.at
	if last && !m.heard {
		m.dead.Store(true)
	}
	if err := m.alive(); err != nil {
		return "", err
	}
	version, err := m.Sink.Swap(ctx, name, old, data)
	if last {
		m.dead.Store(true)
	}
	return version, err
}

func (m *mortal) Put(ctx context.Context, name string, write func(io.Writer) error) (sinks.Info, error) {
	if err := m.alive(); err != nil {
		return sinks.Info{}, err
	}
	return m.Sink.Put(ctx, name, write)
}

func (m *mortal) Delete(ctx context.Context, name string) error {
	if err := m.alive(); err != nil {
		return err
	}
	return m.Sink.Delete(ctx, name)
}

// mortalDialect is what that process calls.
type mortalDialect struct {
	*ingesttest.Fake
	*mortal
}

func (d mortalDialect) Submit(ctx context.Context, o ingest.Order) (int64, error) {
	if err := d.alive(); err != nil {
		return 0, err
	}
	return d.Fake.Submit(ctx, o)
}

func (d mortalDialect) Poll(ctx context.Context, collection string, id int64) (ingest.Status, error) {
	if err := d.alive(); err != nil {
		return ingest.Status{}, err
	}
	return d.Fake.Poll(ctx, collection, id)
}

func (d mortalDialect) Commit(ctx context.Context, id int64) error {
	if err := d.alive(); err != nil {
		return err
	}
	return d.Fake.Commit(ctx, id)
}

// bury has nobody wait for the dead owner of a job, which its lease names until it lapses.
func bury(t *testing.T, store sinks.Swapper, name string) {
	t.Helper()
	text, version, err := store.Load(t.Context(), name)
	if errors.Is(err, sinks.ErrNotExist) {
		return
	}
	var job checkpoint.Job
	if err := errors.Join(err, document.Unmarshal(text, &job)); err != nil {
		t.Fatal(err)
	}
	if job.State == checkpoint.Running {
		job.State = checkpoint.Interrupted
	}
	if text, err = document.Marshal(job); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Swap(t.Context(), name, version, text); err != nil {
		t.Fatal(err)
	}
}

// wantResumed has the call of a process that died, or had ended, be made again: every row is there once.
func (to target) wantResumed(t *testing.T, m *export.Manifest, sink sinks.Sink, ended bool) {
	t.Helper()
	bury(t, to.staging, checkpoint.Object(checkpoint.Name(checkpoint.Import, m.Job, "t")))
	_, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient())
	if err != nil && !(ended && errors.Is(err, importer.ErrImported)) {
		t.Fatal(err)
	}
	to.wantOnce(t, m, sink)
}

// ended reports whether the process had come to its end, whatever it died of after that. One that did not die did, and made no error.
func (m *mortal) ended(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && !m.dead.Load() {
		t.Fatalf("it did not die, and failed: %v", err)
	}
	return err == nil
}

// dyingAtEachWrite has a process die before and after its first write of the checkpoint, its second one, and so on, until it comes to its end
// before so many: how many there are depends on the time that it takes, for its lease is written too.
func dyingAtEachWrite(t *testing.T, tried func(*testing.T, *mortal)) {
	t.Helper()
	for at, died := int64(1), true; died; at++ {
		died = false
		for _, heard := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d heard %t", at, heard), func(t *testing.T) {
				dying := &mortal{at: at, heard: heard}
				tried(t, dying)
				died = died || dying.dead.Load()
			})
		}
		if !died && at < 5 {
			t.Errorf("a process that makes %d writes shows little", at-1)
		}
	}
}

// TestCrashes has the process of an import die before and after each write of its checkpoint. The same call resumes it, be the jobs
// that were under way done by then, or forgotten: every row is there once.
func TestCrashes(t *testing.T) {
	t.Parallel()
	m, sink := exported(t, schema())
	for title, c := range map[string]struct {
		set       func(target)
		meanwhile func(*testing.T, target)
	}{
		"known":             {func(target) {}, func(*testing.T, target) {}},
		"done meanwhile":    {func(to target) { to.Most.Files = 2 }, func(t *testing.T, to target) { to.Finish(t.Context()) }},
		"to be committed":   {func(to target) { to.Commits = true }, func(*testing.T, target) {}},
		"forgotten by then": {func(to target) { to.Most.KnownFor = 0 }, func(t *testing.T, to target) { to.Finish(t.Context()); to.Forget() }},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			dyingAtEachWrite(t, func(t *testing.T, dying *mortal) {
				faulttable.Tried(t, "import: died before or after a write of its checkpoint, its jobs "+title, 1, "the same command ends it: every row once")
				to := newTarget(t)
				c.set(to)
				dying.Sink = to.staging
				opts := to.patient()
				opts.Dialect = mortalDialect{to.Fake, dying}
				_, err := importer.Import(t.Context(), to.client, sink, m, dying, opts)
				ended := dying.ended(t, err)
				c.meanwhile(t, to)
				to.wantResumed(t, m, sink, ended)
			})
		})
	}
}

// TestFaults breaks each step of a job once, and more often. What can be ends the import; after any other the same call does.
func TestFaults(t *testing.T) {
	t.Parallel()
	m, sink := exported(t, schema())
	parts := len(m.Parts)
	refused := ingesttest.Refuse(errBroken)
	type faults = []ingesttest.Fault
	for title, c := range map[string]struct {
		step    ingesttest.Step
		faults  faults
		set     func(target, *importer.Options)
		want    string // of the first call's error; "" where it succeeds
		resumes bool   // the same call ends it
		jobs    int    // in the end
	}{
		"submit refused":              {ingesttest.Submit, faults{refused}, nil, "broken", true, parts},
		"submit broken":               {ingesttest.Submit, faults{ingesttest.Break()}, nil, "", true, parts},
		"submit's answer lost":        {ingesttest.Submit, faults{ingesttest.LoseAnswer()}, nil, "", true, parts},
		"submit heard late":           {ingesttest.Submit, faults{ingesttest.Late()}, nil, "", true, parts + 1}, // its file is gone
		"submit heard late, and done": {ingesttest.Submit, faults{ingesttest.LateAndQuick()}, nil, "", true, parts},
		"poll refused":                {ingesttest.Poll, faults{refused}, nil, "broken", true, parts},
		"poll broken":                 {ingesttest.Poll, faults{ingesttest.Break()}, nil, "away", true, parts},
		"job fails":                   {ingesttest.Run, faults{ingesttest.Fail("no disk")}, nil, "", true, parts + 1},
		"job fails twice":             {ingesttest.Run, faults{ingesttest.Fail("no disk"), ingesttest.Fail("no disk")}, nil, "", true, parts + 2},
		"job fails three times":       {ingesttest.Run, faults{ingesttest.Fail("no disk"), ingesttest.Fail("no disk"), ingesttest.Fail("no disk")}, nil, "no disk", true, parts + 3},
		"a value refused":             {ingesttest.Run, faults{ingesttest.Fail("NaN is not a number or infinity")}, nil, ingest.ErrValue.Error(), true, parts + 1},
		"rows lost":                   {ingesttest.Run, faults{ingesttest.Lose(1)}, nil, "rows of", false, 1},
		"rows lost, then aborted":     {ingesttest.Run, faults{ingesttest.Lose(1)}, committing, "", true, parts + 1},
		"rows lost, abort refused":    {ingesttest.Run, faults{ingesttest.Lose(1), ingesttest.Lose(1), ingesttest.Lose(1)}, committing, "aborted", true, parts + 3},
		"commit's answer lost":        {ingesttest.Commit, faults{ingesttest.LoseAnswer()}, committing, "", true, parts},
		"commit broken":               {ingesttest.Commit, faults{ingesttest.Break()}, committing, "", true, parts},
		"commit refused":              {ingesttest.Commit, faults{refused}, committing, "broken", true, parts},
		"stuck":                       {ingesttest.Run, faults{ingesttest.Stuck()}, hasty, importer.ErrStalled.Error(), true, parts},
		"stuck job names no files":    {ingesttest.Run, faults{ingesttest.Silent(1 << 30)}, hasty, importer.ErrStalled.Error(), false, 1},
		"several files: job fails":    {ingesttest.Run, faults{ingesttest.Fail("no disk")}, several, "", true, 3},
		"several files: lost answer":  {ingesttest.Submit, faults{ingesttest.LoseAnswer()}, several, "", true, 2},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			outcome := "told by its reason"
			if c.resumes {
				outcome = "ended by itself or by the same command: every row once"
			}
			faulttable.Tried(t, "import: "+title, 1, outcome)
			to := newTarget(t)
			opts := to.patient()
			if c.set != nil {
				c.set(to, &opts)
			}
			to.Queue(c.step, c.faults...)
			_, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, opts)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("import over a fault: %v, want %q", err, c.want)
			}
			to.Free()
			if err != nil {
				opts.StallAfter = labtest.Patience
				if !c.resumes {
					opts.StallAfter = 50 * time.Millisecond
				}
				if _, err = importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, opts); (err == nil) != c.resumes {
					t.Fatalf("resumed: %v", err)
				}
			}
			if jobs := to.Jobs(); len(jobs) != c.jobs {
				t.Errorf("%d jobs, want %d: %v", len(jobs), c.jobs, jobs)
			}
			if c.resumes {
				to.wantOnce(t, m, sink)
			}
		})
	}
}

func committing(to target, _ *importer.Options) { to.Commits = true }
func hasty(_ target, opts *importer.Options)    { opts.StallAfter = 50 * time.Millisecond }
func several(to target, _ *importer.Options)    { to.Most.Files = 2 }
