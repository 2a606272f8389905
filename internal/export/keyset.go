package export

import (
	"slices"
	"sync"

	"migrate/internal/model"
)

// keySet finds keys that come more than once, among any number of them, in bounded memory: it keeps a hash of eight bytes for each, and
// two for one that comes often. Where these are too many it looks at some of them alone, and the keys have to come again for the others.
// The zero value is not of use: newKeySet makes one.
type keySet struct {
	most int // hashes kept, about

	mu     sync.Mutex
	parts  uint64 // hashes are told apart by their remainders
	part   uint64 // that is looked at
	room   int    // hashes that are kept before some are to go
	hashes []uint64
}

// keptHashes are 128 MiB.
const keptHashes = 1 << 24

func newKeySet(most int) *keySet { return &keySet{most: most, parts: 1, room: most} }

// add takes keys of the part that is looked at. While that is the first, it is made smaller where there are too many.
func (s *keySet) add(keys []model.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range keys {
		if h := k.Hash(); h%s.parts == s.part {
			s.hashes = append(s.hashes, h)
		}
	}
	if len(s.hashes) > s.room {
		s.makeRoom()
	}
}

// makeRoom leaves no hash more than twice, and room for so many that it is not called for each few.
func (s *keySet) makeRoom() {
	slices.Sort(s.hashes)
	kept := s.hashes[:0]
	for _, h := range s.hashes {
		if n := len(kept); n < 2 || kept[n-2] != h {
			kept = append(kept, h)
		}
	}
	for s.part == 0 && len(kept) > s.most*3/4 {
		s.parts *= 2
		kept = slices.DeleteFunc(kept, func(h uint64) bool { return h%s.parts != 0 })
	}
	s.hashes, s.room = kept, max(s.most, len(kept)+s.most/4)
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
	s.hashes, s.room = s.hashes[:0], s.most
	s.part++
	return s.part < s.parts && len(several) < most
}
