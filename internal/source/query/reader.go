// Package query reads a collection by ranges of its primary key through Milvus' query API, and proves each range complete by the
// server's own count(*).
package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"golang.org/x/time/rate"
	"google.golang.org/protobuf/proto"

	"migrate/internal/columns"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// Reader reads one collection. It is safe for use by several goroutines: each read holds two pages of about pageBytes in
// memory (as the protocol has them, and as Arrow, which shares their numbers and vectors).
type Reader struct {
	Collection *model.Collection
	Layout     *columns.Layout
	RowBytes   float64 // of a row on the wire, from a sample of the first rows

	key      milvus.KeyField
	server   *milvus.Server
	extents  *extents
	ahead    *pagesAhead
	asOf     uint64        // every read sees at least what was written before this
	snapshot bool          // every read sees exactly what was written before asOf
	sealed   bool          // rows in growing segments are left out
	empty    bool          // there is no row, and the server could not be asked
	pageRows atomic.Int64  // rows aimed at for a page; halved when an answer was too large
	limit    *rate.Limiter // of rows read; nil where there is none
}

const (
	pageBytes   = 16 << 20
	mostPage    = 50_000
	sampleLimit = 100
)

// Open prepares to read a loaded collection as it stands now. ErrNotLoaded where it is not loaded as a whole, and ErrNoIndex where
// it can't be: unless it has no row, which is known without a query.
func Open(ctx context.Context, server *milvus.Server, coll *model.Collection) (*Reader, error) {
	layout, err := columns.NewLayout(coll.Schema)
	if err != nil {
		return nil, fmt.Errorf("collection %q: %w", coll.Name, err)
	}
	if err := server.Capabilities().CheckKey(coll.Schema); err != nil {
		return nil, fmt.Errorf("reading %q on %s: %w", coll.Name, server.Address, err)
	}
	r := &Reader{Collection: coll, Layout: layout, key: milvus.KeyOf(coll.Schema), server: server, extents: &extents{}, ahead: &pagesAhead{}}
	if !coll.Loaded {
		return r, r.openUnloaded(ctx)
	}
	if err := r.begin(ctx); err != nil {
		return nil, err
	}
	return r, r.sample(ctx)
}

// openUnloaded refuses a collection that is not loaded, unless it can't be and is empty.
func (r *Reader) openUnloaded(ctx context.Context) error {
	fields := r.Collection.Unindexed()
	if len(fields) == 0 {
		return fmt.Errorf("reading %q on %s: %w as a whole", r.Collection.Name, r.server.Address, milvus.ErrNotLoaded)
	}
	rows, err := r.server.RowCount(ctx, r.Collection.Name)
	if err != nil {
		return err
	}
	if rows > 0 {
		return fmt.Errorf("reading %q on %s, which has %d rows: %w on %s, so it can't be loaded",
			r.Collection.Name, r.server.Address, rows, milvus.ErrNoIndex, strings.Join(fields, ", "))
	}
	r.empty = true
	return r.size(0, 0, nil)
}

// begin takes a snapshot where the server gives one, and the present time elsewhere.
func (r *Reader) begin(ctx context.Context) (err error) {
	if r.server.Capabilities().SnapshotReads {
		answer, err := r.ask(ctx, model.AllPartitions, r.key.Within(model.Range{}), []string{r.Layout.KeyName()}, limited(1))
		if err != nil {
			return fmt.Errorf("taking a snapshot of %q: %w", r.Collection.Name, err)
		}
		r.At(answer.Snapshot)
	}
	if !r.snapshot {
		r.asOf, err = r.server.Now(ctx)
	}
	return err
}

// Snapshot is the instant that all reads see, as a timestamp of the server. It is 0 where the server can't hold one: then
// each read sees what was written before Open, and of what was written since whatever is there by then.
func (r *Reader) Snapshot() uint64 {
	if !r.snapshot {
		return 0
	}
	return r.asOf
}

// At has all reads see the snapshot of another reader of the same collection, unless that is 0.
func (r *Reader) At(snapshot uint64) {
	if snapshot > 0 {
		r.asOf, r.snapshot = snapshot, true
	}
}

// eventually is the guarantee timestamp that waits for nothing.
const eventually = 1

