package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"migrate/internal/milvus"
)

// A Plan is a test of one server: it makes a collection, inserts, searches where that is asked for, and drops it again.
type Plan struct {
	Insertion
	Searches *Searches                      // nil to insert only
	Keep     bool                           // leave the collection
	Step     func(label string, rows int64) // told what begins, with 0 rows where there are none to count; may be nil
}

// Outcome is what came of a plan on one server.
type Outcome struct {
	Address    string        `json:"address"`
	Version    string        `json:"version"`
	Collection string        `json:"collection"`
	Inserted   *Inserted     `json:"inserted"`
	Indexed    time.Duration `json:"indexed_ns,omitempty"` // how long it took to build the index and to load
	Searched   *Searched     `json:"searched,omitempty"`
}

// ErrPlan is a plan that can't be carried out.
var ErrPlan = errors.New("not a test that can be run")

// mostBytes of vectors go into one insert: a Milvus proxy takes in messages of 64 MiB.
const mostBytes = 60 << 20

// Check refuses what no server could do.
func (p Plan) Check() error {
	in := p.Insertion
	switch {
	case in.Rows < 1 || in.Batch < 1 || in.Inserters < 1:
		return fmt.Errorf("%w: rows, batch and inserters are from 1 on", ErrPlan)
	case in.Vectors.Dim < 1 || in.Vectors.Dim > 32768:
		return fmt.Errorf("%w: dimensions are 1 to 32,768", ErrPlan)
	case min(int64(in.Batch), in.Rows)*int64(in.Vectors.Dim)*4 > mostBytes:
		return fmt.Errorf("%w: a batch of %d vectors of %d dimensions is more than the 60 MiB that a server takes at once", ErrPlan, in.Batch, in.Vectors.Dim)
	case p.Searches != nil:
		return p.Searches.check(in.Rows)
	}
	return nil
}

func (s Searches) check(rows int64) error {
	if _, err := s.Index.build(); err != nil {
		return err
	}
	switch {
	case s.Threads < 1 || s.Threads > 1000 || s.Queries < 1 || s.WarmUp < 0:
		return fmt.Errorf("%w: threads are 1 to 1,000, queries from 1 on, and the warm-up from 0", ErrPlan)
	case s.Top < 1 || int64(s.Top) > rows || s.Top > 16384:
		return fmt.Errorf("%w: top is 1 to 16,384, and at most the rows", ErrPlan)
	case s.Index.Type == "HNSW" && s.Index.EF < s.Top:
		return fmt.Errorf("%w: ef is at least top", ErrPlan)
	case s.Index.Type == "IVF_FLAT" && s.Index.NProbe < 1:
		return fmt.Errorf("%w: nprobe is from 1 on", ErrPlan)
	}
	return nil
}

// dropTimeout bounds the tidying up after an interruption.
const dropTimeout = 30 * time.Second

// Run carries the plan out on a server.
func (p Plan) Run(ctx context.Context, cfg milvus.Config) (done *Outcome, err error) {
	server, err := milvus.Connect(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer server.Close()
	done = &Outcome{Address: server.Address, Version: server.Version(), Collection: CollectionName()}
	defer func() {
		if !p.Keep || err != nil {
			err = errors.Join(err, drop(ctx, server, done.Collection))
		}
	}()
	if err := Create(ctx, server, done.Collection, p.Vectors.Dim); err != nil {
		return nil, err
	}
	if err := p.insert(ctx, server, done); err != nil || p.Searches == nil {
		return done, err
	}
	return done, p.search(ctx, cfg, server, done)
}

func (p Plan) step(label string, rows int64) {
	if p.Step != nil {
		p.Step(label, rows)
	}
}

func (p Plan) insert(ctx context.Context, server *milvus.Server, done *Outcome) (err error) {
	p.step("insert into "+server.Address, p.Rows)
	if done.Inserted, err = Insert(ctx, server, done.Collection, p.Insertion); err != nil {
		return err
	}
	p.step("flush "+server.Address, 0)
	began := time.Now()
	if err := server.Flush(ctx, done.Collection); err != nil {
		return fmt.Errorf("flushing %q on %s: %w", done.Collection, server.Address, err)
	}
	done.Inserted.Flush = time.Since(began)
	return nil
}

func (p Plan) search(ctx context.Context, cfg milvus.Config, server *milvus.Server, done *Outcome) (err error) {
	s := *p.Searches
	p.step("index and load on "+server.Address, 0)
	began := time.Now()
	if err := MakeSearchable(ctx, server, done.Collection, s.Index); err != nil {
		return err
	}
	done.Indexed = time.Since(began)
	p.step("search on "+server.Address, 0)
	done.Searched, err = Search(ctx, cfg, done.Collection, s)
	return err
}

// Drop drops the collection of a plan that kept it, also after an interruption.
func Drop(ctx context.Context, cfg milvus.Config, collection string) error {
	ctx = context.WithoutCancel(ctx)
	server, err := milvus.Connect(ctx, cfg)
	if err != nil {
		return err
	}
	defer server.Close()
	return drop(ctx, server, collection)
}

func drop(ctx context.Context, server *milvus.Server, collection string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
	defer cancel()
	return server.Drop(ctx, collection)
}
