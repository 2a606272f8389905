package importer

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"migrate/internal/milvus"
)

// restImport is the dialect of Milvus 2.4 and later: the jobs of its REST API.
type restImport struct{ jobs *milvus.ImportJobs }

// submit sends a key that is the same for the same files, by which newer servers know a call that comes again.
func (r restImport) submit(ctx context.Context, o order) (int64, error) {
	return r.jobs.Create(ctx, milvus.ImportOrder{
		Collection: o.collection, Partition: o.partition, Files: o.files,
		Key: fmt.Sprintf("migrate-%x", sha256.Sum256([]byte(strings.Join(o.files, "\n")))),
	})
}

// state looks the job up in the list, and asks for it only when it has ended: only then its own answer tells more, and a
// job that is gone must not be asked for.
func (r restImport) state(ctx context.Context, collection string, id int64) (jobState, error) {
	jobs, err := r.jobs.List(ctx, collection)
	if err != nil {
		return jobState{}, err
	}
	i := slices.IndexFunc(jobs, func(job milvus.ImportJob) bool { return job.ID == id })
	if i < 0 {
		return jobState{}, errJobGone
	}
	s := jobState{name: string(jobs[i].State), percent: strconv.FormatInt(jobs[i].Percent, 10), rows: unknownRows}
	switch jobs[i].State {
	case milvus.ImportFailed:
		s.failed = jobs[i].Reason
		if s.failed == "" {
			s.failed = "the server gives no reason"
		}
	case milvus.ImportCompleted, milvus.ImportUncommitted:
		progress, err := r.jobs.Progress(ctx, id)
		if err != nil {
			return jobState{}, err
		}
		s.completed, s.uncommitted = jobs[i].State == milvus.ImportCompleted, jobs[i].State == milvus.ImportUncommitted
		s.rows = progress.Rows
	}
	return s, nil
}

func (r restImport) commit(ctx context.Context, id int64) error { return r.jobs.Commit(ctx, id) }
func (r restImport) abort(ctx context.Context, id int64) error  { return r.jobs.Abort(ctx, id) }

// find goes by the files that the jobs name once the server has looked into them. Of a job that failed nothing is there,
// so it counts for none.
func (r restImport) find(ctx context.Context, collection string, files []string) (map[string]int64, bool, error) {
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
