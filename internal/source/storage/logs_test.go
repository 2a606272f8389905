package storage_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"pgregory.net/rapid"

	"migrate/internal/source"
	"migrate/internal/source/sourcetest"
	"migrate/internal/source/storage"
	"migrate/sinks/memory"
)

// quick are options for a server that has nothing to wait for.
var quick = storage.Options{AskEvery: time.Microsecond}

// TestChangesOfAnyHistory tells from real logs just the keys whose newest row is another one.
func TestChangesOfAnyHistory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.Bool().Draw(t, "text keys")
		f, sink := newFake(historyCollection(text)), &memory.Sink{}
		f.level, f.columns = rapid.Bool().Draw(t, "level 0"), rapid.Bool().Draw(t, "columns")
		f.holds = func(r row) bool { return r.key%3 == 0 }
		var since json.RawMessage
		var before map[string][]string
		for range rapid.IntRange(2, 3).Draw(t, "cycles") {
			for range rapid.IntRange(0, 6).Draw(t, "writes") {
				f.change(t)
			}
			if len(f.partitions) > 1 && rapid.IntRange(0, 9).Draw(t, "drop a partition") == 0 {
				f.drop(slices.Max(slices.Collect(maps.Keys(f.partitions))))
			}
			now := f.alive(f.clock, true)
			changes, err := storage.ChangesOpener(f, &f.bucket, sink, "j/changes/", quick)(t.Context(), f.coll)
			if err != nil {
				t.Fatal(err)
			}
			told, err := changes.Changes(t.Context(), since)
			if err != nil {
				t.Fatal(err)
			}
			got := lines(t, told)
			if want := changed(before, now); since != nil && !slices.Equal(got, want) {
				t.Fatalf("%v are told, want %v: %v became %v", got, want, before, now)
			}
			since, before = told.Next, now
		}
	})
}

func lines(t failer, told source.Changed) (all []string) {
	t.Helper()
	for c, err := range told.Keys {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s %s %t", c.Partition, strings.TrimPrefix(strings.Trim(c.Key.String(), `"`), "key "), c.Gone))
	}
	slices.Sort(all)
	return all
}

// changed are the keys of which the text of the newest row is another one: "key at time".
func changed(before, after map[string][]string) (all []string) {
	was, is := byKey(before), byKey(after)
	for key := range was {
		if _, there := is[key]; !there {
			all = append(all, key+" true")
		}
	}
	for key, row := range is {
		if was[key] != row {
			all = append(all, key+" false")
		}
	}
	slices.Sort(all)
	return all
}

func byKey(rows map[string][]string) map[string]string {
	all := map[string]string{}
	for partition, texts := range rows {
		for _, text := range texts {
			key, _, _ := strings.Cut(text, " ")
			all[partition+" "+key] = text
		}
	}
	return all
}

// TestChangesUntold says so where a server's storage is not known, its rows expire, or what it holds contradicts the server; and not where it
// is away.
func TestChangesUntold(t *testing.T) {
	away := errors.New("away")
	for name, c := range map[string]struct {
		spoil func(*fake)
		want  error
	}{
		"another version": {func(f *fake) { f.version = "v2.6.3" }, source.ErrUntold},
		"a time to live": {func(f *fake) {
			f.coll.Properties = []*commonpb.KeyValuePair{{Key: "collection.ttl.seconds", Value: "60"}}
		}, source.ErrUntold},
		"more rows":      {func(f *fake) { f.segments[0].Rows++ }, source.ErrUntold},
		"another layout": {func(f *fake) { f.segments[0].Storage = 2 }, source.ErrUntold},
		"no logs":        {func(f *fake) { f.bucket = memory.Sink{} }, source.ErrUntold},
		"a damaged log": {func(f *fake) {
			for info := range f.bucket.List(context.Background(), "insert_log/") {
				f.put(info.Name, []byte("none"))
			}
		}, source.ErrUntold},
		"the server is away": {func(f *fake) { f.away = away }, away},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(historyCollection(false))
			f.insert(slices.Min(slices.Collect(maps.Keys(f.partitions))), 1, 2, 3)
			f.flush(nil)
			c.spoil(f)
			changes, err := storage.ChangesOpener(f, &f.bucket, &memory.Sink{}, "j/changes/", quick)(t.Context(), f.coll)
			if err == nil {
				_, err = changes.Changes(t.Context(), nil)
			}
			if !errors.Is(err, c.want) || c.want != source.ErrUntold && errors.Is(err, source.ErrUntold) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// TestSame lists the segments twice: what a list in the midst of a compaction lacks, the next one has.
func TestSame(t *testing.T) {
	f := newFake(sourcetest.Collection())
	f.insert(10, 1, 2)
	changes, err := storage.ChangesOpener(f, &f.bucket, &memory.Sink{}, "j/changes/", quick)(t.Context(), f.coll)
	if err != nil {
		t.Fatal(err)
	}
	begun, err := changes.Changes(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	same := func(want bool, when string) {
		t.Helper()
		if got, err := changes.Same(t.Context(), begun.Next); err != nil || got != want {
			t.Errorf("%s: the same %t, %v", when, got, err)
		}
	}
	same(true, "nothing was written")
	f.insert(10, 3)
	same(true, "what was written is not listed yet")
	f.listed = func() { f.flush(nil) }
	same(false, "the first list lacks a segment")
	f.listed = nil
	same(false, "there is another segment")
}
