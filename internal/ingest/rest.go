package ingest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"migrate/internal/milvus"
)

// rest is the dialect of Milvus 2.4 and later: the jobs of its REST API. From 3.0 on they wait to be committed.
type rest struct {
	jobs   *milvus.ImportJobs
	limits Limits
}

func (r rest) Limits() Limits { return r.limits }

// Submit sends a key that is the same for the same files, by which newer servers know a call that comes again.
func (r rest) Submit(ctx context.Context, o Order) (int64, error) {
	return r.jobs.Create(ctx, milvus.ImportOrder{
		Collection: o.Collection, Partition: o.Partition, Files: o.Files,
		Key: fmt.Sprintf("migrate-%x", sha256.Sum256([]byte(strings.Join(o.Files, "\n")))),
	})
}

// Poll looks the job up in the list, and asks for it only when it has ended: only then its own answer tells more, and a
// job that is gone must not be asked for.
func (r rest) Poll(ctx context.Context, collection string, id int64) (Status, error) {
	jobs, err := r.jobs.List(ctx, collection)
	if err != nil {
		return Status{}, err
	}
	i := slices.IndexFunc(jobs, func(job milvus.ImportJob) bool { return job.ID == id })
	if i < 0 {
		return Status{}, ErrGone
	}
	s := Status{State: unended(string(jobs[i].State)), Named: string(jobs[i].State), Percent: strconv.FormatInt(jobs[i].Percent, 10), Rows: UnknownRows}
	switch jobs[i].State {
	case milvus.ImportFailed:
		s.State, s.Reason = Failed, cmp.Or(jobs[i].Reason, noReason)
		return s, nil
	case milvus.ImportCompleted:
		s.State = Completed
	case milvus.ImportUncommitted:
		s.State = Uncommitted
	default:
		return s, nil
	}
	progress, err := r.jobs.Progress(ctx, id)
	s.Rows = progress.Rows
	return s, err
}

func (r rest) Commit(ctx context.Context, id int64) error { return r.jobs.Commit(ctx, id) }
func (r rest) Abort(ctx context.Context, id int64) error  { return r.jobs.Abort(ctx, id) }

// Find goes by the files that the jobs name once the server has looked into them. Of a job that failed nothing is there,
// so it counts for none.
func (r rest) Find(ctx context.Context, collection string, files []string) (map[string]int64, bool, error) {
	jobs, err := r.jobs.List(ctx, collection)
	if err != nil {
		return nil, false, fmt.Errorf("listing the bulk-insert jobs of %q: %w", collection, err)
	}
	found, decided := map[string]int64{}, true
	for _, job := range jobs {
		if job.State == milvus.ImportFailed {
			continue
		}
		progress, err := r.jobs.Progress(ctx, job.ID)
		if err != nil {
			return nil, false, fmt.Errorf("asking for bulk-insert job %d: %w", job.ID, err)
		}
		decided = decided && len(progress.Files) > 0
		for _, file := range progress.Files {
			if slices.Contains(files, file) {
				found[file] = job.ID
			}
		}
	}
	return found, decided, nil
}
