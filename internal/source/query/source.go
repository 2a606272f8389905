// Package query reads a collection by ranges of its primary key through Milvus' query API, and proves each range complete by the
// server's own count(*).
package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
	"google.golang.org/protobuf/proto"

	"migrate/internal/columns"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
)

// Source is one collection. It is safe for use by several goroutines: each read holds two pages of about pageBytes in
// memory (as the protocol has them, and as Arrow, which shares their numbers and vectors).
type Source struct {
	coll       *model.Collection
	layout     *columns.Layout
	rowBytes   float64 // of a row on the wire, from a sample of the first rows
	key        milvus.KeyField
	server     *milvus.Server
	extents    *extents
	cutPages   *pagesAhead
	narrow     sync.Map      // by the names of columns: the same source with these only, which learns of the size of its own pages
	unload     func()        // releases the collection; nil where it was loaded before
	asOf       uint64        // every read sees at least what was written before this
	snapshot   bool          // every read sees exactly what was written before asOf
	sealed     bool          // rows in growing segments are left out
	empty      bool          // there is no row, and the server could not be asked
	unfiltered bool          // the server takes no filter on it: it is read whole, by one answer
	pageRows   atomic.Int64  // rows aimed at for a page; halved when an answer was too large
	limit      *rate.Limiter // of rows read; nil where there is none
}

const (
	pageBytes   = 16 << 20
	mostPage    = 50_000
	sampleLimit = 100
)

// eventually is the guarantee timestamp that waits for nothing.
const eventually = 1

// eventualCounts is a source that does not wait until the server has taken in what was written last, which takes it a fifth of a
// second: good enough to cut ranges by, and for nothing that is to be proved.
func (s *Source) eventualCounts() *Source {
	if s.snapshot || !s.server.Capabilities().Clock {
		return s // which is in the past, or knows all at once
	}
	eventual := s.copied()
	eventual.asOf = eventually
	return eventual
}

// copied is a source like this one, which shares what is known of the collection with it.
func (s *Source) copied() *Source {
	c := &Source{
		coll: s.coll, layout: s.layout, key: s.key, rowBytes: s.rowBytes, server: s.server, extents: s.extents, cutPages: s.cutPages,
		asOf: s.asOf, snapshot: s.snapshot, sealed: s.sealed, limit: s.limit, empty: s.empty, unfiltered: s.unfiltered,
	}
	c.pageRows.Store(s.pageRows.Load())
	return c
}

// only is the same source with the columns that are named; with all where none is.
func (s *Source) only(names []string) (*Source, error) {
	if len(names) == 0 {
		return s, nil
	}
	known, ok := s.narrow.Load(strings.Join(names, ","))
	if ok {
		return known.(*Source), nil
	}
	for _, name := range names {
		if !slices.Contains(s.layout.Names(), name) {
			return nil, fmt.Errorf("reading %q: it has no column %q", s.coll.Name, name)
		}
	}
	some := s.copied()
	some.layout = s.layout.Only(func(name string) bool { return slices.Contains(names, name) })
	some.rowBytes, some.cutPages = s.RowBytes(names...), &pagesAhead{}
	some.pageRows.Store(s.pageOf(some.rowBytes))
	known, _ = s.narrow.LoadOrStore(strings.Join(names, ","), some)
	return known.(*Source), nil
}

// RowBytes is the size of these columns of a row on the wire, estimated by a sample of the first rows.
func (s *Source) RowBytes(names ...string) float64 {
	if len(names) == 0 {
		return s.rowBytes
	}
	some := s.layout.Only(func(name string) bool { return slices.Contains(names, name) })
	return min(s.rowBytes, float64(2*some.RowBytes())) // texts take more
}

// Sealed reads the rows of sealed segments only. What was written lately is in growing ones, until the server has flushed
// and loaded it anew.
func (s *Source) Sealed() source.Ranged {
	if !s.server.Capabilities().SegmentRows {
		return nil
	}
	sealed := s.copied()
	sealed.sealed, sealed.cutPages = true, &pagesAhead{}
	return sealed
}

// CountNow counts as of no timestamp: then the server takes the present one.
func (s *Source) CountNow(ctx context.Context) (all, sealed int64, err error) {
	g, ctx := errgroup.WithContext(ctx)
	count := func(n *int64, sealed bool) {
		now := s.copied()
		now.asOf, now.snapshot, now.sealed = 0, false, sealed
		g.Go(func() (err error) {
			*n, err = now.Count(ctx, model.AllPartitions, model.Range{})
			return err
		})
	}
	count(&all, false)
	count(&sealed, true)
	return all, sealed, g.Wait()
}

