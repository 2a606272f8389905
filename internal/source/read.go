package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"golang.org/x/sync/errgroup"

	"migrate/internal/clock"
	"migrate/internal/columns"
	"migrate/internal/milvus"
)

// ErrIncomplete: the server counts rows in a range that it does not return, and nothing explains them.
var ErrIncomplete = errors.New("the server does not return every row that it counts")

// Findings are what a read explains instead of passing over.
type Findings struct {
	Doubled    []Doubled    `json:"doubled,omitempty"`    // keys inserted more than once: one copy was read
	Unreadable []Unreadable `json:"unreadable,omitempty"` // rows that the server counts and never returns
}

// Doubled is a key that the server keeps several rows of. A query returns an arbitrary one.
type Doubled struct {
	Key    columns.Key `json:"key"`
	Copies int64       `json:"copies"`
}

// Unreadable is a range in which the server counts rows that no query returns, such as the key 2^63-1 on Milvus 2.3.
type Unreadable struct {
	columns.Range
	Rows int64 `json:"rows"`
}

// Add adds another read's findings.
func (f *Findings) Add(other Findings) {
	f.Doubled = append(f.Doubled, other.Doubled...)
	f.Unreadable = append(f.Unreadable, other.Unreadable...)
}

// mostFindings bounds the search for explanations: a collection that was loaded twice has a doubled key in every row.
const mostFindings = 1000

// Read reads every row of a range and hands the batches on as they come; a batch is released after emit returns. Each
// batch is proved by a count(*) of its own key range: where the two differ it is read again, and then cut down to the
// rows that explain it. An error of emit ends the read and is returned as it is.
func (r *Reader) Read(ctx context.Context, partition string, rng columns.Range, emit func(arrow.Record) error) (Findings, error) {
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
	found     Findings
	early     bool // pages were counted before the range was, and agree with it in their sum only
	moved     bool // one of them was found to have changed since
}

