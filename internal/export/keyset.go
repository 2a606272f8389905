package export

import (
	"slices"
	"sync"

	"migrate/internal/model"
)

// keySet finds keys that come more than once, among any number of them, in bounded memory: it keeps a hash of eight bytes for each.
// Where these are too many it looks at some of them alone, and the keys have to come again for the others. The zero value is not of
// use: newKeySet makes one.
type keySet struct {
	most int // hashes kept

	mu     sync.Mutex
	parts  uint64 // hashes are told apart by their remainders
	part   uint64 // that is looked at
	hashes []uint64
}

// keptHashes are 128 MiB.
const keptHashes = 1 << 24

func newKeySet(most int) *keySet { return &keySet{most: most, parts: 1} }

// add takes keys of the part that is looked at. While that is the first, it is made smaller where there are too many.
func (s *keySet) add(keys []model.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range keys {
		if h := k.Hash(); h%s.parts == s.part {
			s.hashes = append(s.hashes, h)
		}
	}
	for s.part == 0 && len(s.hashes) > s.most {
		s.parts *= 2
		s.hashes = slices.DeleteFunc(s.hashes, func(h uint64) bool { return h%s.parts != 0 })
	}
}

// next adds the hashes that came more than once to others, up to a number of them, and begins with the next part. It reports whether there
// is one.
func (s *keySet) next(several map[uint64]bool, most int) bool {
	slices.Sort(s.hashes)
	for i := 1; i < len(s.hashes) && len(several) < most; i++ {
		if s.hashes[i] == s.hashes[i-1] {
			several[s.hashes[i]] = true
		}
	}
	s.hashes = s.hashes[:0]
	s.part++
	return s.part < s.parts && len(several) < most
}
