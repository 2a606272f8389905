package bench

import (
	"context"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"golang.org/x/sync/errgroup"

	"migrate/internal/milvus"
)

// Insertion is what to insert, and how. At most two batches for each inserter are in memory.
type Insertion struct {
	Vectors   Vectors
	Rows      int64
	Batch     int                     // rows of one call
	Inserters int                     // calls at once
	Progress  func(rows, bytes int64) // told of each batch; may be nil
}

// Inserted is what came of it.
type Inserted struct {
	Rows      int64         `json:"rows"`
	Bytes     int64         `json:"bytes"` // of the vectors
	Took      time.Duration `json:"took_ns"`
	PerSecond float64       `json:"per_second"` // rows over all, without the flush
	Flush     time.Duration `json:"flush_ns"`   // afterwards, until all of it is in the object store
	Batches   Latency       `json:"batches"`
	Refused   int           `json:"refused"` // calls that the server refused for the time being, and that were made again
	Rates     []Rate        `json:"rates"`
}

// A batch on its way.
type batch struct {
	first int64
	rows  int
	data  []*schemapb.FieldData
}

// Insert inserts the vectors with the keys from 0 on into a collection of Create's.
func Insert(ctx context.Context, server *milvus.Server, collection string, in Insertion) (*Inserted, error) {
	t := newTally(in.Inserters)
	if err := in.run(ctx, server, collection, t); err != nil {
		return nil, err
	}
	done := t.sum()
	done.Bytes = done.Rows * int64(in.Vectors.Dim) * 4
	return done, nil
}

// run has one goroutine make the batches, so that the others only wait for the server.
func (in Insertion) run(ctx context.Context, server *milvus.Server, collection string, t *tally) error {
	g, ctx := errgroup.WithContext(ctx)
	batches := make(chan batch)
	g.Go(func() error {
		defer close(batches)
		return in.make(ctx, batches)
	})
	for i := range in.Inserters {
		g.Go(func() error {
			for b := range batches {
				if err := t.insert(ctx, i, server, collection, b); err != nil {
					return err
				}
				if in.Progress != nil {
					in.Progress(int64(b.rows), int64(b.rows*in.Vectors.Dim)*4)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (in Insertion) make(ctx context.Context, batches chan<- batch) error {
	for first := int64(0); first < in.Rows; first += int64(in.Batch) {
		rows := int(min(int64(in.Batch), in.Rows-first))
		select {
		case batches <- batch{first, rows, in.Vectors.batch(first, rows)}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// tally keeps the count of an insertion.
type tally struct {
	began time.Time
	calls []Calls // by inserter

	mu      sync.Mutex
	spans   []span
	refused int
}

func newTally(inserters int) *tally {
	t := &tally{began: time.Now(), calls: make([]Calls, inserters)}
	for i := range t.calls {
		t.calls[i] = NewCalls()
	}
	return t
}

// insert makes one call, and makes it again while the server refuses it for the time being: a test measures what the server
// takes in, and does not mind a row that is there twice.
func (t *tally) insert(ctx context.Context, inserter int, server *milvus.Server, collection string, b batch) error {
	var began time.Time
	once := func() error {
		began = time.Now()
		err := server.Insert(ctx, collection, "", b.data, b.rows)
		if err != nil && !milvus.CanPass(err) {
			return backoff.Permanent(err)
		}
		return err
	}
	patience := backoff.NewExponentialBackOff(backoff.WithMaxInterval(5*time.Second), backoff.WithMaxElapsedTime(2*time.Minute))
	err := backoff.RetryNotify(once, backoff.WithContext(patience, ctx), func(error, time.Duration) { t.refuse() })
	if err != nil {
		return err
	}
	ended := time.Now()
	t.calls[inserter].Add(ended.Sub(began))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spans = append(t.spans, span{began.Sub(t.began), ended.Sub(t.began), b.rows})
	return nil
}

func (t *tally) refuse() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused++
}

func (t *tally) sum() *Inserted {
	done := &Inserted{Took: time.Since(t.began), Refused: t.refused, Rates: rates(t.spans)}
	all := NewCalls()
	for _, c := range t.calls {
		all.Merge(c)
	}
	for _, s := range t.spans {
		done.Rows += int64(s.rows)
	}
	done.Batches = all.Latency()
	done.PerSecond = float64(done.Rows) / done.Took.Seconds()
	return done
}

// InsertBatch inserts so many rows with the keys from first on, in one call that is made once.
func InsertBatch(ctx context.Context, server *milvus.Server, collection string, v Vectors, first int64, rows int) error {
	return server.Insert(ctx, collection, "", v.batch(first, rows), rows)
}
