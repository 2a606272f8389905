package checkpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"migrate/internal/document"
)

// Chunk is the unit of work.
type Chunk struct {
	ID     int             // its place in the plan
	Spec   json.RawMessage // what is to be done; of the plan, and never changed
	Size   Tally           // as it was planned
	State  State
	Done   Tally           // of it
	Result json.RawMessage // what its engine knows of it by now
}

// begun is the document of a chunk, from its first write on.
type begun struct {
	ID     int             `json:"id"`
	State  State           `json:"state"`
	Done   Tally           `json:"done"`
	Result json.RawMessage `json:"result,omitempty"`
	Lease  Lease           `json:"lease"` // its writer's; where one process owns the job, that of the job
}

// add brings a chunk to where its document has it.
func (c *Chunk) add(b begun) { c.State, c.Done, c.Result = b.State, b.Done, b.Result }

// begunOf reads the documents of the chunks of a plan. Of one that is damaged the number is told, with the error.
func begunOf(ctx context.Context, store Store, name string, plan Plan) iter.Seq2[begun, error] {
	return func(yield func(begun, error) bool) {
		ids, err := begunIDs(ctx, store, name, plan)
		if err != nil {
			yield(begun{}, err)
			return
		}
		for some := range slices.Chunk(ids, pageChunks) {
			found, errs := make([]begun, len(some)), make([]error, len(some))
			var g errgroup.Group
			g.SetLimit(atOnce)
			for i, id := range some {
				g.Go(func() error {
					_, errs[i] = read(ctx, store, chunkObject(name, plan.ID, id), &found[i])
					found[i].ID = id
					return nil
				})
			}
			_ = g.Wait() // each has its own error
			for i, b := range found {
				if !yield(b, errs[i]) {
					return
				}
			}
		}
	}
}

// begunIDs are the chunks of a plan that have a document.
func begunIDs(ctx context.Context, store Store, name string, plan Plan) (ids []int, err error) {
	for entry, err := range store.List(ctx, chunkFolder(name, plan.ID)) {
		if err != nil {
			return nil, fmt.Errorf("looking for the chunks of %s: %w", name, err)
		}
		if id, ok := chunkOf(name, plan.ID, entry.Name); ok && id < plan.Chunks {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// putTries bounds how often a chunk is written that another one writes too.
const putTries = 3

// putChunk writes a chunk over what is there, unless that is of a later owner than the lease: ErrLost.
func putChunk(ctx context.Context, store Store, object string, version Version, b begun) (Version, error) {
	text, err := document.Marshal(b)
	if err != nil {
		return "", fmt.Errorf("encoding chunk %d: %w", b.ID, err)
	}
	for try := 1; ; try++ {
		next, err := store.Put(ctx, object, version, text)
		if !errors.Is(err, ErrConflict) || try == putTries {
			return next, err
		}
		if version, err = overtaken(ctx, store, object, b.Lease); err != nil {
			return "", err
		}
	}
}

// overtaken is the version of a chunk that an owner may write over. Its own may be there where the answer to a write was lost.
func overtaken(ctx context.Context, store Store, object string, lease Lease) (Version, error) {
	var there begun
	version, err := read(ctx, store, object, &there)
	switch {
	case missing(err):
		return "", nil
	case err != nil:
		return "", err
	case there.Lease.Epoch > lease.Epoch, there.Lease.Epoch == lease.Epoch && there.Lease.ID != lease.ID:
		return "", ErrLost
	}
	return version, nil
}

// Claims hands out chunks to work at.
type Claims interface {
	// Next is a chunk that is not done and that nobody else has; io.EOF where none is left. It may be called from several goroutines.
	Next(ctx context.Context) (*Claim, error)
}

// Each calls with one claim after the other, until none is left. It may be called from several goroutines for the same claims.
func Each(ctx context.Context, claims Claims, do func(*Claim) error) error {
	for {
		claim, err := claims.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = do(claim)
		}
		if err != nil {
			return err
		}
	}
}

// Claim is a chunk that this process works at.
type Claim struct {
	Chunk
	holder  *Holder
	version Version // of the document, as this claim has written it
}

// Save records how far the chunk is, how much of it is done, and what is known of it, durably. It does not touch the job's document.
// ErrLost where another process has taken the job over. After any error the chunk counts as it was before.
func (c *Claim) Save(ctx context.Context, state State, done Tally, result any) error {
	h, next := c.holder, c.Chunk
	text, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("encoding the result of chunk %d: %w", c.ID, err)
	}
	if err := h.beginWork(ctx); err != nil {
		return err
	}
	if err := h.StillOwner(ctx); err != nil {
		return err
	}
	next.State, next.Done, next.Result = state, done, text
	job := h.Job()
	version, err := putChunk(ctx, h.store, chunkObject(h.name, job.Plan.ID, c.ID), c.version,
		begun{ID: c.ID, State: state, Done: done, Result: text, Lease: job.Lease})
	if errors.Is(err, ErrLost) {
		h.lose(err)
	}
	if err != nil {
		return fmt.Errorf("recording chunk %d of %q: %w", c.ID, job.Name, err)
	}
	c.Chunk, c.version = next, version
	h.keep(next)
	return nil
}

// StillOwner is asked before what can't be taken back: see Holder.StillOwner.
func (c *Claim) StillOwner(ctx context.Context) error { return c.holder.StillOwner(ctx) }

// Claims are the chunks that are not done, each once: first those that were begun. The job is owned as a whole, so a claim costs nothing.
func (h *Holder) Claims() Claims {
	h.mu.Lock()
	defer h.mu.Unlock()
	var left []int
	for i, c := range h.chunks {
		if c.State != Done {
			left = append(left, i)
		}
	}
	slices.SortStableFunc(left, func(a, b int) int { return todoLast(h.chunks[a]) - todoLast(h.chunks[b]) })
	return &owned{holder: h, left: left}
}

func todoLast(c Chunk) int {
	if c.State == Todo {
		return 1
	}
	return 0
}

// owned are the claims of a process that owns the job.
type owned struct {
	holder *Holder
	mu     sync.Mutex
	left   []int
}

// Next implements Claims.
func (o *owned) Next(ctx context.Context) (*Claim, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.left) == 0 {
		return nil, io.EOF
	}
	id := o.left[0]
	o.left = o.left[1:]
	return &Claim{Chunk: o.holder.chunk(id), holder: o.holder}, nil
}
