package checkpoint

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"

	"migrate/internal/document"
	"migrate/sinks"
)

// removeDocument removes what says that there is a job. The sign goes first: nobody takes the job as long as its document is there.
func removeDocument(ctx context.Context, store Store, name string) error {
	for _, object := range []string{oldObject(name), Object(name)} {
		if err := store.Delete(ctx, object); err != nil {
			return fmt.Errorf("removing the checkpoint %s: %w", name, err)
		}
	}
	return nil
}

// discard removes the work before the document: whoever begins a job of this name meanwhile must have later epochs.
func discard(ctx context.Context, store Store, name string) error {
	if err := store.Delete(ctx, oldObject(name)); err != nil {
		return fmt.Errorf("removing the checkpoint %s: %w", name, err)
	}
	if err := removeWork(ctx, store, name, math.MaxInt64); err != nil {
		return err
	}
	return removeDocument(ctx, store, name)
}

// Discard removes the document of a job that nobody owns, its plan and its chunks.
func Discard(ctx context.Context, sink sinks.Sink, name string) error {
	store, err := On(sink)
	if err != nil {
		return err
	}
	return discard(ctx, store, name)
}

// Whole reports whether a chunk is done that says so.
type Whole func(context.Context, Chunk) (bool, error)

// Rebuild makes the document of a job anew from its plan and chunks, where it is damaged, or one of the chunks' is. Chunks of an export for
// which whole does not vouch are to be done again, and so are those whose own document is damaged; those of an import are on its server,
// and whole is nil. The job that it returns is interrupted, and the same command resumes it.
// ErrNotDamaged where all can be read, and sinks.ErrNotExist where there is nothing to make it from.
func Rebuild(ctx context.Context, sink sinks.Sink, name string, whole Whole) (*Job, error) {
	store, err := On(sink)
	if err != nil {
		return nil, err
	}
	f, err := find(ctx, store, name)
	if err == nil {
		err = checkWork(ctx, store, name, f)
	}
	if err := unlessDamaged(name, err); err != nil {
		return nil, err
	}
	r, err := rescue(ctx, store, name, f.job)
	if err == nil {
		err = r.settle(ctx, store, name, whole)
	}
	if err != nil {
		return nil, fmt.Errorf("rebuilding %s: %w", name, err)
	}
	return r.job, put(ctx, store, name, f, r.job)
}

// checkWork reads all that the document of a job stands for.
func checkWork(ctx context.Context, store Store, name string, f found) error {
	if f.old != nil || f.job.State == Done || f.job.Plan == (Plan{}) {
		return nil
	}
	_, err := readPlan(ctx, store, name, f.job.Plan)
	return err
}

func unlessDamaged(name string, err error) error {
	switch {
	case err == nil:
		return fmt.Errorf("rebuilding %s: %w", name, ErrNotDamaged)
	case errors.Is(err, ErrDamaged) || missing(err):
		return nil
	}
	return err
}

// Replace writes a document anew, where it is damaged or lost. ErrNotDamaged where it can be read.
func Replace(ctx context.Context, sink sinks.Sink, name string, job *Job) error {
	store, err := On(sink)
	if err != nil {
		return err
	}
	f, err := find(ctx, store, name)
	if err := unlessDamaged(name, err); err != nil {
		return err
	}
	return put(ctx, store, name, f, job)
}

// put writes a document over what was found.
func put(ctx context.Context, store Store, name string, f found, job *Job) error {
	job.Format = Format
	text, err := document.Marshal(job)
	if err != nil {
		return fmt.Errorf("encoding the checkpoint of %q: %w", job.Name, err)
	}
	if _, err = store.Put(ctx, Object(name), f.version, text); err == nil {
		_, err = store.Put(ctx, oldObject(name), f.sign, []byte(bareSign))
	}
	if err != nil {
		return fmt.Errorf("writing the checkpoint of %q: %w", job.Name, err)
	}
	return nil
}

// rescued is what could be read of a job.
type rescued struct {
	job     *Job
	chunks  []Chunk
	damaged []int // chunks whose document is
	old     bool  // from format 1: nothing of it is written in this one
}

