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
	pages []Counted
}

// CutAhead cuts a range of integer keys into the pages that a Read of it would cut it into, by any reader that shares its
// pages. They are used if the range has as many rows when it is read.
func (r *Reader) CutAhead(ctx context.Context, partition string, rng Counted) error {
	if !r.Layout.IntKey() {
		return nil
	}
	most := r.pageRows.Load()
	pages, err := r.splitInts(ctx, partition, rng, most)
	if err != nil {
		return err
	}
	known := aheadCut{most: most, pages: pages}
	for _, p := range pages {
		known.rows += p.Rows
	}
	r.ahead.mu.Lock()
	defer r.ahead.mu.Unlock()
	if r.ahead.cut == nil {
		r.ahead.cut = map[aheadKey]aheadCut{}
	}
	r.ahead.cut[aheadKey{partition, rng.String()}] = known
	return nil
}

// take hands the pages of a range out once, if they are of the size that is aimed at now and hold all of its rows.
func (a *pagesAhead) take(partition string, rng Counted, most int64) ([]Counted, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := aheadKey{partition, rng.String()}
	known, ok := a.cut[key]
	delete(a.cut, key)
	return known.pages, ok && known.most == most && known.rows == rng.Rows
}
