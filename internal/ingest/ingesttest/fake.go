// Package ingesttest has a dialect of bulk insert without a server, whose steps a test breaks as it wants, and the contract that it
// and the real ones are held to.
//
//	dialect := ingesttest.New(t, bring)
//	dialect.Queue(ingesttest.Submit, ingesttest.LoseAnswer())
//
// A queued fault strikes once. One that never struck fails the test, since it tested nothing.
package ingesttest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"migrate/internal/ingest"
	"migrate/internal/milvus"
)

// Fake is a dialect. Its jobs make one step each time that somebody looks at them: they wait, import, and are done. Fields may be
// set until it is first used.
type Fake struct {
	Most    ingest.Limits
	Commits bool // its jobs wait to be committed

	// bring imports the files of a job, all or none of them, and says how many rows they have. Its error fails the job.
	bring func(context.Context, ingest.Order) (rows int64, err error)
	// count counts the rows of a job's files before they are imported, where jobs wait to be committed.
	count func(context.Context, ingest.Order) (rows int64, err error)

	mu     sync.Mutex
	jobs   []*job                  // by id, from 1 on
	late   []func(context.Context) // calls that are yet to arrive
	faults map[Step][]Fault
}

var (
	_ ingest.Dialect   = (*Fake)(nil)
	_ ingest.Committer = (*Fake)(nil)
)

// job is one that was made.
type job struct {
	ingest.Order
	status ingest.Status
	names  bool // its files
	fault  Fault
	gone   bool
}

// New is a fake whose jobs bring what bring does. Of jobs that wait to be committed, count says before how many rows that will be.
func New(t testing.TB, bring, count func(context.Context, ingest.Order) (rows int64, err error)) *Fake {
	f := &Fake{Most: ingest.Limits{Files: 1, KnownFor: 20 * time.Hour}, bring: bring, count: count, faults: map[Step][]Fault{}}
	t.Cleanup(func() {
		for _, unused := range f.unused() {
			t.Errorf("a fault of the fake never struck: %s", unused)
		}
	})
	return f
}

// Queue has coming calls, or jobs, meet the faults, one each, in this order.
func (f *Fake) Queue(step Step, faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[step] = append(f.faults[step], faults...)
}

// Jobs are the orders of those that were made, in the order of the calls.
func (f *Fake) Jobs() []ingest.Order {
	f.mu.Lock()
	defer f.mu.Unlock()
	orders := make([]ingest.Order, len(f.jobs))
	for i, j := range f.jobs {
		orders[i] = j.Order
	}
	return orders
}

// Finish has all jobs come to their end.
func (f *Fake) Finish(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range 4 {
		f.step(ctx)
	}
}

// Forget has the fake know none of its jobs any more. They go no further either.
func (f *Fake) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range f.jobs {
		j.gone = true
	}
}

// Free lets the jobs go on that a Stuck holds.
func (f *Fake) Free() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range f.jobs {
		j.fault.stuck = false
	}
}

// Limits are those that were set.
func (f *Fake) Limits() ingest.Limits { return f.Most }

// Submit makes a job.
func (f *Fake) Submit(ctx context.Context, order ingest.Order) (id int64, err error) {
	err = f.call(ctx, Submit, func() error {
		f.jobs = append(f.jobs, f.begin(order))
		id = int64(len(f.jobs))
		return nil
	}, func(fault Fault) {
		f.late = append(f.late, func(ctx context.Context) {
			j := f.begin(order)
			if f.jobs = append(f.jobs, j); fault.quick {
				f.start(ctx, j)
				f.end(ctx, j)
			}
		})
	})
	return id, err
}

// begin is a job that is there from now on; f.mu is held.
func (f *Fake) begin(order ingest.Order) *job {
	order.Files = slices.Clone(order.Files)
	return &job{Order: order, status: ingest.Status{State: ingest.Pending, Named: "Pending", Rows: ingest.UnknownRows}, fault: f.take(Run)}
}

// Poll has the jobs make a step, and tells how one stands.
func (f *Fake) Poll(ctx context.Context, collection string, id int64) (status ingest.Status, err error) {
	err = f.call(ctx, Poll, func() error {
		f.step(ctx)
		j := f.known(id)
		if j == nil || j.Collection != collection {
			return fmt.Errorf("job %d: %w", id, ingest.ErrGone)
		}
		status = j.status
		return nil
	}, nil)
	return status, err
}