// readInts cuts the range into pages, and reads one ahead of the page that is handed on.
func (p *reading) readInts(ctx context.Context, rng columns.Range) error {
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
func (p *reading) pages(ctx context.Context, rng columns.Range) ([]Counted, error) {
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
	rec arrow.Record // nil where the answer was too large to send
}

// fetchPages reads pages one after the other. It waits until each is taken, so that one page is held here.
func (p *reading) fetchPages(ctx context.Context, ranges []Counted, to chan<- page) error {
	for _, rng := range ranges {
		rec, err := p.fetch(ctx, p.partition, p.Layout.Expr(rng.Range), nil)
		if err != nil && !errors.Is(err, milvus.ErrTooLarge) {
			return err
		}
		select {
		case to <- page{rng, rec}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// take hands a page on if its rows are as many as were counted, and reads it again if not.
func (p *reading) take(ctx context.Context, got page) error {
	if got.rec == nil || got.rec.NumRows() != got.Rows || !distinct(p.Layout.Keys(got.rec)) {
		p.moved = p.early
		return p.proveCounted(ctx, got.Range)
	}
	if p.moved {
		return p.checkPage(ctx, got.Range, got.rec)
	}
	return p.emit(got.rec)
}

// readTexts goes forward by the last key seen, and counts afterwards. A short page is not the end: only an empty one is,
// where the count agrees.
func (p *reading) readTexts(ctx context.Context, rng columns.Range) error {
	for {
		most := min(p.pageRows.Load(), mostLimit)
		rec, err := p.fetch(ctx, p.partition, p.Layout.Expr(rng), limited(most))
		if errors.Is(err, milvus.ErrTooLarge) && most > 1 {
			p.lowerPages(most / 2)
			continue
		}
		if err != nil {
			return err
		}
		keys := p.Layout.Keys(rec)
		if len(keys) == 0 {
			return p.proveCounted(ctx, rng)
		}
		last := slices.MaxFunc(keys, columns.Key.Compare)
		if err := p.checkForward(rng, last); err != nil {
			return err
		}
		page := columns.Range{After: rng.After, UpTo: &last}
		if err := p.checkPage(ctx, page, rec); err != nil {
			return err
		}
		rng.After = &last
	}
}

// checkPage hands a page on if the count of its range agrees, and reads the range again if not.
func (p *reading) checkPage(ctx context.Context, page columns.Range, rec arrow.Record) error {
	n, err := p.Count(ctx, p.partition, page)
	if err != nil {
		return err
	}
	if n == rec.NumRows() && distinct(p.Layout.Keys(rec)) {
		return p.emit(rec)
	}
	return p.prove(ctx, Counted{page, n})
}

func (p *reading) proveCounted(ctx context.Context, rng columns.Range) error {
	n, err := p.Count(ctx, p.partition, rng)
	if err != nil {
		return err
	}
	return p.prove(ctx, Counted{rng, n})
}

// pauses are the waits before a range is read again.
var pauses = []time.Duration{0, 50 * time.Millisecond, 250 * time.Millisecond}

// prove reads a range until its rows are as many as were counted, and hands them on. Rows that were written between the
// two make them differ, so both are asked again; after that the range is narrowed down.
func (p *reading) prove(ctx context.Context, page Counted) error {
	if page.Rows == 0 {
		return nil
	}
	var keys []columns.Key
	for _, pause := range pauses {
		if err := clock.Sleep(ctx, pause); err != nil {
			return err
		}
		rec, err := p.fetch(ctx, p.partition, p.Layout.Expr(page.Range), nil)
		if errors.Is(err, milvus.ErrTooLarge) {
			return p.readSmaller(ctx, page, err)
		}
		if err != nil {
			return err
		}
		keys = p.Layout.Keys(rec)
		if rec.NumRows() == page.Rows && distinct(keys) {
			return p.emit(rec)
		}
		if page.Rows, err = p.Count(ctx, p.partition, page.Range); err != nil {
			return err
		}
		if rec.NumRows() == page.Rows && distinct(keys) {
			return p.emit(rec)
		}
	}
	return p.narrow(ctx, page, keys)
}

// narrow reads the two halves of a range whose rows and count differ each for itself, down to a single row.
func (p *reading) narrow(ctx context.Context, page Counted, keys []columns.Key) error {
	slices.SortFunc(keys, columns.Key.Compare)
	keys = slices.Compact(keys)
	switch len(keys) {
	case 0:
		return p.explainNone(ctx, page.Range)
	case 1:
		return p.explainKey(ctx, page.Range)
	}
	mid := keys[(len(keys)-1)/2].Clone()
	if err := p.proveHalf(ctx, columns.Range{After: page.After, UpTo: &mid}); err != nil {
		return err
	}
	return p.proveHalf(ctx, columns.Range{After: &mid, UpTo: page.UpTo})
}

// proveHalf is prove without its patience, which the whole range has had.
func (p *reading) proveHalf(ctx context.Context, rng columns.Range) error {
	n, err := p.Count(ctx, p.partition, rng)
	if n == 0 || err != nil {
		return err
	}
	rec, err := p.fetch(ctx, p.partition, p.Layout.Expr(rng), nil)
	if err != nil {
		return err
	}
	keys := p.Layout.Keys(rec)
	if rec.NumRows() == n && distinct(keys) {
		return p.emit(rec)
	}
	return p.narrow(ctx, Counted{rng, n}, keys)
}

// secondLook is the wait before a single row is explained: what was a write under way has passed by then.
const secondLook = 50 * time.Millisecond

// explainNone takes a range in which rows were counted and none was seen.
func (p *reading) explainNone(ctx context.Context, rng columns.Range) error {
	if err := clock.Sleep(ctx, secondLook); err != nil {
		return err
	}
	before, err := p.Count(ctx, p.partition, rng)
	if err != nil {
		return err
	}
	rec, err := p.fetch(ctx, p.partition, p.Layout.Expr(rng), nil)
	if err != nil {
		return err
	}
	if err := p.explainUnseen(ctx, rng, before, rec.NumRows()); err != nil {
		return err
	}
	return p.emitFound(rec)
}

// explainKey takes a range in which only one key was seen: either that key is doubled, or others are there unseen.
func (p *reading) explainKey(ctx context.Context, rng columns.Range) error {
	if err := clock.Sleep(ctx, secondLook); err != nil {
		return err
	}
	before, err := p.Count(ctx, p.partition, rng)
	if err != nil {
		return err
	}
	rec, err := p.fetch(ctx, p.partition, p.Layout.Expr(rng), nil)
	if err != nil {
		return err
	}
	keys := p.Layout.Keys(rec)
	slices.SortFunc(keys, columns.Key.Compare)
	switch keys = slices.Compact(keys); {
	case len(keys) == 0: // it was deleted meanwhile
		return p.explainUnseen(ctx, rng, before, 0)
	case len(keys) > 1: // others are to be seen now
		return p.narrow(ctx, Counted{rng, before}, keys)
	}
	key := keys[0].Clone()
	copies, err := p.CountWhere(ctx, p.partition, p.Layout.Equals(key))
	if err != nil {
		return err
	}
	if copies > 1 {
		p.found.Doubled = append(p.found.Doubled, Doubled{key, copies})
	}
	if err := p.explainUnseen(ctx, rng, before, copies); err != nil {
		return err
	}
	return p.emitFound(rec.NewSlice(0, 1))
}

// explainUnseen notes the rows of a range that are counted before and after it was read, and were not seen. A row that is counted
// only once was written or deleted meanwhile.
func (p *reading) explainUnseen(ctx context.Context, rng columns.Range, before, seen int64) error {
	after, err := p.Count(ctx, p.partition, rng)
	if err != nil {
		return err
	}
	if unseen := min(before, after) - seen; unseen > 0 {
		p.found.Unreadable = append(p.found.Unreadable, Unreadable{rng, unseen})
	}
	return nil
}

// emitFound hands on the rows of a range that was explained, unless there is too much to explain.
func (p *reading) emitFound(rec arrow.Record) error {
	if err := p.bounded(); err != nil {
		return err
	}
	return p.emit(rec)
}

func (p *reading) bounded() error {
	if len(p.found.Doubled)+len(p.found.Unreadable) <= mostFindings {
		return nil
	}
	return fmt.Errorf("reading %q: more than %d keys are doubled or unreadable; was the collection loaded twice?: %w",
		p.Collection.Name, mostFindings, ErrIncomplete)
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
	for _, smaller := range ranges {
		if len(ranges) == 1 {
			return tooLarge
		}
		if err := p.prove(ctx, smaller); err != nil {
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
func (r *Reader) checkForward(rng columns.Range, last columns.Key) error {
	if rng.After == nil || last.Compare(*rng.After) > 0 {
		return nil
	}
	return fmt.Errorf("reading %q: asked for keys above %s, the server answers with %s: %w", r.Collection.Name, rng.After, last, ErrIncomplete)
}

func (r *Reader) keys(data []*schemapb.FieldData) []columns.Key {
	var keys []columns.Key
	for _, d := range data {
		if d.GetFieldName() != r.Layout.KeyName() {
			continue
		}
		for _, v := range d.GetScalars().GetLongData().GetData() {
			keys = append(keys, columns.IntKey(v))
		}
		for _, v := range d.GetScalars().GetStringData().GetData() {
			keys = append(keys, columns.TextKey(v))
		}
	}
	return keys
}

// distinct reports whether no key comes twice. Most servers answer in ascending order, which spares the sorting.
func distinct(keys []columns.Key) bool {
	if !slices.IsSortedFunc(keys, columns.Key.Compare) {
		keys = slices.SortedFunc(slices.Values(keys), columns.Key.Compare)
	}
	for i := 1; i < len(keys); i++ {
		if keys[i] == keys[i-1] {
			return false
		}
	}
	return true
}