// pace waits until so many rows might be read.
func (s *Source) pace(ctx context.Context, rows int64) error {
	if s.limit == nil {
		return nil
	}
	for rows > 0 {
		some := min(rows, int64(s.limit.Burst()))
		if err := s.limit.WaitN(ctx, int(some)); err != nil {
			return err
		}
		rows -= some
	}
	return nil
}

// sample sizes the pages by the first rows: by those that the server knows already if they are enough.
func (s *Source) sample(ctx context.Context) error {
	rows, bytes, err := s.eventualCounts().firstRows(ctx)
	if rows < sampleLimit && err == nil {
		rows, bytes, err = s.firstRows(ctx)
	}
	return s.size(rows, bytes, err)
}

// resample sizes the pages by the first rows as they stand, and reports whether that is what Open came to. The same rows
// are then cut into the same pages, however shortly before they were written.
func (s *Source) resample(ctx context.Context) (same bool, err error) {
	before := s.rowBytes
	rows, bytes, err := s.firstRows(ctx)
	err = s.size(rows, bytes, err)
	return s.rowBytes == before, err
}

func (s *Source) size(rows, bytes int, err error) error {
	if err != nil {
		return fmt.Errorf("sampling %q: %w", s.coll.Name, err)
	}
	if rows > 0 {
		s.sizeBy(float64(bytes) / float64(rows))
	} else {
		s.sizeBy(float64(s.layout.RowBytes()))
	}
	return nil
}

func (s *Source) sizeBy(rowBytes float64) {
	s.rowBytes = rowBytes
	s.pageRows.Store(s.pageOf(rowBytes))
}

// pageOf is how many rows of a size are aimed at for a page, which may hold a quarter more.
func (s *Source) pageOf(rowBytes float64) int64 {
	most := cmp.Or(s.server.Capabilities().MostRows*4/5, mostPage)
	return int64(min(max(pageBytes/rowBytes, 1), float64(most)))
}

// firstRows are about a hundred rows, and their bytes on the wire.
func (s *Source) firstRows(ctx context.Context) (rows, bytes int, err error) {
	data, err := s.first(ctx, model.AllPartitions, model.Range{}, s.layout.Names(), sampleLimit)
	for _, d := range data {
		bytes += proto.Size(d)
		rows = max(rows, len(d.GetScalars().GetLongData().GetData()), len(d.GetScalars().GetStringData().GetData()))
	}
	return rows, bytes, err
}

// first are fields of about n rows with the smallest keys of a range: of fewer where so many are too large to send.
func (s *Source) first(ctx context.Context, partition string, rng model.Range, fields []string, n int64) ([]*schemapb.FieldData, error) {
	for n = min(n, mostLimit); ; n /= 2 {
		data, err := s.query(ctx, partition, s.within(rng), fields, limited(n))
		if !errors.Is(err, milvus.ErrTooLarge) || n <= 1 {
			return data, err
		}
	}
}

// Count counts the live rows of a range, each row of a duplicate key included. All rows are counted by no filter, which would have the server
// look at each key; those of a snapshot by one, as a 2.5 was seen to answer.
func (s *Source) Count(ctx context.Context, partition string, rng model.Range) (int64, error) {
	if isWhole(rng) && !s.snapshot && s.server.Capabilities().SegmentRows {
		return s.countWhere(ctx, partition, "")
	}
	return s.countWhere(ctx, partition, s.within(rng))
}

// countWhere counts the live rows that a filter lets through.
func (s *Source) countWhere(ctx context.Context, partition, expr string) (int64, error) {
	if s.empty {
		return 0, nil
	}
	const field = "count(*)"
	data, err := s.query(ctx, partition, expr, []string{field}, nil)
	if err != nil {
		return 0, fmt.Errorf("counting the rows of %q where %s: %w", s.coll.Name, shown(expr), err)
	}
	for _, d := range data {
		if n := d.GetScalars().GetLongData().GetData(); len(n) == 1 {
			return n[0], nil
		}
	}
	return 0, fmt.Errorf("counting the rows of %q where %s: the server answered no count", s.coll.Name, shown(expr))
}

// fetchRange reads the rows of a range of which so many are counted. Where reads see one instant an answer may end early (from
// 2.5 on: where the first of the segments is through), so it goes on from the last key, until all are there, or an answer is empty.
func (s *Source) fetchRange(ctx context.Context, partition string, rng counted) ([]arrow.Record, error) {
	var read []arrow.Record
	for left := rng.Rows; ; {
		rec, err := s.fetch(ctx, partition, s.key.Within(rng.Range), nil)
		if err != nil {
			return nil, err
		}
		read = append(read, rec)
		if left -= rec.NumRows(); !s.snapshot || rec.NumRows() == 0 || left <= 0 {
			return read, nil
		}
		last := slices.MaxFunc(s.layout.Keys(rec), model.Key.Compare)
		if rng.UpTo != nil && last.Compare(*rng.UpTo) >= 0 {
			return read, nil
		}
		if err := s.checkForward(rng.Range, last); err != nil {
			return nil, err
		}
		rng.After = &last
	}
}

