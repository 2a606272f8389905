package query

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"golang.org/x/sync/errgroup"

	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
)

// Read reads every row of a chunk. Each page is proved by a count(*) of its own key range: where the two differ, the server is
// asked for the rows whose keys it did not return, until it counts none or none comes. Of a key that is there more than once one
// row comes.
func (s *Source) Read(ctx context.Context, chunk model.Chunk, names ...string) (source.Stream, error) {
	some, err := s.only(names)
	if err != nil {
		return nil, err
	}
	return some.read(ctx, chunk.Partition, chunk.Range), nil
}

func (s *Source) read(ctx context.Context, partition string, rng model.Range) *stream {
	p := &stream{Source: s, partition: partition, rest: rng}
	p.ctx, p.cancel = context.WithCancel(ctx)
	switch {
	case s.unfiltered && rng.Equal(model.Range{}):
		p.nextPage = p.nextWhole
	case s.layout.IntKey():
		p.nextPage = p.nextInts
	default:
		p.nextPage = p.nextTexts
	}
	return p
}

// stream is one Read under way.
type stream struct {
	*Source
	ctx       context.Context
	cancel    context.CancelFunc
	partition string
	rest      model.Range // of text keys: what was not read
	through   bool        // nothing is left of it

	nextPage func() ([]arrow.Record, error) // the rows of a page, proved, or a step on the way to them; io.EOF
	ready    []arrow.Record                 // proved, and not handed on
	current  arrow.Record
	err      error // that ended the stream, io.EOF included
	found    model.Findings

	ahead   errgroup.Group // that reads pages ahead
	fetched chan page      // by it; nil until it began
	smaller []counted      // pieces of a page that was too large to send
	early   bool           // pages were counted before the range was, and agree with it in their sum only
	moved   bool           // one of them was found to have changed since
}

// Next is the next batch. It is released when the one after it is asked for.
func (p *stream) Next() (arrow.Record, error) {
	p.release()
	for len(p.ready) == 0 {
		if p.err != nil {
			return nil, p.err
		}
		p.ready, p.err = p.nextPage()
		p.ready = slices.DeleteFunc(p.ready, isEmpty) // its rows may have been deleted since they were counted
	}
	p.current, p.ready = p.ready[0], p.ready[1:]
	return p.current, nil
}

func isEmpty(rec arrow.Record) bool { return rec.NumRows() == 0 }

// release gives the batch back that was handed on last.
func (p *stream) release() {
	if p.current != nil {
		p.current.Release()
		p.current = nil
	}
}

// Findings are what was found.
func (p *stream) Findings() model.Findings { return p.found }

// Close ends the read ahead and waits for its end.
func (p *stream) Close() error {
	p.cancel()
	_ = p.ahead.Wait() // what ended it was told by Next, or nobody asked for it
	p.release()
	for _, rec := range p.ready {
		rec.Release()
	}
	p.ready = nil
	if p.err == nil {
		p.err = context.Canceled
	}
	return nil
}

