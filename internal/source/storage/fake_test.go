package storage_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source/storage/binlog"
	"migrate/internal/source/storage/binlog/binlogtest"
	"migrate/sinks/memory"
)

// fake is a Milvus in memory as far as its storage goes. It writes that as 2.3 does, or deletes into segments of level 0, as 2.4 and 2.5 do.
type fake struct {
	coll     *model.Collection
	bucket   memory.Sink
	level    bool
	version  string
	flushing func(nth int)  // called before each flush
	flushed  func(nth int)  // called after each
	listed   func()         // called after each list of segments
	holds    func(row) bool // rows that the first flush comes too early for
	columns  bool           // deltas in two columns

	mu         sync.Mutex
	clock      uint64
	flushes    int
	partitions map[int64]string
	growing    []row
	synced     map[int64]*sealed // growing segments that have logs, by partition
	segments   []*sealed
	deletes    []kill
	importing  bool
	compacted  int
	loses      bool  // deletes in a compaction
	away       error // of PartitionIDs
	secret     error // of SegmentLogs
	late       int   // how many counts see no row yet
	journal    []row // everything that was ever written
}

type row struct {
	partition int64
	key       int64
	ts        uint64
}

// kill is a delete of a key; it is in the storage once it is stored.
type kill struct {
	key    int64
	ts     uint64
	stored bool
}

// sealed is a segment.
type sealed struct {
	milvus.Segment
	rows []row
	dead []kill // of its own, not stored yet
	logs milvus.SegmentLogs
	// stray is a log of deletes that the server tells of once it was asked so many times.
	stray  int64
	untold int
}

// newFake has the partitions of sourcetest, by numbers from 10 on.
func newFake(coll *model.Collection) *fake {
	f := &fake{coll: coll, version: "v2.3.5", partitions: map[int64]string{}, synced: map[int64]*sealed{}, clock: 100_000}
	f.coll.ID = 7
	for i, field := range f.coll.Schema.Fields {
		field.FieldID = int64(binlog.FirstUser + i)
	}
	for i, name := range coll.Partitions {
		f.partitions[int64(10+i)] = name
	}
	return f
}

func (f *fake) tick() uint64 { f.clock++; return f.clock }

func (f *fake) insert(partition int64, keys ...int64) {
	ts := f.tick()
	for _, k := range keys {
		r := row{partition, k, ts}
		f.growing, f.journal = append(f.growing, r), append(f.journal, r)
	}
}

// remove deletes a key wherever it is.
func (f *fake) remove(key int64) { f.removeAt(key, f.tick()) }

func (f *fake) removeAt(key int64, ts uint64) {
	f.deletes = append(f.deletes, kill{key: key, ts: ts})
	for _, g := range f.segments {
		if !f.level && slices.ContainsFunc(g.rows, func(r row) bool { return r.key == key }) {
			g.dead = append(g.dead, kill{key: key, ts: ts})
		}
	}
}

// upsert deletes and inserts at once.
func (f *fake) upsert(partition, key int64) {
	ts := f.tick()
	f.removeAt(key, ts)
	r := row{partition, key, ts}
	f.growing, f.journal = append(f.growing, r), append(f.journal, r)
}

// flush stores what was written.
func (f *fake) flush(hold func(row) bool) {
	byPartition := map[int64][]row{}
	var held []row
	for _, r := range f.growing {
		if hold != nil && hold(r) && !f.isSynced(r) {
			held = append(held, r)
			continue
		}
		byPartition[r.partition] = append(byPartition[r.partition], r)
	}
	f.growing = held
	for partition := range f.partitions {
		if rows := byPartition[partition]; len(rows) > 0 {
			f.seal(partition, rows, f.synced[partition])
		}
		delete(f.synced, partition)
	}
	f.storeDeletes()
}

// sync stores what was written, as a flush does that comes upon rows which are written just then: their segments go on growing.
func (f *fake) sync() {
	for partition := range f.partitions {
		var rows []row
		for _, r := range f.growing {
			if r.partition == partition {
				rows = append(rows, r)
			}
		}
		if len(rows) == 0 || f.synced[partition] != nil {
			continue
		}
		g := &sealed{Segment: milvus.Segment{ID: int64(f.tick()), Partition: partition}, rows: rows}
		f.synced[partition] = g
		f.storeRows(g, rows)
		f.putDeletes(g, f.killsOf(rows))
	}
}

func (f *fake) isSynced(r row) bool {
	g := f.synced[r.partition]
	return g != nil && slices.Contains(g.rows, r)
}

// killsOf are the deletes of rows which are those of a segment: of 2.3 they are its own.
func (f *fake) killsOf(rows []row) (kills []kill) {
	for _, k := range f.deletes {
		if !f.level && slices.ContainsFunc(rows, func(r row) bool { return r.key == k.key && r.ts < k.ts }) {
			kills = append(kills, k)
		}
	}
	return kills
}

