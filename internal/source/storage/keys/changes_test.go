package keys_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/storage/keys"
	"migrate/sinks"
	"migrate/sinks/faults"
	"migrate/sinks/memory"
)

// TestChanges tells exactly the keys whose newest row is another one, whatever was written, and whatever the server made of its segments.
func TestChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, sink := newServer(rapid.Bool().Draw(t, "level 0")), &memory.Sink{}
		k := (&keys.Keeper{Sink: sink, Folder: "j/", Logs: s}).Holding(rapid.SampledFrom([]int{1, 200, 64 << 20}).Draw(t, "held"))
		var since json.RawMessage
		var before map[string]map[model.Key]uint64
		for range rapid.IntRange(1, 6).Draw(t, "cycles") {
			for range rapid.IntRange(0, 12).Draw(t, "writes") {
				write(t, s)
			}
			s.tick()
			s.cut = s.now
			now := s.alive()
			if rapid.Bool().Draw(t, "written after the cut") {
				for range 3 {
					s.upsert(anyPartition(t), someKey(t))
				}
			}
			got, next, err := changes(t.Context(), k, since)
			if err != nil {
				t.Fatal(err)
			}
			if since != nil && !slices.Equal(got, want(before, now)) {
				t.Fatalf("%v changed, want %v; %v became %v", got, want(before, now), before, now)
			}
			if s.cut = 0; rapid.Bool().Draw(t, "killed before that was recorded") {
				continue
			}
			if err := k.Forget(t.Context(), next); err != nil {
				t.Fatal(err)
			}
			since, before = next, now
		}
	})
}

var (
	someKeys       = rapid.Map(rapid.Int64Range(0, 9), model.IntKey)
	somePartitions = rapid.SampledFrom([]string{"a", "b"})
)

func someKey(t *rapid.T) model.Key   { return someKeys.Draw(t, "key") }
func anyPartition(t *rapid.T) string { return somePartitions.Draw(t, "partition") }

// write is something that happens to a server.
func write(t *rapid.T, s *server) {
	name := anyPartition(t)
	switch rapid.SampledFrom([]string{"insert", "upsert", "upsert", "delete", "flush", "bulk insert", "compact", "sort", "compact level 0", "drop"}).Draw(t, "what") {
	case "insert":
		s.insert(name, someKey(t), s.tick())
	case "upsert":
		s.upsert(name, someKey(t))
	case "delete":
		s.delete(name, someKey(t), s.tick())
	case "flush":
		s.flush()
	case "bulk insert":
		began := s.now - min(s.now, rapid.Uint64Range(0, 50).Draw(t, "before")) + 1
		s.tick()
		s.bulkInsert(name, rapid.SliceOfN(someKeys, 1, 4).Draw(t, "keys"), began)
	case "compact":
		all := slices.Sorted(maps.Keys(s.in(name).segments))
		s.compact(name, slices.DeleteFunc(all, func(int64) bool { return rapid.Bool().Draw(t, "left out") }))
	case "sort":
		for _, id := range slices.Sorted(maps.Keys(s.in(name).segments)) {
			s.compact(name, []int64{id})
		}
	case "compact level 0":
		s.compactLevel(name)
	case "drop":
		if rapid.IntRange(0, 4).Draw(t, "really") == 0 {
			delete(s.partitions, name)
		}
	}
}

// want are the changes from one state to another, in order.
func want(before, after map[string]map[model.Key]uint64) (all []source.Change) {
	for _, name := range []string{"a", "b"} {
		for id := range int64(10) {
			key := model.IntKey(id)
			was, now := before[name][key], after[name][key]
			if was != now {
				all = append(all, source.Change{Partition: name, Key: key, Gone: now == 0})
			}
		}
	}
	return all
}

