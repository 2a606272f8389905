package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"reflect"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"migrate/internal/document"
	"migrate/sinks"
)

// Beside the document lie records, from which it is made anew where it is damaged: the plan, which is the document as it
// was when its parts were planned, and for each part the last state that each owner brought it to. They are written
// before the document, and go when the job is done. A part's record has its owner's epoch in its name, so that an owner
// that wakes late can't write over those of the next.
//
//	<job>/export.checkpoint/plan.json
//	<job>/export.checkpoint/<part>.<epoch>.json

// record is the state of one part. The job's start tells it from one of an earlier job of the same name.
type record struct {
	Started time.Time `json:"started"`
	Updated time.Time `json:"updated"`
	Part    Part      `json:"part"`
}

func recordFolder(name string) string { return strings.TrimSuffix(name, path.Ext(name)) + "/" }
func planName(name string) string     { return recordFolder(name) + "plan.json" }

func recordName(name string, part int, epoch int64) string {
	return fmt.Sprintf("%s%d.%d.json", recordFolder(name), part, epoch)
}

// parseRecordName is the part and epoch of a record; false for any other object.
func parseRecordName(name, object string) (part int, epoch int64, ok bool) {
	n, err := fmt.Sscanf(strings.TrimPrefix(object, recordFolder(name)), "%d.%d.json", &part, &epoch)
	return part, epoch, n == 2 && err == nil && part >= 0 && object == recordName(name, part, epoch)
}

// record writes down what is about to change.
func (h *Holder) record(ctx context.Context, next *Job) error {
	if len(next.Parts) != len(h.job.Parts) {
		return putSealed(ctx, h.sink, planName(h.name), next)
	}
	for i, p := range next.Parts {
		if reflect.DeepEqual(p, h.job.Parts[i]) {
			continue
		}
		if err := putSealed(ctx, h.sink, recordName(h.name, i, next.Lease.Epoch), record{next.Started, next.Updated, p}); err != nil {
			return err
		}
	}
	return nil
}

func putSealed(ctx context.Context, sink sinks.Sink, name string, value any) error {
	text, err := document.Marshal(value)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", name, err)
	}
	_, err = sink.Put(ctx, name, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	return err
}

// removePlan removes what the other records stand on: without it they are those of no job.
func removePlan(ctx context.Context, sink sinks.Sink, name string) error {
	if err := sink.Delete(ctx, planName(name)); err != nil {
		return fmt.Errorf("removing the plan of %s: %w", name, err)
	}
	return nil
}

// removedAtOnce is how many records are removed at a time.
const removedAtOnce = 16