// nextInts is the next page of a range that is cut into pages beforehand, of which one is read ahead of the one that is taken.
func (p *stream) nextInts() ([]arrow.Record, error) {
	if p.fetched == nil {
		if err := p.readAhead(); err != nil {
			return nil, err
		}
	}
	if len(p.smaller) > 0 {
		return p.readSmaller()
	}
	got, more := <-p.fetched
	if more {
		return p.take(got)
	}
	if err := p.ahead.Wait(); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

// readAhead cuts the range into pages and begins to read them.
func (p *stream) readAhead() error {
	pages, err := p.pages(p.ctx, p.rest)
	if err != nil {
		return err
	}
	p.fetched = make(chan page)
	p.ahead.Go(func() error {
		defer close(p.fetched)
		return p.fetchPages(pages)
	})
	return nil
}

// pages cuts a range into pieces of about a page. They are read without a limit, which costs the server half of what a
// limit does.
func (p *stream) pages(ctx context.Context, rng model.Range) ([]counted, error) {
	most := p.pageRows.Load()
	total, err := p.Count(ctx, p.partition, rng)
	if err != nil {
		return nil, err
	}
	if pages, known := p.cutPages.take(p.partition, counted{rng, total}, most); known {
		p.early = true
		return pages, nil
	}
	return p.splitInts(ctx, p.partition, counted{rng, total}, most)
}

// page is a range as it was counted and then read.
type page struct {
	counted
	read     []arrow.Record
	tooLarge error // that an answer was
}

// fetchPages reads pages one after the other. It waits until each is taken, so that one page is held here.
func (p *stream) fetchPages(ranges []counted) error {
	for _, rng := range ranges {
		got := page{counted: rng}
		var err error
		if got.read, err = p.fetchRange(p.ctx, p.partition, rng); errors.Is(err, milvus.ErrTooLarge) {
			got.tooLarge, err = err, nil
		}
		if err != nil {
			return err
		}
		select {
		case p.fetched <- got:
		case <-p.ctx.Done():
			return context.Cause(p.ctx)
		}
	}
	return nil
}

// take is a page whose rows are as many as were counted, with what was left out of it if they are not.
func (p *stream) take(got page) ([]arrow.Record, error) {
	switch {
	case got.tooLarge != nil:
		p.moved = p.early
		return nil, p.cutSmaller(got.counted, got.tooLarge)
	case rowsOf(got.read) != got.Rows:
		p.moved = p.early
	case !p.moved:
		return got.read, nil
	}
	return p.checked(got.Range, got.read)
}

// cutSmaller leaves a range to be read in pieces of half the page size, since the answer to the whole was too large to send.
func (p *stream) cutSmaller(page counted, tooLarge error) error {
	if page.Rows <= 1 {
		return tooLarge
	}
	half := page.Rows / 2
	p.lowerPages(half)
	pieces, err := p.cutAgain(p.ctx, p.partition, page, half)
	if err != nil {
		return err
	}
	if len(pieces) == 1 {
		return tooLarge
	}
	p.smaller = slices.Concat(pieces, p.smaller)
	return nil
}

// readSmaller is the first piece of a page that was too large.
func (p *stream) readSmaller() ([]arrow.Record, error) {
	piece := p.smaller[0]
	p.smaller = p.smaller[1:]
	read, err := p.fetchRange(p.ctx, p.partition, piece)
	if errors.Is(err, milvus.ErrTooLarge) {
		return nil, p.cutSmaller(piece, err)
	}
	if err != nil {
		return nil, err
	}
	return p.checked(piece.Range, read)
}

// nextTexts goes forward by the last key seen, and counts afterwards. A short page is not the end: only an empty one is,
// where the count agrees. Where pages turn out to come in no order, all that is left is cut by its keys.
func (p *stream) nextTexts() ([]arrow.Record, error) {
	switch {
	case len(p.smaller) > 0:
		return p.readSmaller()
	case p.through:
		return nil, io.EOF
	}
	most := min(p.pageRows.Load(), mostLimit)
	rec, err := p.fetch(p.ctx, p.partition, p.key.Within(p.rest), limited(most))
	if errors.Is(err, milvus.ErrTooLarge) && most > 1 {
		p.lowerPages(most / 2)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	page := p.rest
	if rec.NumRows() == 0 {
		p.through = true
		return p.checked(page, nil)
	}
	last, found := p.bound(p.layout.Keys(rec))
	if !found {
		return p.readRest()
	}
	if err := p.checkForward(page, last); err != nil {
		return nil, err
	}
	page.UpTo = &last
	if rec, err = p.upTo(rec, last); err != nil {
		return nil, err
	}
	n, err := p.Count(p.ctx, p.partition, page)
	if err != nil {
		return nil, err
	}
	if inNoOrder(n, rec.NumRows()) {
		p.through = true
		return nil, p.cutRest()
	}
	p.rest.After = &last
	return p.proved(counted{page, n}, []arrow.Record{rec})
}

// readRest reads all that is left by one answer, where no filter can name a key to go on from.
func (p *stream) readRest() ([]arrow.Record, error) {
	p.through = true
	rec, err := p.fetch(p.ctx, p.partition, p.key.Within(p.rest), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", milvus.ErrLineBreak, err)
	}
	return p.checked(p.rest, []arrow.Record{rec})
}

// bound is the greatest of some keys that a filter can name; false where it can name none.
func (s *Source) bound(keys []model.Key) (greatest model.Key, found bool) {
	for _, k := range keys {
		if (!found || k.Compare(greatest) > 0) && s.key.CanWrite(k) {
			greatest, found = k, true
		}
	}
	return greatest.Clone(), found
}

// upTo leaves out the rows beyond a key.
func (s *Source) upTo(rec arrow.Record, last model.Key) (arrow.Record, error) {
	var within []int
	for i, k := range s.layout.Keys(rec) {
		if k.Compare(last) <= 0 {
			within = append(within, i)
		}
	}
	if len(within) == int(rec.NumRows()) {
		return rec, nil
	}
	return s.layout.Rows(rec, within)
}

// inNoOrder reports whether a page, asked for by the smallest keys, has others: more are counted up to its greatest key than can be
// duplicates or were left out.
func inNoOrder(counted, came int64) bool { return counted > 2*came }

// cutRest leaves what was not read to be read in pieces.
func (p *stream) cutRest() (err error) {
	n, err := p.Count(p.ctx, p.partition, p.rest)
	if err != nil {
		return err
	}
	p.smaller, err = p.splitByKeys(p.ctx, p.partition, counted{p.rest, n}, p.pageRows.Load())
	return err
}

// checked is a page, together with what is left out of it if the count of its range does not agree.
func (p *stream) checked(page model.Range, read []arrow.Record) ([]arrow.Record, error) {
	n, err := p.Count(p.ctx, p.partition, page)
	if err != nil {
		return nil, err
	}
	return p.proved(counted{page, n}, read)
}

// proved is a page of which so many rows are counted, together with what is left out of it if others came.
func (p *stream) proved(page counted, read []arrow.Record) ([]arrow.Record, error) {
	if page.Rows == rowsOf(read) {
		return read, nil
	}
	return p.complete(p.ctx, page, read)
}

func rowsOf(read []arrow.Record) (n int64) {
	for _, rec := range read {
		n += rec.NumRows()
	}
	return n
}

// lowerPages has pages aim at so many rows at most, whoever else lowers them for the same rows.
func (s *Source) lowerPages(most int64) {
	for {
		n := s.pageRows.Load()
		if n <= most || s.pageRows.CompareAndSwap(n, most) {
			return
		}
	}
}

// checkForward refuses an answer that leads back: a server that takes a key in a filter for another one would be asked for ever.
func (s *Source) checkForward(rng model.Range, last model.Key) error {
	if rng.After == nil || last.Compare(*rng.After) > 0 {
		return nil
	}
	return fmt.Errorf("reading %q: asked for keys above %s, the server answers with %s: %w", s.coll.Name, rng.After, last, source.ErrIncomplete)
}

func (s *Source) keys(data []*schemapb.FieldData) []model.Key {
	var keys []model.Key
	for _, d := range data {
		if d.GetFieldName() != s.layout.KeyName() {
			continue
		}
		for _, v := range d.GetScalars().GetLongData().GetData() {
			keys = append(keys, model.IntKey(v))
		}
		for _, v := range d.GetScalars().GetStringData().GetData() {
			keys = append(keys, model.TextKey(v))
		}
	}
	return keys
}