// Loosely is a reader that does not wait until the server has taken in what was written last, which takes it a fifth of a
// second: good enough to cut ranges by, and for nothing that is to be proved.
func (r *Reader) Loosely() *Reader {
	if r.snapshot {
		return r // which is in the past
	}
	loose := r.copied()
	loose.asOf = eventually
	return loose
}

// copied is a reader like this one, which shares what is known of the collection with it.
func (r *Reader) copied() *Reader {
	c := &Reader{
		Collection: r.Collection, Layout: r.Layout, key: r.key, RowBytes: r.RowBytes, server: r.server, extents: r.extents, ahead: r.ahead,
		asOf: r.asOf, snapshot: r.snapshot, sealed: r.sealed, limit: r.limit, empty: r.empty,
	}
	c.pageRows.Store(r.pageRows.Load())
	return c
}

// KeysOnly reads the same rows, and of each only the primary key.
func (r *Reader) KeysOnly() *Reader {
	keys := r.copied()
	keys.Layout = r.Layout.Only(func(name string) bool { return name == r.Layout.KeyName() })
	keys.RowBytes, keys.ahead = min(r.RowBytes, 16), &pagesAhead{}
	keys.pageRows.Store(mostPage)
	return keys
}

// Sealed reads the rows of sealed segments only. What was written lately is in growing ones, until the server has flushed
// and loaded it anew.
func (r *Reader) Sealed() *Reader {
	sealed := r.copied()
	sealed.sealed, sealed.ahead = true, &pagesAhead{}
	return sealed
}

// Throttle bounds how many rows a second this reader reads, and all that are made of it. There is no limit where it is 0.
func (r *Reader) Throttle(rowsPerSecond int) {
	if r.limit = nil; rowsPerSecond > 0 {
		r.limit = rate.NewLimiter(rate.Limit(rowsPerSecond), rowsPerSecond)
	}
}

// rest waits until so many rows might be read.
func (r *Reader) rest(ctx context.Context, rows int64) error {
	if r.limit == nil {
		return nil
	}
	for rows > 0 {
		some := min(rows, int64(r.limit.Burst()))
		if err := r.limit.WaitN(ctx, int(some)); err != nil {
			return err
		}
		rows -= some
	}
	return nil
}

// Partitions are the partitions to read one by one.
func (r *Reader) Partitions() []string {
	if model.PartitionKey(r.Collection.Schema) {
		return []string{model.AllPartitions}
	}
	return r.Collection.Partitions
}

// sample sizes the pages by the first rows: by those that the server knows already if they are enough.
func (r *Reader) sample(ctx context.Context) error {
	rows, bytes, err := r.Loosely().firstRows(ctx)
	if rows < sampleLimit && err == nil {
		rows, bytes, err = r.firstRows(ctx)
	}
	return r.size(rows, bytes, err)
}

// Resample sizes the pages by the first rows as they stand, and reports whether that is what Open came to. The same rows
// are then cut into the same pages, however shortly before they were written.
func (r *Reader) Resample(ctx context.Context) (same bool, err error) {
	before := r.RowBytes
	rows, bytes, err := r.firstRows(ctx)
	err = r.size(rows, bytes, err)
	return r.RowBytes == before, err
}

func (r *Reader) size(rows, bytes int, err error) error {
	if err != nil {
		return fmt.Errorf("sampling %q: %w", r.Collection.Name, err)
	}
	r.RowBytes = float64(r.Layout.RowBytes())
	if rows > 0 {
		r.RowBytes = float64(bytes) / float64(rows)
	}
	r.pageRows.Store(int64(min(max(pageBytes/r.RowBytes, 1), mostPage)))
	return nil
}

// firstRows are about a hundred rows, and their bytes on the wire.
func (r *Reader) firstRows(ctx context.Context) (rows, bytes int, err error) {
	data, err := r.first(ctx, model.AllPartitions, model.Range{}, r.Layout.Names(), sampleLimit)
	for _, d := range data {
		bytes += proto.Size(d)
		rows = max(rows, len(d.GetScalars().GetLongData().GetData()), len(d.GetScalars().GetStringData().GetData()))
	}
	return rows, bytes, err
}

