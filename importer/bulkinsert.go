package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"migrate/internal/clock"
	"migrate/internal/milvus"
)

// bulkInserter is one dialect of bulk insert.
type bulkInserter interface {
	// submit starts a job and returns its id. It is never repeated by itself where a second call would import twice.
	submit(ctx context.Context, o order) (id int64, err error)
	// state asks how far a job is; errJobGone where the server does not know it.
	state(ctx context.Context, collection string, id int64) (jobState, error)
	// find looks for the jobs that import files, among those that the server still knows. It has not decided while a
	// job is there that does not name its files yet.
	find(ctx context.Context, collection string, files []string) (jobs map[string]int64, decided bool, err error)
}

// committer is a dialect whose jobs wait, when all is imported and nothing visible, until they are told how to end.
type committer interface {
	commit(ctx context.Context, id int64) error
	abort(ctx context.Context, id int64) error
}

// order is what one job is to import.
type order struct {
	collection, partition string
	files                 []string
}

// jobState is how far a bulk-insert job is.
type jobState struct {
	name        string // as the server calls it
	uncommitted bool   // it waits for a committer
	completed   bool
	failed      string // why, where it failed
	percent     string
	rows        int64 // that it brought; unknownRows where the server does not tell
}

const unknownRows = -1

// JobState is how far a bulk-insert job is, in words that are the same for all versions of Milvus.
type JobState string

// The states of a bulk-insert job.
const (
	JobPending     JobState = "pending" // it waits for its turn on the server
	JobImporting   JobState = "importing"
	JobUncommitted JobState = "uncommitted" // all is imported, and nothing visible
	JobCompleted   JobState = "completed"
	JobFailed      JobState = "failed"
)

func (s jobState) inWords() JobState {
	switch {
	case s.failed != "":
		return JobFailed
	case s.completed:
		return JobCompleted
	case s.uncommitted:
		return JobUncommitted
	case strings.HasSuffix(s.name, "Pending"): // ImportPending of 2.3, Pending of 2.4 and later
		return JobPending
	}
	return JobImporting
}

// dialect chooses how a server is told to bulk-insert, and makes sure that it listens.
func dialect(ctx context.Context, server *milvus.Server) (bulkInserter, error) {
	switch can := server.Capabilities(); {
	case can.GRPCImport:
		return grpcImport{server}, nil
	case can.RESTImport:
		return restImport{server.ImportJobs()}, server.ImportJobs().Check(ctx)
	}
	return nil, fmt.Errorf("%w: this migrate bulk-inserts into Milvus 2.3 and later, and %s is %q", ErrTarget, server.Address, server.Version())
}

const pollEvery = 500 * time.Millisecond

// ErrJobFailed is a bulk-insert job that the server has given up: none of its rows is there.
var ErrJobFailed = errors.New("bulk-insert job failed")

// ErrValue is a value that bulk insert refuses, whenever it is tried: NaN or an infinity.
var ErrValue = errors.New("a value is refused")

// failure is why a job has failed.
func (s jobState) failure() error {
	if strings.Contains(s.failed, "is not a number or infinity") {
		return fmt.Errorf("%w: %w: %s", ErrJobFailed, ErrValue, s.failed)
	}
	return fmt.Errorf("%w: %s", ErrJobFailed, s.failed)
}

// errJobGone is a bulk-insert job that the server does not know, or no longer.
var errJobGone = errors.New("bulk-insert job is not known to the server")

// follow follows a group's job to its end. One that stands still for too long is an error that names it.
func (im *importing) follow(ctx context.Context, g group) (rows int64, err error) {
	id := im.part(g[0]).Task
	job := fmt.Sprintf("bulk-insert job %d (%s)", id, strings.Join(im.files(g), ", "))
	var last jobState
	moved := time.Now()
	for {
		state, err := im.bulk.state(ctx, im.target.Name, id)
		if err != nil {
			return 0, fmt.Errorf("following %s, last %s: %w", job, last.name, err)
		}
		im.opts.Job(id, state.inWords(), state.failed)
		if state.failed != "" {
			return 0, fmt.Errorf("%s: %w", job, state.failure())
		}
		if state.completed {
			return state.rows, nil
		}
		if state.uncommitted {
			if err := im.commit(ctx, g, state.rows); err != nil {
				return 0, fmt.Errorf("%s: %w", job, err)
			}
		}
		if state != last {
			last, moved = state, time.Now()
		}
		if time.Since(moved) > im.opts.StallAfter {
			return 0, fmt.Errorf("%s is %s at %s%% since %s: %w", job, last.name, last.percent, moved.Format(time.TimeOnly), ErrStalled)
		}
		if err := clock.Sleep(ctx, pollEvery); err != nil {
			return 0, fmt.Errorf("following %s, %s: %w", job, last.name, err)
		}
	}
}

// commit makes what a job has brought visible, if it is all there and the job is still this process's. Where the call gets
// no answer, the job's next state tells what became of it, and one that is heard twice changes nothing.
func (im *importing) commit(ctx context.Context, g group, rows int64) error {
	id, two := im.part(g[0]).Task, im.bulk.(committer)
	if want := im.rowsOf(g); rows != want && rows != unknownRows {
		return errors.Join(fmt.Errorf("%w: aborted, since it has %d rows of %d", ErrJobFailed, rows, want), two.abort(ctx, id))
	}
	if err := im.job.Confirm(ctx); err != nil {
		return err
	}
	err := two.commit(ctx, id)
	if milvus.CanPass(err) {
		slog.WarnContext(ctx, "a commit got no answer; the job is looked at again", "job", id, "error", err)
		return nil
	}
	return err
}

// grpcImport is the dialect of Milvus 2.3: the Import and GetImportState calls.
type grpcImport struct{ server *milvus.Server }

func (g grpcImport) submit(ctx context.Context, o order) (int64, error) {
	return g.server.Import(ctx, o.collection, o.partition, o.files...)
}

func (g grpcImport) state(ctx context.Context, _ string, id int64) (jobState, error) {
	task, err := g.server.ImportTask(ctx, id)
	if errors.Is(err, milvus.ErrNoTask) {
		return jobState{}, fmt.Errorf("%w: %w", errJobGone, err)
	}
	if err != nil {
		return jobState{}, err
	}
	s := jobState{name: task.State, rows: task.Rows, percent: task.Percent, completed: task.Completed}
	if task.Failed {
		s.failed = cmp.Or(task.Reason, "the server gives no reason")
	}
	return s, nil
}

// find goes by the files' paths, which the 2.3 task list holds for 24 hours. Of several jobs for one file, one that has
// not failed counts.
func (g grpcImport) find(ctx context.Context, collection string, files []string) (map[string]int64, bool, error) {
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
