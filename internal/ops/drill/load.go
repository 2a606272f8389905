package drill

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"migrate/internal/clock"
	"migrate/internal/milvus"
	"migrate/internal/ops/bench"
)

// load is the searches and inserts that go on while parts come and go.
type load struct {
	server     milvus.Config
	collection string
	vectors    bench.Vectors
	searches   bench.Searches
	batch      int

	searched, inserted *felt

	mu    sync.Mutex
	acked []stretch // keys whose insert was acknowledged
	doubt []stretch // keys whose insert was not: they may be there or not
}

// A stretch is the keys of inserts that followed each other, each key once.
type stretch struct{ first, rows int64 }

// among tells whether a key is in one of the stretches.
func among(all []stretch, key int64) bool {
	return slices.ContainsFunc(all, func(s stretch) bool { return key >= s.first && key < s.first+s.rows })
}

// lengthen adds rows to the stretch that ends where they begin, or begins one.
func lengthen(all []stretch, first, rows int64) []stretch {
	for i := range all {
		if s := &all[i]; s.first+s.rows == first {
			s.rows += rows
			return all
		}
	}
	return append(all, stretch{first, rows})
}

// Between calls a client does something else; after a failed one it waits a moment longer.
const (
	pause         = 20 * time.Millisecond
	pauseOnErrors = 100 * time.Millisecond
)

// run keeps the load up until its context ends.
func (l *load) run(ctx context.Context, inserters int) error {
	var g errgroup.Group
	for i := range l.searches.Threads {
		g.Go(func() error { return l.forever(ctx, l.searched, l.searcher(i)) })
	}
	for i := range inserters {
		g.Go(func() error { return l.forever(ctx, l.inserted, l.inserter(i)) })
	}
	return g.Wait()
}

// call makes one call on a connection.
type call func(ctx context.Context, server *milvus.Server) error

// forever makes calls, one after the other, on a connection that is made anew when it broke.
func (l *load) forever(ctx context.Context, f *felt, do call) error {
	var server *milvus.Server
	defer func() { closeServer(server) }()
	for ctx.Err() == nil {
		began := time.Now()
		err := l.connected(ctx, &server, do)
		if ctx.Err() != nil {
			return nil
		}
		f.add(began, time.Now(), err)
		wait := pause
		if err != nil {
			wait = pauseOnErrors
		}
		if clock.Sleep(ctx, wait) != nil {
			return nil
		}
	}
	return nil
}

func (l *load) connected(ctx context.Context, server **milvus.Server, do call) (err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if *server == nil {
		if *server, err = milvus.Connect(ctx, l.server); err != nil {
			*server = nil
			return err
		}
	}
	err = do(ctx, *server)
	if errors.Is(err, milvus.ErrUnreachable) {
		closeServer(*server)
		*server = nil
	}
	return err
}

// callTimeout is how long a client waits for an answer.
const callTimeout = 10 * time.Second

func closeServer(s *milvus.Server) {
	if s != nil {
		s.Close()
	}
}

func (l *load) searcher(thread int) call {
	n := thread << 32
	return func(ctx context.Context, server *milvus.Server) error {
		n++
		s := bench.Searcher{Server: server, Collection: l.collection, Vectors: l.vectors, Index: l.searches.Index, Top: l.searches.Top}
		_, err := s.Search(ctx, n)
		return err
	}
}

// inserter inserts under keys of its own, each once: what was not acknowledged is in doubt, and is not inserted again.
func (l *load) inserter(i int) call {
	next := int64(i+1) << 40
	return func(ctx context.Context, server *milvus.Server) error {
		first := next
		next += int64(l.batch)
		err := bench.InsertBatch(ctx, server, l.collection, l.vectors, first, l.batch)
		l.note(first, err)
		return err
	}
}

func (l *load) note(first int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.doubt = lengthen(l.doubt, first, int64(l.batch))
		return
	}
	l.acked = lengthen(l.acked, first, int64(l.batch))
}