// first are fields of about n rows with the smallest keys of a range: of fewer where so many are too large to send.
func (r *Reader) first(ctx context.Context, partition string, rng model.Range, fields []string, n int64) ([]*schemapb.FieldData, error) {
	for n = min(n, mostLimit); ; n /= 2 {
		data, err := r.query(ctx, partition, r.key.Within(rng), fields, limited(n))
		if !errors.Is(err, milvus.ErrTooLarge) || n <= 1 {
			return data, err
		}
	}
}

// Count counts the live rows of a range, each copy of a doubled key included.
func (r *Reader) Count(ctx context.Context, partition string, rng model.Range) (int64, error) {
	return r.CountWhere(ctx, partition, r.key.Within(rng))
}

// CountWhere counts the live rows that a filter lets through.
func (r *Reader) CountWhere(ctx context.Context, partition, expr string) (int64, error) {
	if r.empty {
		return 0, nil
	}
	const field = "count(*)"
	data, err := r.query(ctx, partition, expr, []string{field}, nil)
	if err != nil {
		return 0, fmt.Errorf("counting the rows of %q where %s: %w", r.Collection.Name, shown(expr), err)
	}
	for _, d := range data {
		if n := d.GetScalars().GetLongData().GetData(); len(n) == 1 {
			return n[0], nil
		}
	}
	return 0, fmt.Errorf("counting the rows of %q where %s: the server answered no count", r.Collection.Name, shown(expr))
}

// fetchRange reads the rows of a range of which so many are counted. Where reads see one instant an answer may end early (from
// 2.5 on: where the first of the segments is through), so it goes on from the last key, until all are there, or an answer is empty.
func (r *Reader) fetchRange(ctx context.Context, partition string, rng Counted) ([]arrow.Record, error) {
	var read []arrow.Record
	for left := rng.Rows; ; {
		rec, err := r.fetch(ctx, partition, r.key.Within(rng.Range), nil)
		if err != nil {
			return nil, err
		}
		read = append(read, rec)
		if left -= rec.NumRows(); !r.snapshot || rec.NumRows() == 0 || left <= 0 {
			return read, nil
		}
		last := slices.MaxFunc(r.Layout.Keys(rec), model.Key.Compare)
		if rng.UpTo != nil && last.Compare(*rng.UpTo) >= 0 {
			return read, nil
		}
		if err := r.checkForward(rng.Range, last); err != nil {
			return nil, err
		}
		rng.After = &last
	}
}

// fetch reads the rows of a filter that one answer has as one record batch: one row of each key.
func (r *Reader) fetch(ctx context.Context, partition, expr string, params []*commonpb.KeyValuePair) (arrow.Record, error) {
	data, err := r.query(ctx, partition, expr, r.Layout.Names(), params)
	if err != nil {
		return nil, fmt.Errorf("reading %q where %s: %w", r.Collection.Name, shown(expr), err)
	}
	rec, err := r.distinct(data)
	if err != nil {
		return nil, fmt.Errorf("reading %q where %s: %w", r.Collection.Name, shown(expr), err)
	}
	return rec, r.rest(ctx, rec.NumRows())
}

// distinct makes a record batch of an answer with one row of each key.
func (r *Reader) distinct(data []*schemapb.FieldData) (arrow.Record, error) {
	rec, err := r.Layout.Decode(data)
	if err != nil || distinct(r.Layout.Keys(rec)) {
		return rec, err
	}
	return r.Layout.Rows(rec, firstOfEach(r.Layout.Keys(rec)))
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

func (r *Reader) query(ctx context.Context, partition, expr string, fields []string, params []*commonpb.KeyValuePair) ([]*schemapb.FieldData, error) {
	if r.empty {
		return r.Layout.Empty(), nil
	}
	if r.snapshot && len(params) == 0 {
		params = iterating() // which makes the server see exactly the timestamp
	}
	if r.sealed {
		params = append(params, &commonpb.KeyValuePair{Key: "ignore_growing", Value: "True"})
	}
	answer, err := r.ask(ctx, partition, expr, fields, params)
	return answer.Columns, err
}

func (r *Reader) ask(ctx context.Context, partition, expr string, fields []string, params []*commonpb.KeyValuePair) (milvus.Answer, error) {
	return r.server.Query(ctx, milvus.Query{
		Collection: r.Collection.Name, Partition: partition, Filter: expr, Fields: fields, AsOf: r.asOf, Params: params,
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
