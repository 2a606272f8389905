package checkpoint

import (
	"context"
	"fmt"
	"iter"
	"time"

	"migrate/sinks"
)

// Version names the content of an object at one time; "" stands for no object.
type Version = sinks.Version

// ErrConflict: an object is not the version that a Put was to replace.
var ErrConflict = sinks.ErrChanged

// Store holds small objects, which are replaced by compare and swap.
type Store interface {
	// Get reads an object; sinks.ErrNotExist where there is none.
	Get(ctx context.Context, name string) ([]byte, Version, error)
	// Put replaces an object of that version, "" where there is to be none, durably. ErrConflict where it has another one and is not
	// exactly data; after any other error nobody knows whether data was stored.
	Put(ctx context.Context, name string, version Version, data []byte) (Version, error)
	// List yields the objects whose names begin with prefix.
	List(ctx context.Context, prefix string) iter.Seq2[Entry, error]
	// Delete removes an object. It is no error if there is none.
	Delete(ctx context.Context, name string) error
}

// Entry is an object as a list shows it.
type Entry struct {
	Name   string
	Tag    string    // another one after each write; "" where the store tells none
	Stored time.Time // by the store's clock
}

// On is the store on a sink, which has to be one of those that compare and swap.
func On(sink sinks.Sink) (Store, error) {
	swapper, ok := sinks.As[sinks.Swapper](sink)
	if !ok {
		return nil, fmt.Errorf("%s can't hold a checkpoint: it has no compare and swap", sink.URL(""))
	}
	return sinkStore{sink, swapper}, nil
}

type sinkStore struct {
	sinks.Sink
	swapper sinks.Swapper
}

// Get implements Store.
func (s sinkStore) Get(ctx context.Context, name string) ([]byte, Version, error) {
	return s.swapper.Load(ctx, name)
}

// Put implements Store.
func (s sinkStore) Put(ctx context.Context, name string, version Version, data []byte) (Version, error) {
	return s.swapper.Swap(ctx, name, version, data)
}

// List implements Store.
func (s sinkStore) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for info, err := range s.Sink.List(ctx, prefix) {
			if !yield(Entry{info.Name, info.Tag, info.ModTime}, err) {
				return
			}
		}
	}
}
