package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"migrate/sinks"
)

const suffix = ".checkpoint.json"

// Documents are the names of the documents of a job, or of all jobs where job is empty.
func Documents(ctx context.Context, sink sinks.Sink, job string) ([]string, error) {
	prefix := ""
	if job != "" {
		prefix = job + "/"
	}
	var names []string
	for info, err := range sink.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("looking for jobs on %s: %w", sink.URL(""), err)
		}
		if strings.HasSuffix(info.Name, suffix) && (job == "" || path.Dir(info.Name) == job) {
			names = append(names, info.Name)
		}
	}
	return names, nil
}

// List reads the documents of all jobs on a sink. One that can't be read is listed as failed, with its error and without
// a kind.
func List(ctx context.Context, sink sinks.Sink) ([]Job, error) {
	names, err := Documents(ctx, sink, "")
	if err != nil {
		return nil, err
	}
	jobs := make([]Job, len(names))
	for i, name := range names {
		job, err := Read(ctx, sink, name)
		if err != nil {
			job = &Job{Name: path.Dir(name), State: Failed, Error: err.Error()}
		}
		jobs[i] = *job
	}
	return jobs, nil
}

// Standing is the state of a job as one look tells it: a running one whose owner is gone, or whose lease has run out by this
// machine's clock, was interrupted. It is for people: Acquire and Remove look longer, and at no clock.
func (j *Job) Standing() State {
	if j.State == Running && (!j.held() || time.Now().After(j.Lease.Expires)) {
		return Interrupted
	}
	return j.State
}

// Remove removes everything in a job's folder on a sink: its documents, parts and manifest. ErrHeld where a process has
// one of its jobs.
func Remove(ctx context.Context, sink sinks.Sink, name string) error {
	store, err := swapper(sink)
	if err != nil {
		return err
	}
	documents, err := Documents(ctx, sink, name)
	if err != nil {
		return err
	}
	for _, d := range documents {
		if _, _, err := free(ctx, store, d); err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) && !errors.Is(err, sinks.ErrNotExist) {
			return fmt.Errorf("removing %q: %w", name, err)
		}
	}
	for info, err := range sink.List(ctx, name+"/") {
		if err != nil {
			return fmt.Errorf("removing %q: %w", name, err)
		}
		if err := sink.Delete(ctx, info.Name); err != nil {
			return fmt.Errorf("removing %q: %w", name, err)
		}
	}
	return nil
}
