package source

import (
	"context"
	"sync"

	"migrate/internal/columns"
)

// cutAhead are the pages of ranges that were cut before they are read. The zero value is useful.
type cutAhead struct {
	mu    sync.Mutex
	pages map[aheadKey]aheadPages
}

type aheadKey struct{ partition, rng string }

type aheadPages struct {
	most  int64 // rows aimed at for a page
	pages []Counted
}

// CutAhead cuts a range of integer keys into the pages that a Read of it, by this reader or one that it was made from, would
// cut it into. Each page is still proved when it is read: where its rows are not as many as were counted here, both are
// asked for again.
func (r *Reader) CutAhead(ctx context.Context, partition string, rng Counted) error {
	if !r.Layout.IntKey() {
		return nil
	}
	most := r.pageRows.Load()
	pages, err := r.splitInts(ctx, partition, rng, most)
	if err != nil {
		return err
	}
	r.ahead.mu.Lock()
	defer r.ahead.mu.Unlock()
	if r.ahead.pages == nil {
		r.ahead.pages = map[aheadKey]aheadPages{}
	}
	r.ahead.pages[aheadKey{partition, rng.String()}] = aheadPages{most, pages}
	return nil
}

// take hands the pages of a range out once, if they are of the size that is aimed at now.
func (a *cutAhead) take(partition string, rng columns.Range, most int64) ([]Counted, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := aheadKey{partition, rng.String()}
	known, ok := a.pages[key]
	delete(a.pages, key)
	return known.pages, ok && known.most == most
}
