package query

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"golang.org/x/sync/errgroup"

	"migrate/internal/milvus"
	"migrate/internal/model"
)

// ErrIncomplete: the server counts rows in a range that it does not return, and nothing explains them.
var ErrIncomplete = errors.New("the server does not return every row that it counts")

// Read reads every row of a range and hands the batches on as they come; a batch is released after emit returns. Each
// page is proved by a count(*) of its own key range: where the two differ, the server is asked for the rows whose keys it did not
// return, until it counts none or none comes. Of a key that is there more than once one row is handed on. An error of
// emit ends the read and is returned as it is.
func (r *Reader) Read(ctx context.Context, partition string, rng model.Range, emit func(arrow.Record) error) (model.Findings, error) {
	p := &reading{Reader: r, partition: partition, emit: withRows(emit)}
	read := p.readTexts
	if r.Layout.IntKey() {
		read = p.readInts
	}
	err := read(ctx, rng)
	return p.found, err
}

// withRows hands on what has rows: a page may be empty, and its rows may have been deleted since they were counted.
func withRows(emit func(arrow.Record) error) func(arrow.Record) error {
	return func(rec arrow.Record) error {
		if rec.NumRows() == 0 {
			return nil
		}
		return emit(rec)
	}
}

// reading is one Read under way.
type reading struct {
	*Reader
	partition string
	emit      func(arrow.Record) error
	found     model.Findings
	early     bool // pages were counted before the range was, and agree with it in their sum only
	moved     bool // one of them was found to have changed since
}

// readInts cuts the range into pages, and reads one ahead of the page that is handed on.
func (p *reading) readInts(ctx context.Context, rng model.Range) error {
	pages, err := p.pages(ctx, rng)
	if err != nil {
		return err
	}
	fetched := make(chan page)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(fetched)
		return p.fetchPages(ctx, pages, fetched)
	})
	g.Go(func() error {
		for page := range fetched {
			if err := p.take(ctx, page); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// pages cuts a range into pieces of about a page. They are read without a limit, which costs the server half of what a
// limit does.
func (p *reading) pages(ctx context.Context, rng model.Range) ([]Counted, error) {
	most := p.pageRows.Load()
	total, err := p.Count(ctx, p.partition, rng)
	if err != nil {
		return nil, err
	}
	if pages, known := p.ahead.take(p.partition, Counted{rng, total}, most); known {
		p.early = true
		return pages, nil
	}
	return p.splitInts(ctx, p.partition, Counted{rng, total}, most)
}

// page is a range as it was counted and then read.
type page struct {
	Counted
	read     []arrow.Record
	tooLarge error // that an answer was
}

// fetchPages reads pages one after the other. It waits until each is taken, so that one page is held here.
func (p *reading) fetchPages(ctx context.Context, ranges []Counted, to chan<- page) error {
	for _, rng := range ranges {
		got := page{Counted: rng}
		var err error
		if got.read, err = p.fetchRange(ctx, p.partition, rng); errors.Is(err, milvus.ErrTooLarge) {
			got.tooLarge, err = err, nil
		}
		if err != nil {
			return err
		}
		select {
		case to <- got:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// take hands a page on if its rows are as many as were counted, and looks for what is left out if not.
func (p *reading) take(ctx context.Context, got page) error {
	switch {
	case got.tooLarge != nil:
		p.moved = p.early
		return p.readSmaller(ctx, got.Counted, got.tooLarge)
	case rowsOf(got.read) != got.Rows:
		p.moved = p.early
	case !p.moved:
		return p.emitAll(got.read)
	}
	return p.checkPage(ctx, got.Range, got.read)
}

// readTexts goes forward by the last key seen, and counts afterwards. A short page is not the end: only an empty one is,
// where the count agrees.
func (p *reading) readTexts(ctx context.Context, rng model.Range) error {
	for {
		most := min(p.pageRows.Load(), mostLimit)
		rec, err := p.fetch(ctx, p.partition, p.key.Within(rng), limited(most))
		if errors.Is(err, milvus.ErrTooLarge) && most > 1 {
			p.lowerPages(most / 2)
			continue
		}
		if err != nil {
			return err
		}
		keys := p.Layout.Keys(rec)
		if len(keys) == 0 {
			return p.checkPage(ctx, rng, nil)
		}
		last := slices.MaxFunc(keys, model.Key.Compare)
		if err := p.checkForward(rng, last); err != nil {
			return err
		}
		page := model.Range{After: rng.After, UpTo: &last}
		if err := p.checkPage(ctx, page, []arrow.Record{rec}); err != nil {
			return err
		}
		rng.After = &last
	}
}

// checkPage hands a page on, together with what is left out of it if the count of its range does not agree.
func (p *reading) checkPage(ctx context.Context, page model.Range, read []arrow.Record) error {
	n, err := p.Count(ctx, p.partition, page)
	if err != nil {
		return err
	}
	if n != rowsOf(read) {
		return p.complete(ctx, Counted{page, n}, read)
	}
	return p.emitAll(read)
}

func (p *reading) emitAll(read []arrow.Record) error {
	for _, rec := range read {
		if err := p.emit(rec); err != nil {
			return err
		}
	}
	return nil
}

func rowsOf(read []arrow.Record) (n int64) {
	for _, rec := range read {
		n += rec.NumRows()
	}
	return n
}

// readSmaller reads a range in pieces of half the page size, since the answer to the whole was too large to send.
func (p *reading) readSmaller(ctx context.Context, page Counted, tooLarge error) error {
	if page.Rows <= 1 {
		return tooLarge
	}
	half := page.Rows / 2
	p.lowerPages(half)
	if !p.Layout.IntKey() {
		return p.readTexts(ctx, page.Range)
	}
	ranges, err := p.splitInts(ctx, p.partition, page, half)
	if err != nil {
		return err
	}
	if len(ranges) == 1 {
		return tooLarge
	}
	for _, smaller := range ranges {
		read, err := p.fetchRange(ctx, p.partition, smaller)
		if errors.Is(err, milvus.ErrTooLarge) {
			err = p.readSmaller(ctx, smaller, err)
		} else if err == nil {
			err = p.checkPage(ctx, smaller.Range, read)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lowerPages has pages aim at so many rows at most, whoever else lowers them for the same rows.
func (r *Reader) lowerPages(most int64) {
	for {
		n := r.pageRows.Load()
		if n <= most || r.pageRows.CompareAndSwap(n, most) {
			return
		}
	}
}

// checkForward refuses an answer that leads back: a server that takes a key in a filter for another one would be asked for ever.
func (r *Reader) checkForward(rng model.Range, last model.Key) error {
	if rng.After == nil || last.Compare(*rng.After) > 0 {
		return nil
	}
	return fmt.Errorf("reading %q: asked for keys above %s, the server answers with %s: %w", r.Collection.Name, rng.After, last, ErrIncomplete)
}

func (r *Reader) keys(data []*schemapb.FieldData) []model.Key {
	var keys []model.Key
	for _, d := range data {
		if d.GetFieldName() != r.Layout.KeyName() {
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
