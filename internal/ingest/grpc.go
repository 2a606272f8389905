package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"migrate/internal/milvus"
)

// grpc is the dialect of Milvus 2.3: a task for each file.
type grpc struct{ server *milvus.Server }

func (g grpc) Limits() Limits { return limitsOf(g.server) }

func (g grpc) Submit(ctx context.Context, o Order) (int64, error) {
	return g.server.Import(ctx, o.Collection, o.Partition, o.Files...)
}

func (g grpc) Poll(ctx context.Context, _ string, id int64) (Status, error) {
	task, err := g.server.ImportTask(ctx, id)
	if errors.Is(err, milvus.ErrNoTask) {
		return Status{}, fmt.Errorf("%w: %w", ErrGone, err)
	}
	if err != nil {
		return Status{}, err
	}
	s := Status{State: unended(task.State), Named: task.State, Rows: task.Rows, Percent: task.Percent}
	switch {
	case task.Completed:
		s.State = Completed
	case task.Failed:
		s.State, s.Reason = Failed, cmp.Or(task.Reason, noReason)
	}
	return s, nil
}

// Find goes by the files' paths, which the task list of 2.3 holds for 24 hours. Of several tasks for one file, one that has
// not failed counts.
func (g grpc) Find(ctx context.Context, collection string, files []string) (map[string]int64, bool, error) {
	tasks, err := g.server.ImportTasks(ctx, collection)
	if err != nil {
		return nil, false, fmt.Errorf("listing the bulk-insert jobs of %q: %w", collection, err)
	}
	jobs := map[string]int64{}
	for _, task := range tasks {
		if !slices.Contains(files, task.File) {
			continue
		}
		if _, found := jobs[task.File]; !found || !task.Failed {
			jobs[task.File] = task.ID
		}
	}
	return jobs, true, nil
}
