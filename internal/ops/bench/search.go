package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"migrate/internal/milvus"
)

// Searches is what to search for, and how.
type Searches struct {
	Vectors Vectors
	Index   Index
	Top     int
	Threads int // each with a connection of its own, so that a load balancer shares them out
	Queries int // of each thread
	WarmUp  int // of each thread, before the ones that count
}

// Searched is what came of it.
type Searched struct {
	Took      time.Duration `json:"took_ns"`
	PerSecond float64       `json:"per_second"` // over all threads, of those that were answered
	Latency   Latency       `json:"latency"`    // likewise
	Failed    int           `json:"failed"`
	Failure   string        `json:"failure,omitempty"` // the first
	// Answers are the keys that the first searches found, so that those of two servers can be held against each other.
	Answers [][]int64 `json:"-"`
}

// mostAnswers bounds the memory that answers take.
const mostAnswers = 1000

// ErrShort is an answer of fewer rows than there are.
var ErrShort = errors.New("found fewer rows than asked for")

// Search searches a collection of Create's from several threads, after a warm-up that does not count. A search that fails is
// counted, and not made again; it is an error where all of them fail.
func Search(ctx context.Context, cfg milvus.Config, collection string, s Searches) (*Searched, error) {
	threads, err := s.connect(ctx, cfg, collection)
	defer closeAll(threads)
	if err != nil {
		return nil, err
	}
	if err := each(threads, func(t *thread) error { return t.search(ctx, s.WarmUp) }); err != nil {
		return nil, err
	}
	for _, t := range threads {
		t.reset()
	}
	began := time.Now()
	if err := each(threads, func(t *thread) error { return t.search(ctx, s.Queries) }); err != nil {
		return nil, err
	}
	return sum(threads, time.Since(began))
}

// thread is one of those that search, one search after the other.
type thread struct {
	Searcher
	first   int // number of its first query
	calls   Calls
	failed  int
	failure error // the first
	answers [][]int64
}

func (s Searches) connect(ctx context.Context, cfg milvus.Config, collection string) ([]*thread, error) {
	var threads []*thread
	for i := range s.Threads {
		server, err := milvus.Connect(ctx, cfg)
		if err != nil {
			return threads, err
		}
		t := &thread{
			Searcher: Searcher{Server: server, Collection: collection, Vectors: s.Vectors, Index: s.Index, Top: s.Top},
			first:    i * max(s.Queries, s.WarmUp),
		}
		t.reset()
		threads = append(threads, t)
	}
	return threads, nil
}

func closeAll(threads []*thread) {
	for _, t := range threads {
		t.Server.Close()
	}
}

func each(threads []*thread, do func(*thread) error) error {
	var g errgroup.Group
	for _, t := range threads {
		g.Go(func() error { return do(t) })
	}
	return g.Wait()
}

// reset forgets what was measured.
func (t *thread) reset() {
	t.calls, t.failed, t.failure, t.answers = NewCalls(), 0, nil, nil
}

// search makes n searches.
func (t *thread) search(ctx context.Context, n int) error {
	for i := range n {
		began := time.Now()
		keys, err := t.Search(ctx, t.first+i)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		t.count(time.Since(began), keys, err)
	}
	return nil
}

func (t *thread) count(took time.Duration, keys []int64, err error) {
	if len(t.answers) < mostAnswers {
		t.answers = append(t.answers, keys)
	}
	if err == nil {
		t.calls.Add(took)
		return
	}
	t.failed++
	if t.failure == nil {
		t.failure = err
	}
}

func sum(threads []*thread, took time.Duration) (*Searched, error) {
	done, calls := &Searched{Took: took}, NewCalls()
	var failure error
	for _, t := range threads {
		calls.Merge(t.calls)
		done.Failed += t.failed
		failure = cmp.Or(failure, t.failure)
		done.Answers = append(done.Answers, t.answers[:min(len(t.answers), mostAnswers-len(done.Answers))]...)
	}
	done.Latency = calls.Latency()
	done.PerSecond = float64(done.Latency.Count) / took.Seconds()
	switch {
	case failure == nil:
	case done.Latency.Count == 0:
		return nil, fmt.Errorf("no search was answered: %w", failure)
	default:
		done.Failure = failure.Error()
	}
	return done, nil
}

// A Searcher makes single searches in a collection of Create's.
type Searcher struct {
	Server     *milvus.Server
	Collection string
	Vectors    Vectors
	Index      Index
	Top        int
}

// Search makes the n-th search, once, and returns the keys that it found. ErrShort where they are too few.
func (s Searcher) Search(ctx context.Context, n int) ([]int64, error) {
	keys, err := s.Server.Search(ctx, milvus.Search{
		Collection: s.Collection, Field: vectorField, Metric: Metric, Vector: s.Vectors.query(n), Top: s.Top, Params: s.Index.search(),
	})
	if err == nil && len(keys) < s.Top {
		err = fmt.Errorf("searching %q on %s: %w: %d of %d", s.Collection, s.Server.Address, ErrShort, len(keys), s.Top)
	}
	return keys, err
}
