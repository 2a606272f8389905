package checkpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"migrate/internal/document"
	"migrate/sinks"
)

// pageChunks is how many chunks a page of a plan has.
const pageChunks = 1000

// atOnce is how many objects are read, written or removed at a time.
const atOnce = 16

// newGroup is goroutines that ask the store.
func newGroup(ctx context.Context) (*errgroup.Group, context.Context) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	return g, ctx
}

// Planned is a chunk that is about to be planned.
type Planned struct {
	Spec any // what is to be done, in JSON
	Size Tally
}

// page is a document of a plan.
type page struct {
	Plan   string      `json:"plan"`
	Page   int         `json:"page"`
	Chunks []pageChunk `json:"chunks"`
}

type pageChunk struct {
	Spec json.RawMessage `json:"spec"`
	Size Tally           `json:"size"`
}

// chunksOf numbers what is planned.
func chunksOf(planned []Planned) ([]Chunk, error) {
	chunks := make([]Chunk, len(planned))
	for i, p := range planned {
		spec, err := json.Marshal(p.Spec)
		if err != nil {
			return nil, fmt.Errorf("encoding a chunk: %w", err)
		}
		chunks[i] = Chunk{ID: i, Spec: spec, Size: p.Size}
	}
	return chunks, nil
}

// writePlan writes down the pages of a plan, and the job, by which it may be rebuilt, last.
func writePlan(ctx context.Context, store Store, name string, job *Job, chunks []Chunk) error {
	g, pages := newGroup(ctx)
	number := 0
	for some := range slices.Chunk(chunks, pageChunks) {
		p := page{Plan: job.Plan.ID, Page: number}
		for _, c := range some {
			p.Chunks = append(p.Chunks, pageChunk{c.Spec, c.Size})
		}
		number++
		g.Go(func() error { return overwrite(pages, store, pageObject(name, p.Plan, p.Page), p) })
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("writing the plan of %q: %w", job.Name, err)
	}
	if err := overwrite(ctx, store, planObject(name, job.Plan.ID), job); err != nil {
		return fmt.Errorf("writing the plan of %q: %w", job.Name, err)
	}
	return nil
}

// overwrite writes a sealed document, whatever is there: only one who writes the same has the same name for it.
func overwrite(ctx context.Context, store Store, object string, value any) error {
	text, err := document.Marshal(value)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", object, err)
	}
	_, err = store.Put(ctx, object, "", text)
	if !errors.Is(err, ErrConflict) {
		return err
	}
	_, version, err := store.Get(ctx, object)
	if err != nil {
		return err
	}
	_, err = store.Put(ctx, object, version, text)
	return err
}

// readPlan reads all chunks of a plan, and how far each is.
func readPlan(ctx context.Context, store Store, name string, plan Plan) ([]Chunk, error) {
	chunks, err := readPages(ctx, store, name, plan)
	if err != nil {
		return nil, err
	}
	for b, err := range begunOf(ctx, store, name, plan) {
		if err != nil {
			return nil, err
		}
		chunks[b.ID].add(b)
	}
	return chunks, nil
}

// readPages reads all chunks of a plan, as they were planned.
func readPages(ctx context.Context, store Store, name string, plan Plan) ([]Chunk, error) {
	chunks := make([]Chunk, plan.Chunks)
	g, pages := newGroup(ctx)
	for first := 0; first < plan.Chunks; first += pageChunks {
		g.Go(func() error {
			return readPage(pages, store, pageObject(name, plan.ID, first/pageChunks), chunks[first:min(first+pageChunks, plan.Chunks)], first)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("reading the plan of %s: %w", name, err)
	}
	return chunks, nil
}

func readPage(ctx context.Context, store Store, object string, into []Chunk, first int) error {
	var p page
	_, err := read(ctx, store, object, &p)
	switch {
	case missing(err):
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case err != nil:
		return err
	}
	if len(p.Chunks) != len(into) {
		return fmt.Errorf("%s: %w: it has %d chunks and not %d", object, ErrDamaged, len(p.Chunks), len(into))
	}
	for i, c := range p.Chunks {
		into[i] = Chunk{ID: first + i, Spec: c.Spec, Size: c.Size}
	}
	return nil
}

// read reads a sealed document: ErrDamaged where it was altered.
func read(ctx context.Context, store Store, object string, value any) (Version, error) {
	text, version, err := store.Get(ctx, object)
	if err != nil {
		return "", err
	}
	if err := document.Unmarshal(text, value); err != nil {
		return version, fmt.Errorf("%s: %w: %w", object, ErrDamaged, err)
	}
	return version, nil
}

// plansOf are the plans of a job that it can be rebuilt from, the newest last.
func plansOf(ctx context.Context, store Store, name string) ([]string, error) {
	found := map[string]bool{}
	for entry, err := range store.List(ctx, plansFolder+name+"/") {
		if err != nil {
			return nil, fmt.Errorf("looking for plans of %s: %w", name, err)
		}
		if id, ok := planOf(name, entry.Name); ok {
			found[id] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), comparePlans), nil
}

// dropPlans removes what plans can be rebuilt from: none of them is the job's any more.
func dropPlans(ctx context.Context, store Store, name string) error {
	plans, err := plansOf(ctx, store, name)
	if err != nil {
		return err
	}
	for _, id := range plans {
		if err := store.Delete(ctx, planObject(name, id)); err != nil {
			return fmt.Errorf("removing the plan of %s: %w", name, err)
		}
	}
	return nil
}

// removeWork removes the plans that owners of a job up to an epoch have made, and their chunks: a job of the same name that begins meanwhile
// keeps its own.
func removeWork(ctx context.Context, store Store, name string, epoch int64) error {
	var objects []string
	for _, folder := range []string{plansFolder, chunksFolder} {
		for entry, err := range store.List(ctx, folder+name+"/") {
			if err != nil {
				return fmt.Errorf("looking for plans of %s: %w", name, err)
			}
			id, _, _ := strings.Cut(strings.TrimPrefix(entry.Name, folder+name+"/"), "/")
			if by, _, ok := parsePlanID(id); ok && by <= epoch {
				objects = append(objects, entry.Name)
			}
		}
	}
	if err := removeAll(ctx, store, name, objects); err != nil {
		return err
	}
	return removeOldRecords(ctx, store, name)
}

// removeAll removes what the others can be rebuilt from first.
func removeAll(ctx context.Context, store Store, name string, objects []string) error {
	for _, object := range objects {
		if _, ok := planOf(name, object); !ok {
			continue
		}
		if err := store.Delete(ctx, object); err != nil {
			return fmt.Errorf("removing the plan of %s: %w", name, err)
		}
	}
	g, ctx := newGroup(ctx)
	for _, object := range objects {
		g.Go(func() error { return store.Delete(ctx, object) })
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("removing the chunks of %s: %w", name, err)
	}
	return nil
}

// missing reports whether an object is not there.
func missing(err error) bool { return errors.Is(err, sinks.ErrNotExist) }