// seal makes a segment of rows, of which one that grew has some.
func (f *fake) seal(partition int64, rows []row, grew *sealed) {
	g := cmp.Or(grew, &sealed{Segment: milvus.Segment{ID: int64(f.tick()), Partition: partition}})
	rest := slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return slices.Contains(g.rows, r) })
	g.rows, g.Rows, g.Flushed, g.dead = slices.Concat(g.rows, rest), int64(len(rows)), true, f.killsOf(rows)
	f.segments = append(f.segments, g)
	half := 0
	if len(rest) > 3 {
		half = len(rest) / 2
	}
	for _, some := range [][]row{rest[:half], rest[half:]} {
		if len(some) > 0 {
			f.storeRows(g, some)
		}
	}
}

func (f *fake) storeRows(g *sealed, rows []row) {
	system := func(id int64, name string) *schemapb.FieldSchema {
		return &schemapb.FieldSchema{FieldID: id, Name: name, DataType: schemapb.DataType_Int64}
	}
	fields := append([]*schemapb.FieldSchema{system(binlog.RowID, "RowID"), system(binlog.Timestamp, "Timestamp")}, f.coll.Schema.Fields...)
	times := labtest.Each(len(rows), func(i int) int64 { return int64(rows[i].ts) })
	columns := append([]*schemapb.FieldData{labtest.Column(fields[0], times), labtest.Column(fields[1], times)}, f.columnsOf(rows)...)
	for i, field := range fields {
		of := binlog.Owner{Collection: f.coll.ID, Partition: g.Partition, Segment: g.ID, Field: field.FieldID}
		log := int64(f.tick())
		f.put(logName(of, log), binlogtest.Insert(of, field, columns[i]))
		if g.logs.Inserts == nil {
			g.logs.Inserts = map[int64][]int64{}
		}
		g.logs.Inserts[field.FieldID] = append(g.logs.Inserts[field.FieldID], log)
	}
}

// columnsOf are the columns of sourcetest; the text of a row tells it from others of the same key.
func (f *fake) columnsOf(rows []row) []*schemapb.FieldData {
	fields := f.coll.Schema.Fields
	keys := labtest.Column(fields[0], labtest.Each(len(rows), func(i int) int64 { return rows[i].key }))
	if fields[0].DataType == schemapb.DataType_VarChar {
		keys = labtest.Column(fields[0], labtest.Each(len(rows), func(i int) string { return fmt.Sprint("key ", rows[i].key) }))
	}
	var vectors []float32
	for _, r := range rows {
		vectors = append(vectors, float32(r.key), float32(r.ts), 0, 1)
	}
	v := labtest.Vectors("v", 4, len(rows), 1)
	v.GetVectors().GetFloatVector().Data = vectors
	return []*schemapb.FieldData{keys, labtest.Column(fields[1], labtest.Each(len(rows), func(i int) string { return textOf(rows[i]) })), v}
}

func textOf(r row) string { return fmt.Sprintf("%d at %d", r.key, r.ts) }

func (f *fake) storeDeletes() {
	if f.level {
		f.storeLevel()
		return
	}
	for _, g := range f.segments {
		f.putDeletes(g, g.dead)
		g.dead = nil
	}
}

// storeLevel puts all deletes into a segment of level 0: of each partition, or of all of them.
func (f *fake) storeLevel() {
	var some []kill
	for i := range f.deletes {
		if !f.deletes[i].stored {
			some = append(some, f.deletes[i])
			f.deletes[i].stored = true
		}
	}
	if len(some) == 0 {
		return
	}
	to := []int64{-1}
	if f.tick()%2 == 0 {
		to = nil
		for partition := range f.partitions {
			to = append(to, partition)
		}
	}
	for _, partition := range to {
		g := &sealed{Segment: milvus.Segment{ID: int64(f.tick()), Partition: partition, Flushed: true, Deletes: true}}
		f.segments = append(f.segments, g)
		f.putDeletes(g, some)
	}
}

func (f *fake) putDeletes(g *sealed, kills []kill) {
	if len(kills) == 0 {
		return
	}
	var all []binlogtest.Delete
	for _, k := range kills {
		key := model.IntKey(k.key)
		if f.coll.Schema.Fields[0].DataType == schemapb.DataType_VarChar {
			key = model.TextKey(fmt.Sprint("key ", k.key))
		}
		all = append(all, binlogtest.Delete{Key: key, TS: k.ts})
	}
	write := binlogtest.Deletes
	if f.columns {
		write = binlogtest.ColumnDeletes
	}
	of := binlog.Owner{Collection: f.coll.ID, Partition: g.Partition, Segment: g.ID, Field: -1}
	log := int64(f.tick())
	f.put(fmt.Sprintf("delta_log/%d/%d/%d/%d", f.coll.ID, g.Partition, g.ID, log), write(of, all...))
	g.logs.Deletes = append(g.logs.Deletes, log)
}