// removeRecords removes the records of a job, plan first. They are listed before any other goes, so that a job of the same
// name that begins meanwhile keeps its own.
func removeRecords(ctx context.Context, sink sinks.Sink, name string) error {
	if err := removePlan(ctx, sink, name); err != nil {
		return err
	}
	var records []string
	for info, err := range sink.List(ctx, recordFolder(name)) {
		if err != nil {
			return fmt.Errorf("looking for the records of %s: %w", name, err)
		}
		records = append(records, info.Name)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(removedAtOnce)
	for _, r := range records {
		g.Go(func() error { return sink.Delete(ctx, r) })
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("removing the records of %s: %w", name, err)
	}
	return nil
}

// sweepRecords removes what an owner that was killed left of records that it was writing.
func (h *Holder) sweepRecords(ctx context.Context, epoch int64) error {
	sweeper, ok := sinks.As[sinks.Sweeper](h.sink)
	if !ok {
		return nil
	}
	names := []string{planName(h.name)}
	for i, p := range h.job.Parts {
		if p.State != Finished {
			names = append(names, recordName(h.name, i, epoch))
		}
	}
	for _, name := range names {
		if err := sweeper.Sweep(ctx, name); err != nil {
			return fmt.Errorf("removing what an interrupted job left: %w", err)
		}
	}
	return nil
}

// Discard removes the document of a job that nobody owns, and its records.
func Discard(ctx context.Context, sink sinks.Sink, name string) error {
	if err := sink.Delete(ctx, name); err != nil {
		return fmt.Errorf("removing the checkpoint %s: %w", name, err)
	}
	return removeRecords(ctx, sink, name)
}

// Rebuild makes the document of a job anew from its records, where it is damaged. Finished parts of an export for which
// whole does not vouch are to be done again; those of an import are on its server, and whole may be nil. The job that it returns is interrupted, and the same command goes on with it.
// ErrNotDamaged where the document can be read, and sinks.ErrNotExist where there is nothing to make it from.
func Rebuild(ctx context.Context, sink sinks.Sink, name string, whole func(context.Context, Part) (bool, error)) (*Job, error) {
	return Replace(ctx, sink, name, func() (*Job, error) {
		job, err := fromRecords(ctx, sink, name)
		if err != nil {
			return nil, err
		}
		return job, job.doubt(ctx, whole)
	})
}

// Replace writes a document anew, where it is damaged or lost. ErrNotDamaged where it can be read.
func Replace(ctx context.Context, sink sinks.Sink, name string, anew func() (*Job, error)) (*Job, error) {
	store, err := swapper(sink)
	if err != nil {
		return nil, err
	}
	_, version, err := load(ctx, store, name)
	switch {
	case err == nil:
		return nil, fmt.Errorf("rebuilding %s: %w", name, ErrNotDamaged)
	case !errors.Is(err, ErrDamaged) && !errors.Is(err, sinks.ErrNotExist):
		return nil, err
	}
	job, err := anew()
	if err != nil {
		return nil, fmt.Errorf("rebuilding %s: %w", name, err)
	}
	text, err := document.Marshal(job)
	if err != nil {
		return nil, fmt.Errorf("encoding the checkpoint of %q: %w", job.Name, err)
	}
	if _, err := store.Swap(ctx, name, version, text); err != nil {
		return nil, fmt.Errorf("writing the checkpoint of %q: %w", job.Name, err)
	}
	return job, nil
}

// doubt has the parts of an export done again for which whole does not vouch. An import's are on its server.
func (j *Job) doubt(ctx context.Context, whole func(context.Context, Part) (bool, error)) error {
	for i, p := range j.Parts {
		if j.Kind != Export || p.State != Finished || p.Object == "" {
			continue
		}
		ok, err := whole(ctx, p)
		if err != nil {
			return err
		}
		if !ok {
			j.Parts[i] = p.Again()
		}
	}
	return nil
}

// Again is a part of an export as it was planned.
func (p Part) Again() Part {
	planned := Part{Number: p.Number, Planned: p.Planned}
	planned.Partition, planned.Range = p.Partition, p.Range
	return planned
}

// fromRecords is the job as its records have it.
func fromRecords(ctx context.Context, sink sinks.Sink, name string) (*Job, error) {
	text, err := readAll(ctx, sink, planName(name))
	if err != nil {
		return nil, fmt.Errorf("reading the plan of %s: %w", name, err)
	}
	job, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", planName(name), err)
	}
	latest := make([]int64, len(job.Parts)) // epochs
	for info, err := range sink.List(ctx, recordFolder(name)) {
		if err != nil {
			return nil, fmt.Errorf("looking for the records of %s: %w", name, err)
		}
		if err := addRecord(ctx, sink, name, info.Name, job, latest); err != nil {
			return nil, err
		}
	}
	job.State, job.Lease = Interrupted, Lease{Epoch: job.Lease.Epoch}
	return job, nil
}

// addRecord brings a part to the state of a record, unless that is of an earlier owner than what is known.
func addRecord(ctx context.Context, sink sinks.Sink, name, object string, job *Job, latest []int64) error {
	i, epoch, ok := parseRecordName(name, object)
	if !ok || i >= len(latest) || epoch < latest[i] {
		return nil
	}
	text, err := readAll(ctx, sink, object)
	if err != nil {
		return fmt.Errorf("reading a record: %w", err)
	}
	var r record
	if err := document.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("%s: %w: %w", object, ErrDamaged, err)
	}
	if !r.Started.Equal(job.Started) {
		return nil
	}
	job.Parts[i], latest[i] = r.Part, epoch
	job.Lease.Epoch = max(job.Lease.Epoch, epoch)
	if r.Updated.After(job.Updated) {
		job.Updated = r.Updated
	}
	return nil
}

func readAll(ctx context.Context, sink sinks.Sink, name string) (text []byte, err error) {
	obj, err := sink.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, obj.Close()) }()
	return io.ReadAll(obj)
}

// rebuildable says what is there to make a damaged document of.
func rebuildable(ctx context.Context, sink sinks.Sink, name string) string {
	if _, ok := SyncOf(name); ok {
		return "it can be made anew, and all rows are compared again then"
	}
	job, err := fromRecords(ctx, sink, name)
	if err != nil {
		return "and it can't be made anew: " + err.Error()
	}
	parts, rows := job.Finished()
	return fmt.Sprintf("it can be made anew: %d of %d parts (%d rows) are recorded as done", parts, len(job.Parts), rows)
}