// Find has the jobs make a step once it has answered, and calls that are late arrive then.
func (f *Fake) Find(ctx context.Context, collection string, files []string) (found map[string]int64, decided bool, err error) {
	err = f.call(ctx, Find, func() error {
		found, decided = f.find(collection, files)
		f.step(ctx)
		for _, arrive := range f.late {
			arrive(ctx)
		}
		f.late = nil
		return nil
	}, nil)
	return found, decided, err
}

func (f *Fake) find(collection string, files []string) (found map[string]int64, decided bool) {
	found, decided = map[string]int64{}, true
	for i, j := range f.jobs {
		if j.gone || j.Collection != collection || j.status.State == ingest.Failed {
			continue
		}
		decided = decided && j.names
		for _, file := range j.Files {
			if j.names && slices.Contains(files, file) {
				found[file] = int64(i + 1)
			}
		}
	}
	return found, decided
}

// Commit lets a job that waits bring its rows.
func (f *Fake) Commit(ctx context.Context, id int64) error {
	return f.call(ctx, Commit, func() error {
		if j := f.known(id); j != nil && j.status.State == ingest.Uncommitted {
			f.end(ctx, j)
		}
		return nil
	}, nil)
}

// Abort fails a job that waits.
func (f *Fake) Abort(ctx context.Context, id int64) error {
	return f.call(ctx, Abort, func() error {
		if j := f.known(id); j != nil && j.status.State == ingest.Uncommitted {
			j.fail("aborted by user")
		}
		return nil
	}, nil)
}

// known is a job that is not forgotten, nil where there is none; f.mu is held.
func (f *Fake) known(id int64) *job {
	if id < 1 || id > int64(len(f.jobs)) || f.jobs[id-1].gone {
		return nil
	}
	return f.jobs[id-1]
}

// call meets the fault of a step, if there is one: do does the work, and later has it done some time after.
func (f *Fake) call(ctx context.Context, step Step, do func() error, later func(Fault)) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	fault := f.take(step)
	switch {
	case fault.late:
		later(fault)
		return fault.err
	case fault.err != nil && !fault.done:
		return fault.err
	}
	if err := do(); err != nil {
		return err
	}
	return fault.err
}

// step has each job that goes on make a step, whoever waits for it; f.mu is held.
func (f *Fake) step(ctx context.Context) {
	for _, j := range f.jobs {
		switch {
		case j.gone:
		case j.status.State == ingest.Pending:
			f.start(ctx, j)
		case j.fault.stuck || j.status.State != ingest.Importing:
		case f.Commits:
			j.status.State, j.status.Named, j.status.Percent = ingest.Uncommitted, "Uncommitted", "99"
		default:
			f.end(ctx, j)
		}
	}
}

// start has a job look into its files.
func (f *Fake) start(ctx context.Context, j *job) {
	if j.fault.silent > 0 {
		j.fault.silent--
		return
	}
	if j.fault.failed != "" {
		j.fail(j.fault.failed)
		return
	}
	j.names = true
	j.status.State, j.status.Named, j.status.Percent = ingest.Importing, "Importing", "40"
	if !f.Commits {
		return
	}
	rows, err := f.count(context.WithoutCancel(ctx), j.Order)
	if err != nil {
		j.fail(err.Error())
	}
	j.status.Rows = rows - j.fault.lost
}

// end has a job bring its rows.
func (f *Fake) end(ctx context.Context, j *job) {
	rows, err := f.bring(context.WithoutCancel(ctx), j.Order)
	if err != nil {
		j.fail(err.Error())
		return
	}
	j.status = ingest.Status{State: ingest.Completed, Named: "Completed", Percent: "100", Rows: rows - j.fault.lost}
}

func (j *job) fail(reason string) {
	j.status = ingest.Status{State: ingest.Failed, Named: "Failed", Reason: reason, Rows: ingest.UnknownRows}
}

// take is the next fault of a step, one that does nothing where there is none; f.mu is held.
func (f *Fake) take(step Step) (fault Fault) {
	if waiting := f.faults[step]; len(waiting) > 0 {
		fault, f.faults[step] = waiting[0], waiting[1:]
	}
	return fault
}

func (f *Fake) unused() (left []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, step := range slices.Sorted(maps.Keys(f.faults)) {
		for _, fault := range f.faults[step] {
			left = append(left, fmt.Sprintf("%s: %+v", step, fault))
		}
	}
	return left
}

// away is an error that can pass.
var away = &milvus.StatusError{Method: "Import", Code: 2, Reason: "the server is away"}