// fetch reads the rows of a filter that one answer has as one record batch: one row of each key.
func (s *Source) fetch(ctx context.Context, partition, expr string, params []*commonpb.KeyValuePair) (arrow.Record, error) {
	data, err := s.query(ctx, partition, expr, s.layout.Names(), params)
	if err != nil {
		return nil, fmt.Errorf("reading %q where %s: %w", s.coll.Name, shown(expr), err)
	}
	rec, err := s.distinct(data)
	if err != nil {
		return nil, fmt.Errorf("reading %q where %s: %w", s.coll.Name, shown(expr), err)
	}
	return rec, s.pace(ctx, rec.NumRows())
}

// distinct makes a record batch of an answer with one row of each key.
func (s *Source) distinct(data []*schemapb.FieldData) (arrow.Record, error) {
	rec, err := s.layout.Decode(data)
	if err != nil || distinct(s.layout.Keys(rec)) {
		return rec, err
	}
	return s.layout.Rows(rec, firstOfEach(s.layout.Keys(rec)))
}

// distinct reports whether no key comes twice. Most servers answer in ascending order, which spares the sorting.
func distinct(keys []model.Key) bool {
	if !slices.IsSortedFunc(keys, model.Key.Compare) {
		keys = slices.SortedFunc(slices.Values(keys), model.Key.Compare)
	}
	for i := 1; i < len(keys); i++ {
		if keys[i] == keys[i-1] {
			return false
		}
	}
	return true
}

// firstOfEach are the numbers of the rows that are the first of their key.
func firstOfEach(keys []model.Key) []int {
	seen, rows := make(map[model.Key]bool, len(keys)), []int(nil)
	for i, k := range keys {
		if !seen[k] {
			seen[k] = true
			rows = append(rows, i)
		}
	}
	return rows
}

// shown is a filter as an error shows it: it may name thousands of keys.
func shown(expr string) string {
	const most = 200
	if len(expr) <= most {
		return expr
	}
	return strings.ToValidUTF8(expr[:most], "") + "…"
}

func (s *Source) query(ctx context.Context, partition, expr string, fields []string, params []*commonpb.KeyValuePair) ([]*schemapb.FieldData, error) {
	if s.empty {
		return s.layout.Empty(), nil
	}
	if s.snapshot && len(params) == 0 {
		params = iterating() // which makes the server see exactly the timestamp
	}
	if s.sealed {
		params = append(params, &commonpb.KeyValuePair{Key: "ignore_growing", Value: "True"})
	}
	answer, err := s.ask(ctx, partition, expr, fields, params)
	if errors.Is(err, milvus.ErrNoRawData) && s.holdsNothing(ctx) {
		return s.layout.Empty(), nil
	}
	return answer.Columns, err
}

// holdsNothing reports whether the collection surely has no row.
func (s *Source) holdsNothing(ctx context.Context) bool {
	n, err := s.Count(ctx, model.AllPartitions, model.Range{})
	return err == nil && n == 0
}

func (s *Source) ask(ctx context.Context, partition, expr string, fields []string, params []*commonpb.KeyValuePair) (milvus.Answer, error) {
	if s.layout.Has(schemapb.DataType_Timestamptz) {
		params = append(slices.Clip(params), &commonpb.KeyValuePair{Key: "timezone", Value: "UTC"})
	}
	return s.server.Query(ctx, milvus.Query{
		Collection: s.coll.Name, Partition: partition, Filter: expr, Fields: fields, AsOf: s.asOf, Params: params,
	})
}

// mostLimit is the largest limit that a server takes.
const mostLimit = 16_384

// limited asks for the rows with the smallest keys, about n of them: the iterator's parameters make the server keep
// that order, and a short answer is not the end.
func limited(n int64) []*commonpb.KeyValuePair {
	return append(iterating(),
		&commonpb.KeyValuePair{Key: "limit", Value: strconv.FormatInt(min(n, mostLimit), 10)},
		&commonpb.KeyValuePair{Key: "reduce_stop_for_best", Value: "True"})
}

func iterating() []*commonpb.KeyValuePair {
	return []*commonpb.KeyValuePair{{Key: "iterator", Value: "True"}}
}
