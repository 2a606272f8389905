package drill

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"migrate/internal/clock"
	"migrate/internal/columns"
	"migrate/internal/loadtest"
	"migrate/internal/milvus"
)

// load is the searches and inserts that go on while parts come and go.
type load struct {
	server     milvus.Config
	collection string
	vectors    loadtest.Vectors
	searches   loadtest.Searches
	batch      int

	searched, inserted *felt

	mu    sync.Mutex
	acked int64           // rows whose insert was acknowledged
	doubt []columns.Range // keys whose insert was not: they may be there or not
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
		s := loadtest.Searcher{Server: server, Collection: l.collection, Vectors: l.vectors, Index: l.searches.Index, Top: l.searches.Top}
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
		err := loadtest.InsertBatch(ctx, server, l.collection, l.vectors, first, l.batch)
		l.note(first, err)
		return err
	}
}

func (l *load) note(first int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.acked += int64(l.batch)
		return
	}
	after, upTo := columns.IntKey(first-1), columns.IntKey(first+int64(l.batch)-1)
	if last := len(l.doubt) - 1; last >= 0 && *l.doubt[last].UpTo == after {
		l.doubt[last].UpTo = &upTo
		return
	}
	l.doubt = append(l.doubt, columns.Range{After: &after, UpTo: &upTo})
}
