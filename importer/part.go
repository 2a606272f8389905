package importer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"migrate/checkpoint"
	"migrate/internal/export"
)

// Writing is the state of a chunk of which some rows are inserted.
const Writing checkpoint.State = "writing"

// recordEvery is how often it is recorded which rows of a part are there, where they may be written twice.
const recordEvery = 2 * time.Second

// rowsDone is how far a part is.
type rowsDone struct {
	Written spans `json:"written,omitempty"`
	Begun   spans `json:"begun,omitempty"` // calls under way, where they are inserts
}

// part is a part whose rows are inserted: a chunk of the import.
type part struct {
	*checkpoint.Claim
	export.Part

	mu sync.Mutex
	rowsDone
	recorded time.Time
}

func partOf(claim *checkpoint.Claim) (*part, error) {
	p := &part{Claim: claim, recorded: time.Now()}
	var s spec
	err := json.Unmarshal(claim.Spec, &s)
	if claim.Result != nil {
		err = errors.Join(err, json.Unmarshal(claim.Result, &p.rowsDone))
	}
	if err == nil && len(s.Parts) != 1 {
		err = fmt.Errorf("%d parts", len(s.Parts))
	}
	if err != nil {
		return nil, fmt.Errorf("reading chunk %d of the plan: %w: %w", claim.ID, checkpoint.ErrDamaged, err)
	}
	p.Part = s.Parts[0]
	return p, nil
}

// begin records that rows of the part may be there from now on.
func (p *part) begin(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.State != checkpoint.Todo {
		return nil
	}
	return p.record(ctx, p.rowsDone)
}

// intend records that some rows are about to be inserted, or were.
func (p *part) intend(ctx context.Context, some span) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.record(ctx, rowsDone{p.Written, append(p.Begun[:len(p.Begun):len(p.Begun)], some)})
}

// undone records that none of some rows was inserted.
func (p *part) undone(ctx context.Context, some span) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.record(ctx, rowsDone{p.Written, p.Begun.without(some)})
}

// takenBack records that none of the rows is there any more of which that was in doubt.
func (p *part) takenBack(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.record(ctx, rowsDone{p.Written, nil})
}

// wrote takes note of rows that are there. Where they may be written twice it is recorded every now and then, and at the end.
func (p *part) wrote(ctx context.Context, some span) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := rowsDone{p.Written.with(some), p.Begun.without(some)}
	if len(p.Begun) == 0 && next.Written.rows() < p.Rows.Rows && time.Since(p.recorded) < recordEvery {
		p.rowsDone = next
		return nil
	}
	return p.record(ctx, next)
}

// record makes it durable how far the part is; p.mu is held.
func (p *part) record(ctx context.Context, next rowsDone) error {
	state, done := Writing, checkpoint.Tally{Rows: next.Written.rows()}
	if done.Rows == p.Rows.Rows {
		state, done.Parts = checkpoint.Done, 1
	}
	if err := p.Save(ctx, state, done, next); err != nil {
		return err
	}
	p.rowsDone, p.recorded = next, time.Now()
	return nil
}

// bytesOf is what some rows take of the part.
func (p *part) bytesOf(rows int64) int64 {
	return int64(float64(p.Part.Bytes) * float64(rows) / float64(max(p.Rows.Rows, 1)))
}
