package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"migrate/sinks"
)

// Names are what the jobs on a sink are called, or those of one export.
func Names(ctx context.Context, sink sinks.Sink, job string) ([]string, error) {
	listed, err := (&Lister{Sink: sink}).list(ctx, job)
	return slices.Sorted(maps.Keys(listed)), err
}

// List reads the documents of all jobs on a sink. One that can't be read is listed as failed, with its error and without
// a kind.
func List(ctx context.Context, sink sinks.Sink) ([]Job, error) {
	return (&Lister{Sink: sink}).List(ctx)
}

// Lister lists the jobs on a sink again and again, and reads the documents that were written meanwhile.
type Lister struct {
	Sink sinks.Sink
	seen map[string]seen
}

// seen is a document as it was read.
type seen struct {
	tag string
	job Job
}

// List is the function of that name.
func (l *Lister) List(ctx context.Context) ([]Job, error) {
	listed, err := l.list(ctx, "")
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(listed))
	now := make([]seen, len(names))
	g, each := newGroup(ctx)
	for i, name := range names {
		g.Go(func() error {
			now[i] = l.read(each, name, listed[name])
			return context.Cause(each)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	l.seen = map[string]seen{}
	jobs := make([]Job, len(names))
	for i, name := range names {
		l.seen[name], jobs[i] = now[i], now[i].job
	}
	return jobs, nil
}

// read reads a document, unless it is the one that was read before.
func (l *Lister) read(ctx context.Context, name, tag string) seen {
	if was, ok := l.seen[name]; ok && was.tag == tag && tag != "" {
		return was
	}
	job, err := Read(ctx, l.Sink, name)
	if err != nil {
		return seen{job: Job{Name: path.Dir(name), State: Failed, Error: err.Error()}}
	}
	return seen{tag, *job}
}

// list finds the jobs, or those of one export, with a tag that tells whether a document was written since; "" where that is not
// known. A job whose folder was removed is none.
func (l *Lister) list(ctx context.Context, job string) (map[string]string, error) {
	store, err := On(l.Sink)
	if err != nil {
		return nil, err
	}
	signs, err := signsOn(ctx, l.Sink, job)
	if err != nil {
		return nil, fmt.Errorf("looking for jobs on %s: %w", l.Sink.URL(""), err)
	}
	listed := map[string]string{}
	for name, bare := range signs {
		if !bare {
			listed[name] = ""
		}
	}
	for entry, err := range store.List(ctx, jobsFolder+job) {
		if err != nil {
			return nil, fmt.Errorf("looking for jobs on %s: %w", l.Sink.URL(""), err)
		}
		name, ok := jobName(entry.Name)
		if _, there := signs[name]; !ok || !there || job != "" && path.Dir(name) != job {
			continue
		}
		if signs[name] {
			listed[name] = entry.Tag
		}
	}
	return listed, nil
}

// signsOn finds where documents of format 1 are, or signs of this one, without a look at all that is in the jobs' folders; true where it
// is a bare sign.
func signsOn(ctx context.Context, sink sinks.Sink, job string) (map[string]bool, error) {
	if job != "" {
		return signsIn(ctx, sink, job+"/")
	}
	var folders []string
	for info, err := range sinks.Level(ctx, sink, "") {
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(info.Name, "/") {
			folders = append(folders, info.Name)
		}
	}
	found := make([]map[string]bool, len(folders))
	g, each := newGroup(ctx)
	for i, folder := range folders {
		g.Go(func() (err error) {
			found[i], err = signsIn(each, sink, folder)
			return err
		})
	}
	err := g.Wait()
	signs := map[string]bool{}
	for _, some := range found {
		maps.Copy(signs, some)
	}
	return signs, err
}

func signsIn(ctx context.Context, sink sinks.Sink, folder string) (map[string]bool, error) {
	signs := map[string]bool{}
	for info, err := range sinks.Level(ctx, sink, folder) {
		if err != nil {
			return nil, err
		}
		if name, ok := strings.CutSuffix(info.Name, oldSuffix); ok {
			signs[name] = info.Size == int64(len(bareSign))
		}
	}
	return signs, nil
}

// Remove removes everything in a job's folder on a sink: its documents, parts and manifest. ErrHeld where a process has
// one of its jobs.
func Remove(ctx context.Context, sink sinks.Sink, job string) error {
	if err := removeJob(ctx, sink, job); err != nil {
		return fmt.Errorf("removing %q: %w", job, err)
	}
	return nil
}

func removeJob(ctx context.Context, sink sinks.Sink, job string) error {
	store, err := On(sink)
	if err != nil {
		return err
	}
	names, err := Names(ctx, sink, job)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := free(ctx, store, name); err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) && !missing(err) {
			return err
		}
	}
	// As long as some of it is there, the job is listed, and can be removed; without its plan it can't be resumed by what is left of its
	// chunks. Its epochs are known to the last.
	for _, folder := range []string{plansFolder, chunksFolder, "", jobsFolder} {
		if err := removeFolder(ctx, store, folder+job+"/"); err != nil {
			return err
		}
	}
	return nil
}

// removeFolder leaves documents of other jobs where a job is called as their folder is.
func removeFolder(ctx context.Context, store Store, folder string) error {
	for entry, err := range store.List(ctx, folder) {
		if err != nil {
			return err
		}
		if folder == root && isDocument(entry.Name) {
			continue
		}
		if err := store.Delete(ctx, entry.Name); err != nil {
			return err
		}
	}
	return nil
}

// isDocument reports whether an object is one of this package.
func isDocument(object string) bool {
	return slices.ContainsFunc([]string{jobsFolder, plansFolder, chunksFolder}, func(folder string) bool { return strings.HasPrefix(object, folder) })
}
