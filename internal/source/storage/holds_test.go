package storage_test

import (
	"errors"
	"testing"

	"migrate/internal/source/sourcetest"
	"migrate/internal/source/storage"
	"migrate/sinks/memory"
)

// TestHolds tells the storage of a collection from that of another server.
func TestHolds(t *testing.T) {
	for name, c := range map[string]struct {
		write func(*fake)
		want  error // of another server's storage; of its own: none
	}{
		"rows":                            {func(f *fake) { f.insert(10, 1, 2); f.flush(nil) }, storage.ErrElsewhere},
		"rows that are not stored yet":    {func(f *fake) { f.insert(10, 1, 2) }, storage.ErrElsewhere},
		"rows that are all deleted":       {func(f *fake) { f.insert(10, 1); f.remove(1); f.flush(nil) }, storage.ErrElsewhere},
		"rows of a partition that's gone": {func(f *fake) { f.insert(11, 1); f.flush(nil); f.drop(11) }, nil},
		"no rows":                         {func(*fake) {}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(sourcetest.Collection())
			c.write(f)
			if err := storage.Holds(t.Context(), f, &f.bucket, f.coll); err != nil {
				t.Errorf("its own: %v", err)
			}
			if err := storage.Holds(t.Context(), f, &memory.Sink{}, f.coll); !errors.Is(err, c.want) {
				t.Errorf("another's: %v, want %v", err, c.want)
			}
		})
	}
}
