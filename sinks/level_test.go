package sinks_test

import (
	"maps"
	"slices"
	"testing"

	"migrate/sinks"
	"migrate/sinks/memory"
)

// A folder is listed without what is in the folders below, by those that can do it and by those that list everything for it.
func TestLevel(t *testing.T) {
	for name, sink := range map[string]sinks.Sink{"local": openLocal(t, t.TempDir()), "memory": &memory.Sink{}} {
		t.Run(name, func(t *testing.T) { listsLevels(t, sink) })
	}
}

// listsLevels looks at the folders of an empty sink.
func listsLevels(t *testing.T, sink sinks.Sink) {
	t.Helper()
	for _, object := range []string{"a", "b/c", "b/d/e", "b/d/f", "bb/g"} {
		put(t, sink, object, []byte(object))
	}
	for folder, want := range map[string][]string{"": {"a", "b/", "bb/"}, "b/": {"b/c", "b/d/"}, "c/": nil} {
		sizes := map[string]int64{}
		for info, err := range sinks.Level(t.Context(), sink, folder) {
			if err != nil {
				t.Fatal(err)
			}
			sizes[info.Name] = info.Size
		}
		if got := slices.Sorted(maps.Keys(sizes)); !slices.Equal(got, want) {
			t.Errorf("%q holds %q, want %q", folder, got, want)
		}
		if size, there := sizes["b/c"]; there && size != 3 {
			t.Errorf("b/c has %d bytes", size)
		}
	}
}
