package query

import (
	"context"
	"sync"
)

// pagesAhead are the pages of ranges that were cut before they are read. The zero value is useful.
type pagesAhead struct {
	mu  sync.Mutex
	cut map[aheadKey]aheadCut
}

type aheadKey struct{ partition, rng string }

type aheadCut struct {
	most  int64 // rows aimed at for a page
	rows  int64 // in all pages
	pages []counted
}

// cutIntoPages cuts a range of integer keys into the pages that a Read of it would cut it into. They are used if the range has as
// many rows when it is read.
func (s *Source) cutIntoPages(ctx context.Context, partition string, rng counted) error {
	if !s.layout.IntKey() {
		return nil
	}
	most := s.pageRows.Load()
	pages, err := s.splitInts(ctx, partition, rng, most)
	if err != nil {
		return err
	}
	known := aheadCut{most: most, pages: pages}
	for _, p := range pages {
		known.rows += p.Rows
	}
	s.cutPages.mu.Lock()
	defer s.cutPages.mu.Unlock()
	if s.cutPages.cut == nil {
		s.cutPages.cut = map[aheadKey]aheadCut{}
	}
	s.cutPages.cut[aheadKey{partition, rng.String()}] = known
	return nil
}

// take hands the pages of a range out once, if they are of the size that is aimed at now and hold all of its rows.
func (a *pagesAhead) take(partition string, rng counted, most int64) ([]counted, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := aheadKey{partition, rng.String()}
	known, ok := a.cut[key]
	delete(a.cut, key)
	return known.pages, ok && known.most == most && known.rows == rng.Rows
}