// rescue reads a job by its document, where that can be read, or as its newest plan has it, or from the records of format 1.
func rescue(ctx context.Context, store Store, name string, job *Job) (r rescued, err error) {
	r.job = job
	if job == nil {
		plans, err := plansOf(ctx, store, name)
		if err != nil {
			return r, err
		}
		if len(plans) == 0 {
			return rescueOld(ctx, store, name)
		}
		r.job = &Job{}
		if _, err := read(ctx, store, planObject(name, plans[len(plans)-1]), r.job); err != nil {
			return r, fmt.Errorf("reading the plan of %s: %w", name, err)
		}
	}
	if r.chunks, err = readPages(ctx, store, name, r.job.Plan); err != nil {
		return r, err
	}
	epoch := r.job.Lease.Epoch
	for b, err := range begunOf(ctx, store, name, r.job.Plan) {
		switch {
		case errors.Is(err, ErrDamaged):
			r.damaged = append(r.damaged, b.ID)
			continue
		case err != nil:
			return r, err
		}
		r.chunks[b.ID].add(b)
		epoch = max(epoch, b.Lease.Epoch)
	}
	r.leave(epoch)
	return r, nil
}

// leave has the job be one that nobody owns, and whose next owner is later than all before.
func (r *rescued) leave(epoch int64) {
	r.job.State, r.job.Before, r.job.Lease = Interrupted, nil, Lease{ID: rand.Text(), Epoch: epoch + 1}
	r.job.Done = doneOf(r.chunks)
}

// settle has the chunks done again that are doubtful, durably.
func (r *rescued) settle(ctx context.Context, store Store, name string, whole Whole) error {
	again, err := r.doubtful(ctx, whole)
	if err != nil {
		return err
	}
	for _, i := range again {
		r.chunks[i] = r.chunks[i].again()
	}
	r.job.Done = doneOf(r.chunks)
	if r.old {
		return writeConverted(ctx, store, name, r.job, r.chunks, r.job.Lease)
	}
	for _, i := range again {
		if err := overwrite(ctx, store, chunkObject(name, r.job.Plan.ID, i), begun{ID: i, Lease: r.job.Lease}); err != nil {
			return err
		}
	}
	return nil
}

// doubtful are the chunks for which whole does not vouch, and those whose document is damaged. An import's are on its server, and
// nothing but their documents tells of them.
func (r *rescued) doubtful(ctx context.Context, whole Whole) ([]int, error) {
	again := r.damaged
	if whole == nil {
		if len(again) > 0 {
			return nil, fmt.Errorf("the document of chunk %d: %w; what became of it is on the server alone", again[0], ErrDamaged)
		}
		return nil, nil
	}
	for i, c := range r.chunks {
		if c.State != Done {
			continue
		}
		ok, err := whole(ctx, c)
		if err != nil {
			return nil, err
		}
		if !ok {
			again = append(again, i)
		}
	}
	return again, nil
}

// again is a chunk as it was planned.
func (c Chunk) again() Chunk { return Chunk{ID: c.ID, Spec: c.Spec, Size: c.Size} }

// orRebuildable is an error, and where it is that something is damaged, what can be done about that.
func orRebuildable(ctx context.Context, store Store, name string, err error) error {
	if !errors.Is(err, ErrDamaged) {
		return err
	}
	return fmt.Errorf("%w; %s", err, rebuildable(ctx, store, name))
}

// rebuildable says what is there to make a damaged document of.
func rebuildable(ctx context.Context, store Store, name string) string {
	if _, ok := SyncOf(name); ok {
		return "it can be made anew, and all rows are compared again then"
	}
	r, err := rescue(ctx, store, name, nil)
	if err != nil {
		return "and it can't be made anew: " + err.Error() + "; remove the job, and begin it again"
	}
	return fmt.Sprintf("it can be made anew: %d of %d parts (%d rows) are recorded as done", r.job.Done.Parts, r.job.Planned.Parts, r.job.Done.Rows)
}