func (f *fake) put(name string, data []byte) {
	_, err := f.bucket.Put(context.Background(), name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		panic(err) // a sink in memory takes everything
	}
}

// compact makes one segment of all of a partition, without the rows that are deleted by then. The logs of those stay.
func (f *fake) compact(partition int64) {
	var rows []row
	f.compacted++
	f.segments = slices.DeleteFunc(f.segments, func(g *sealed) bool {
		if g.Partition != partition || g.Deletes {
			return false
		}
		for _, r := range g.rows {
			if !f.deadAt(r, f.clock) {
				rows = append(rows, r)
			}
		}
		return true
	})
	if len(rows) > 0 {
		f.seal(partition, rows, nil)
	}
}

func (f *fake) deadAt(r row, at uint64) bool {
	return slices.ContainsFunc(f.deletes, func(k kill) bool { return k.key == r.key && r.ts < k.ts && k.ts <= at })
}

func (f *fake) drop(partition int64) {
	delete(f.partitions, partition)
	f.growing = slices.DeleteFunc(f.growing, func(r row) bool { return r.partition == partition })
	f.coll.Partitions = nil
	for _, name := range f.partitions {
		f.coll.Partitions = append(f.coll.Partitions, name)
	}
	slices.Sort(f.coll.Partitions)
}

// alive are the rows at an instant, by partition; of each key the newest, where one is asked for.
func (f *fake) alive(at uint64, newest bool) map[string][]string {
	last := map[[2]int64]row{}
	all := map[string][]string{}
	for _, r := range f.journal {
		name, there := f.partitions[r.partition]
		if !there || r.ts > at || f.deadAt(r, at) {
			continue
		}
		all[name] = append(all[name], textOf(r))
		if was := last[[2]int64{r.partition, r.key}]; r.ts >= was.ts {
			last[[2]int64{r.partition, r.key}] = r
		}
	}
	if newest {
		all = map[string][]string{}
		for _, r := range last {
			all[f.partitions[r.partition]] = append(all[f.partitions[r.partition]], textOf(r))
		}
	}
	for _, rows := range all {
		slices.Sort(rows)
	}
	return all
}

// What a Milvus tells.

func (f *fake) Capabilities() model.Capabilities {
	later := strings.HasPrefix(f.version, "v2.5")
	return model.Capabilities{CompactionLosesDeletes: f.loses, LogsV1: later || strings.HasPrefix(f.version, "v2.3"), SnapshotReads: later, TellsLogs: later}
}
func (f *fake) Version() string { return f.version }

func (f *fake) Now(context.Context) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tick(), nil
}

func (f *fake) CountAsOf(_ context.Context, _ string, asOf uint64) (n int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.late--; f.late >= 0 {
		return 0, nil
	}
	if !f.Capabilities().SnapshotReads {
		asOf = f.clock
	}
	for _, rows := range f.alive(asOf, false) {
		n += int64(len(rows))
	}
	return n, nil
}

func (f *fake) SegmentLogs(_ context.Context, _ int64, segments []int64) (map[int64]milvus.SegmentLogs, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.secret != nil || !f.Capabilities().TellsLogs {
		return nil, f.secret
	}
	all := map[int64]milvus.SegmentLogs{}
	for _, g := range f.segments {
		if slices.Contains(segments, g.ID) {
			all[g.ID] = g.logs
			if g.untold--; g.untold == 0 {
				g.logs.Deletes = append(g.logs.Deletes, g.stray)
			}
		}
	}
	return all, nil
}

func (f *fake) FlushAt(context.Context, string) (told milvus.Flushed, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flushes++
	if f.flushing != nil {
		f.flushing(f.flushes)
	}
	told.At = f.tick()
	hold := f.holds
	if f.flushes%2 == 0 {
		hold = nil
	}
	before := slices.Clone(f.segments)
	f.flush(hold)
	for _, g := range f.segments { // but for those of level 0
		if g.Deletes {
			continue
		}
		if told.Segments = append(told.Segments, g.ID); !slices.Contains(before, g) {
			told.Sealed = append(told.Sealed, g.ID)
		}
	}
	if f.flushed != nil {
		f.flushed(f.flushes)
	}
	return told, nil
}

func (f *fake) PersistentSegments(context.Context, string) (all []milvus.Segment, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.segments {
		all = append(all, g.Segment)
	}
	if f.listed != nil {
		f.listed()
	}
	return all, nil
}

func (f *fake) PartitionIDs(context.Context, string) (map[int64]string, error) {
	return f.partitions, f.away
}
func (f *fake) Importing(context.Context, string) (bool, error) { return f.importing, nil }
