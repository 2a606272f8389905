package keys_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"migrate/internal/model"
	"migrate/internal/source/storage/keys"
	"migrate/sinks/memory"
)

func anyKey(text bool) *rapid.Generator[model.Key] {
	if text {
		return rapid.Map(rapid.OneOf(rapid.String(), rapid.StringMatching(`[ab]{0,4}`)), model.TextKey)
	}
	return rapid.Map(rapid.OneOf(rapid.Int64(), rapid.Int64Range(-5, 5)), model.IntKey)
}

func inOrder(a, b keys.Stamp) int { return cmp.Or(a.Key.Compare(b.Key), cmp.Compare(a.TS, b.TS)) }

// TestFile gives back what was put, in order and each once, be it sorted in memory or in runs.
func TestFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, sink := rapid.Bool().Draw(t, "text"), &memory.Sink{}
		want := rapid.SliceOf(rapid.Custom(func(t *rapid.T) keys.Stamp {
			return keys.Stamp{Key: anyKey(text).Draw(t, "key"), TS: rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(1, 3)).Draw(t, "ts")}
		})).Draw(t, "stamps")
		n, newest, err := keys.Put(t.Context(), sink, "f", text, rapid.IntRange(1, 2000).Draw(t, "held"), want)
		if err != nil || n != int64(len(want)) {
			t.Fatal(n, err)
		}
		slices.SortFunc(want, inOrder)
		want = slices.Compact(want)
		got, err := keys.Read(t.Context(), sink, "f")
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%v, %v, want %v", got, err, want)
		}
		if len(want) > 0 && newest != slices.MaxFunc(want, func(a, b keys.Stamp) int { return cmp.Compare(a.TS, b.TS) }).TS {
			t.Fatalf("the newest is %d", newest)
		}
		for info, err := range sink.List(t.Context(), "") {
			if err != nil || info.Name != "f" {
				t.Errorf("%s is left, %v", info.Name, err)
			}
		}
	})
}

// many are stamps of several blocks, as a server writes them: batches of a thousand rows of one time each.
func many(n int, key func(int) model.Key) []keys.Stamp {
	all := make([]keys.Stamp, n)
	for i := range all {
		all[i] = keys.Stamp{Key: key(i), TS: 450_000_000_000_000_000 + uint64(i/1000)<<24}
	}
	return all
}

var kinds = map[string]struct {
	text  bool
	key   func(r *rand.Rand) func(int) model.Key
	bytes float64 // a row, at most
}{
	"sequential": {false, func(*rand.Rand) func(int) model.Key { return func(i int) model.Key { return model.IntKey(int64(i)) } }, 0.1},
	"random":     {false, func(r *rand.Rand) func(int) model.Key { return func(int) model.Key { return model.IntKey(r.Int64()) } }, 8.5},
	"texts of 20 bytes": {true, func(r *rand.Rand) func(int) model.Key {
		return func(int) model.Key { return model.TextKey(fmt.Sprintf("%020x", r.Uint64())) }
	}, 14},
}

// TestSize holds what a row costs against what the documentation says, and finds single keys without reading the others.
func TestSize(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			r, sink := rand.New(rand.NewPCG(1, 2)), &memory.Sink{}
			all := many(200_000, kind.key(r))
			if _, _, err := keys.Put(t.Context(), sink, "f", kind.text, 64<<20, all); err != nil {
				t.Fatal(err)
			}
			for info := range sink.List(t.Context(), "f") {
				a := float64(info.Size) / float64(len(all))
				t.Logf("%.2f bytes a row", a)
				if a > kind.bytes {
					t.Errorf("%.2f bytes a row, want %.2f at most", a, kind.bytes)
				}
			}
			some := []keys.Stamp{all[7], all[70_001], all[199_999]}
			slices.SortFunc(some, inOrder)
			got, err := keys.Seek(t.Context(), sink, "f", []model.Key{some[0].Key, some[1].Key, some[2].Key})
			if err != nil || !slices.Equal(got, some) {
				t.Errorf("%v, %v, want %v", got, err, some)
			}
		})
	}
}

// TestFlipped refuses a file of which any bit is another.
func TestFlipped(t *testing.T) {
	for name, kind := range kinds {
		sink := &memory.Sink{}
		if _, _, err := keys.Put(t.Context(), sink, "f", kind.text, 64<<20, many(40, kind.key(rand.New(rand.NewPCG(1, 2))))); err != nil {
			t.Fatal(err)
		}
		file := content(t, sink, "f")
		for bit := range 8 * len(file) {
			flipped := slices.Clone(file)
			flipped[bit/8] ^= 1 << (bit % 8)
			if _, err := keys.Read(t.Context(), holding(t, flipped), "f"); !errors.Is(err, keys.ErrDamaged) {
				t.Fatalf("%s: bit %d: %v", name, bit, err)
			}
		}
		for n := range len(file) {
			if _, err := keys.Read(t.Context(), holding(t, file[:n]), "f"); !errors.Is(err, keys.ErrDamaged) {
				t.Fatalf("%s: cut off after %d bytes: %v", name, n, err)
			}
		}
	}
}

// FuzzFile reads damaged files: an error, or keys in order, and no more memory than a file may take.
func FuzzFile(f *testing.F) {
	for _, kind := range kinds {
		sink := &memory.Sink{}
		if _, _, err := keys.Put(f.Context(), sink, "f", kind.text, 64<<20, many(40, kind.key(rand.New(rand.NewPCG(1, 2))))); err != nil {
			f.Fatal(err)
		}
		f.Add(content(f, sink, "f"))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		bounded(t, func() {
			if got, err := keys.Read(t.Context(), holding(t, file), "f"); err == nil && !slices.IsSortedFunc(got, inOrder) {
				t.Errorf("%v", got)
			}
		})
	})
}

// FuzzBlock reads what no checksum has kept out: blocks and footers.
func FuzzBlock(f *testing.F) {
	for _, kind := range kinds {
		all := many(40, kind.key(rand.New(rand.NewPCG(1, 2))))
		slices.SortFunc(all, inOrder)
		block, end := keys.Encoded(all)
		if got, err := keys.Decode(block, kind.text, len(all)); err != nil || !slices.Equal(got, all) {
			f.Fatal(got, err)
		}
		if n, err := keys.DecodeEnd(end, 10); err != nil || n != 1 {
			f.Fatal(n, err)
		}
		f.Add(block, kind.text, len(all))
		f.Add(end, kind.text, 10)
	}
	f.Fuzz(func(t *testing.T, raw []byte, text bool, n int) {
		bounded(t, func() {
			if got, err := keys.Decode(raw, text, n); err == nil && (!slices.IsSortedFunc(got, inOrder) || len(got) != n) {
				t.Errorf("%v", got)
			}
			_, _ = keys.DecodeEnd(raw, int64(n))
		})
	})
}

func bounded(t *testing.T, read func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	read()
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 512<<20 {
		t.Errorf("it took %d bytes", took)
	}
}
