package export

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"migrate/internal/model"
)

// TestKeySet finds the keys that come more than once, and no others, however few hashes are kept.
func TestKeySet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ints := rapid.SliceOf(rapid.Int64Range(0, 300)).Draw(t, "keys")
		most := rapid.IntRange(1, 50).Draw(t, "kept")
		var keys []model.Key
		times := map[model.Key]int{}
		for _, n := range ints {
			keys = append(keys, model.IntKey(n))
			times[model.IntKey(n)]++
		}
		s, several := newKeySet(most), map[uint64]bool{}
		some := rapid.IntRange(1, 50).Draw(t, "at once")
		add := func() {
			for few := range slices.Chunk(keys, some) {
				s.add(few)
			}
		}
		for add(); s.next(several, 1000); add() {
		}
		for k, n := range times {
			if several[k.Hash()] != (n > 1) {
				t.Fatalf("%v comes %d times, of %d keys with %d kept", k, n, len(keys), most)
			}
		}
	})
}

// TestKeySetOfOneKey is of files whose rows all have the same key, by mistake: of its hash no more is kept than of others.
func TestKeySetOfOneKey(t *testing.T) {
	const most, some = 100, 10
	for n := range int64(10) { // whichever part the hash is in
		keys := slices.Repeat([]model.Key{model.IntKey(n)}, some)
		s, several := newKeySet(most), map[uint64]bool{}
		for again := true; again; again = s.next(several, 1000) {
			for range 100 {
				if s.add(keys); len(s.hashes) > most {
					t.Fatalf("%d hashes are kept, where %d may be", len(s.hashes), most)
				}
			}
		}
		if !several[keys[0].Hash()] {
			t.Fatalf("the key %v, which came 1,000 times, was not found", keys[0])
		}
	}
}