func changes(ctx context.Context, k *keys.Keeper, since json.RawMessage) (all []source.Change, next json.RawMessage, err error) {
	changed, err := k.Changes(ctx, since)
	if err != nil {
		return nil, nil, err
	}
	for c, err := range changed.Keys {
		if err != nil {
			return nil, nil, err
		}
		c.Key = c.Key.Clone()
		all = append(all, c)
	}
	return all, changed.Next, nil
}

// TestIdle reads no log and writes nothing where nothing was written; of a segment that is new, only that one.
func TestIdle(t *testing.T) {
	s, sink := newServer(false), &memory.Sink{}
	k := &keys.Keeper{Sink: sink, Folder: "j/", Logs: s}
	for id := range int64(100) {
		s.insert("a", model.IntKey(id), s.tick())
	}
	_, first, err := changes(t.Context(), k, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.reads.Store(0)
	names := list(t, sink)
	got, next, err := changes(t.Context(), k, first)
	if err != nil || len(got) > 0 || string(next) != string(first) || s.reads.Load() > 0 || !slices.Equal(list(t, sink), names) {
		t.Errorf("%v, %s after %s, %d reads, %v: %v", got, next, first, s.reads.Load(), list(t, sink), err)
	}
	same := func() bool {
		t.Helper()
		same, err := k.Same(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		return same
	}
	if !same() {
		t.Error("it lists something else though nothing was written")
	}
	s.upsert("a", model.IntKey(7))
	s.flush()
	if same() {
		t.Error("a new segment is not seen")
	}
	got, _, err = changes(t.Context(), k, first)
	if err != nil || !slices.Equal(got, []source.Change{{Partition: "a", Key: model.IntKey(7)}}) || s.reads.Load() != 2 {
		t.Errorf("%v, %d reads, %v", got, s.reads.Load(), err)
	}
}

// TestAmongMany finds a few changes among many rows, of which it reads the blocks that have them.
func TestAmongMany(t *testing.T) {
	for _, level0 := range []bool{false, true} {
		s, sink := newServer(level0), &memory.Sink{}
		k := &keys.Keeper{Sink: sink, Folder: "j/", Logs: s}
		for id := range int64(60_000) {
			if s.insert("a", model.IntKey(id*7%60_000), s.tick()); id%20_000 == 19_999 {
				s.flush()
			}
		}
		_, since, err := changes(t.Context(), k, nil)
		if err != nil {
			t.Fatal(err)
		}
		var want []source.Change
		for id := int64(3); id < 60_000; id += 2_003 {
			gone := id%2 == 0
			if want = append(want, source.Change{Partition: "a", Key: model.IntKey(id), Gone: gone}); gone {
				s.delete("a", model.IntKey(id), s.tick())
			} else {
				s.upsert("a", model.IntKey(id))
			}
		}
		s.flush()
		s.compact("a", slices.Sorted(maps.Keys(s.in("a").segments))[:2])
		got, _, err := changes(t.Context(), k, since)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%v, %v, want %v", got, err, want)
		}
	}
}

// TestEnough ends where nobody wants more.
func TestEnough(t *testing.T) {
	s := newServer(false)
	k := &keys.Keeper{Sink: &memory.Sink{}, Folder: "j/", Logs: s}
	_, since, err := changes(t.Context(), k, nil)
	if err != nil {
		t.Fatal(err)
	}
	for id := range int64(10) {
		s.insert("a", model.IntKey(id), s.tick())
	}
	changed, err := k.Changes(t.Context(), since)
	if err != nil {
		t.Fatal(err)
	}
	for c, err := range changed.Keys {
		if err != nil || c.Key != model.IntKey(0) {
			t.Errorf("%v, %v", c, err)
		}
		break
	}
}

// TestUntold says so where a file is missing or damaged, a position is no such, or a server contradicts its logs.
func TestUntold(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, *server, *memory.Sink, *json.RawMessage){
		"a file is missing": func(t *testing.T, _ *server, sink *memory.Sink, _ *json.RawMessage) {
			if err := sink.Delete(t.Context(), "j/1.keys"); err != nil {
				t.Fatal(err)
			}
		},
		"a file is another": func(t *testing.T, _ *server, sink *memory.Sink, _ *json.RawMessage) {
			file := content(t, sink, "j/1.keys")
			file[0] ^= 1
			put(t, sink, "j/1.keys", file)
		},
		"the set is missing": func(t *testing.T, _ *server, sink *memory.Sink, _ *json.RawMessage) {
			if err := sink.Delete(t.Context(), list(t, sink)[1]); err != nil {
				t.Fatal(err)
			}
		},
		"the set is another": func(t *testing.T, _ *server, sink *memory.Sink, _ *json.RawMessage) {
			put(t, sink, list(t, sink)[1], []byte(`{"at":1}`))
		},
		"another position":   func(_ *testing.T, _ *server, _ *memory.Sink, since *json.RawMessage) { *since = json.RawMessage(`7`) },
		"another collection": func(_ *testing.T, s *server, _ *memory.Sink, _ *json.RawMessage) { s.collection++ },
		"more rows":          func(_ *testing.T, s *server, _ *memory.Sink, _ *json.RawMessage) { s.more = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			s, sink := newServer(false), &memory.Sink{}
			k := &keys.Keeper{Sink: sink, Folder: "j/", Logs: s}
			s.upsert("a", model.IntKey(1))
			s.flush()
			s.last = 1
			_, since, err := changes(t.Context(), k, nil)
			if err != nil {
				t.Fatal(err)
			}
			s.upsert("a", model.IntKey(1))
			spoil(t, s, sink, &since)
			if _, _, err := changes(t.Context(), k, since); !errors.Is(err, source.ErrUntold) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestStoreFails tells the same when it is asked again after any step has failed, or its answer was lost, and leaves nothing behind.
func TestStoreFails(t *testing.T) {
	broken := errors.New("broken")
	for method, objects := range map[faults.Method][]string{
		faults.Put: {"j/1.keys", "j/2.keys", "j/2.keys.run-1", "j/1-3.keys", "j/set-"}, faults.Open: {"j/1.keys", "j/2.keys.run-0", "j/1-3.keys", "j/set-"},
		faults.List: {"j/"}, faults.Delete: {"j/2.keys.run-0", "j/2.keys.run-1"},
	} {
		for _, object := range objects {
			for _, fault := range []faults.Fault{faults.Error(broken), faults.LoseAnswer(broken)} {
				if method == faults.Open || method == faults.List {
					fault = faults.Error(broken)
				}
				t.Run(fmt.Sprint(method, object, fault), func(t *testing.T) {
					failAt(t, method, fault.On(object))
				})
			}
		}
	}
}

func failAt(t *testing.T, method faults.Method, fault faults.Fault) {
	sink := faults.Watch(t, &memory.Sink{})
	s := newServer(false)
	k := (&keys.Keeper{Sink: sink, Folder: "j/", Logs: s}).Holding(100)
	struck := 0
	ask := func(since json.RawMessage) ([]source.Change, json.RawMessage) {
		for {
			got, next, err := changes(t.Context(), k, since)
			if err == nil {
				return got, next
			}
			if struck++; struck > 1 {
				t.Fatal(err)
			}
		}
	}
	s.upsert("a", model.IntKey(1))
	s.flush()
	sink.Queue(method, fault)
	_, since := ask(nil)
	for id := range int64(9) {
		s.upsert("a", model.IntKey(id))
	}
	got, next := ask(since)
	if len(got) != 9 {
		t.Errorf("%v", got)
	}
	if err := k.Forget(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if left := list(t, sink); len(left) != 4 {
		t.Errorf("%v are left", left)
	}
}

func list(t testing.TB, sink sinks.Sink) (names []string) {
	t.Helper()
	for info, err := range sink.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, info.Name)
	}
	return names
}
