package export

import (
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
		for s.add(keys); s.next(several, 1000); s.add(keys) {
		}
		for k, n := range times {
			if several[k.Hash()] != (n > 1) {
				t.Fatalf("%v comes %d times, of %d keys with %d kept", k, n, len(keys), most)
			}
		}
	})
}
