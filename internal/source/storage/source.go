package storage

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"migrate/internal/clock"
	"migrate/internal/columns"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/storage/binlog"
	"migrate/sinks"
)

// Options of reading. The zero value is useful.
type Options struct {
	// Told is told what is to be known of a plan.
	Told func(what string)
	// Garbage is paused while the logs are read; it is left alone where nil.
	Garbage Garbage

	AskEvery time.Duration // how often the segments are listed, until they stay the same and are flushed; 200 ms where zero
	Entries  int           // rows whose keys are held against each other at once; 8 million where zero

	RenewEvery time.Duration // how often a pause is renewed; 20 s where zero
	KeptFor    time.Duration // how long the server keeps what a compaction has replaced; 3 h where zero
}

func (o Options) askEvery() time.Duration { return cmp.Or(o.AskEvery, 200*time.Millisecond) }

// Opener opens collections of a server whose storage is a folder or a bucket: that which its logs lie in.
func Opener(server Server, bucket sinks.Sink, opts Options) source.Opener {
	return func(ctx context.Context, coll *model.Collection, pin json.RawMessage) (source.Source, error) {
		s, err := open(ctx, server, bucket, coll, pin, opts)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}

// Source is a collection in the storage of its server.
type Source struct {
	server   Server
	bucket   sinks.Sink
	coll     *model.Collection
	layout   *columns.Layout
	opts     Options
	fieldIDs []int64 // that are described, and those that a server adds
	release  func()  // what keeps the logs there; nil where nothing does
	paused   bool    // garbage collection was, at first

	mu         sync.Mutex
	pinned     bool // as an earlier run planned it
	partitions map[int64]string
	cut        cut
	segments   []*segment // those that hold rows, by number
	copies     []several
	counted    bool // the rows were held against count(*)
	chunkRows  map[string]int64
	chunks     map[string][][]piece // by the partition that chunks name
}

func open(ctx context.Context, server Server, bucket sinks.Sink, coll *model.Collection, pin json.RawMessage, opts Options) (*Source, error) {
	layout, err := columns.NewLayout(coll.Schema)
	if err != nil {
		return nil, fmt.Errorf("collection %q: %w", coll.Name, err)
	}
	if err := Check(server, coll); err != nil {
		return nil, err
	}
	s := &Source{server: server, bucket: bucket, coll: coll, layout: layout, opts: opts, fieldIDs: []int64{binlog.RowID, binlog.Timestamp}}
	for _, f := range coll.Schema.GetFields() {
		s.fieldIDs = append(s.fieldIDs, f.GetFieldID())
	}
	if len(pin) > 0 {
		if err := s.openPinned(ctx, pin); err != nil {
			return nil, errors.Join(err, s.Close(ctx))
		}
		s.cutChunks()
	}
	return s, nil
}

// Check refuses a collection that can't be read from the storage of its server: ErrUnsupported.
func Check(server Server, coll *model.Collection) error {
	refused := ""
	switch {
	case !server.Capabilities().LogsV1:
		refused = fmt.Sprintf("of version %q: it is known of 2.3, 2.4 and 2.5", server.Version())
	case property(coll, "collection.ttl.seconds") > 0:
		refused = "with collection.ttl.seconds: which rows have expired is not told by it"
	default:
		return nil
	}
	return fmt.Errorf("collection %q: %w of a server %s", coll.Name, ErrUnsupported, refused)
}

func property(coll *model.Collection, key string) (n int64) {
	for _, p := range coll.Properties {
		if p.GetKey() == key {
			_, _ = fmt.Sscan(p.GetValue(), &n) // no number is none
		}
	}
	return n
}

// Collection is all of the collection but its rows.
func (s *Source) Collection() *model.Collection { return s.coll }

// Close leaves the logs to garbage collection again. The server's connection and the bucket are its caller's.
func (s *Source) Close(context.Context) error {
	if s.release != nil {
		s.release()
	}
	return nil
}

// A cut is made so often where a compaction was in the way, and so long after the one before, in terms of AskEvery: 10 s.
const (
	mostCuts     = 4
	betweenLooks = 50
)

// Plan flushes, finds out which rows there are by their keys and times, and cuts them into chunks.
func (s *Source) Plan(ctx context.Context, size source.Size) (*source.Plan, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(ctx)
	if err := s.planUndisturbed(ctx); err != nil {
		return nil, err
	}
	s.chunkRows = map[string]int64{}
	for _, name := range s.coll.PartitionsToRead() {
		s.chunkRows[name] = s.rowsOfChunk(name, size)
	}
	s.cutChunks()
	return s.planned()
}

// planUndisturbed plans anew where a compaction came between, once it may be over.
func (s *Source) planUndisturbed(ctx context.Context) error {
	for cuts := 1; ; cuts++ {
		err := s.plan(ctx)
		passes := errors.Is(err, errGone) || errors.Is(err, sinks.ErrNotExist) || errors.Is(err, errCompacted)
		if !passes || cuts == mostCuts {
			return err
		}
		if err := clock.Sleep(ctx, betweenLooks*s.opts.askEvery()); err != nil {
			return err
		}
	}
}

func (s *Source) plan(ctx context.Context) (err error) {
	if s.cut, err = s.cutNow(ctx); err != nil {
		return err
	}
	for _, g := range slices.Concat(s.cut.segments, s.cut.replaced) {
		if g.Storage > 1 {
			return fmt.Errorf("collection %q: segment %d: %w", s.coll.Name, g.ID, binlog.ErrLayout)
		}
	}
	s.setSegments()
	return s.look(ctx)
}

func (s *Source) setSegments() {
	s.segments = nil
	add := func(all []milvus.Segment, gone bool) {
		for _, g := range all {
			if !g.Deletes && g.Rows > 0 {
				s.segments = append(s.segments, &segment{Segment: g, number: len(s.segments), gone: gone, readAs: s.readAs(g.Partition)})
			}
		}
	}
	add(s.cut.replaced, true) // first: of rows that were written at once, those of later segments are read
	add(s.cut.segments, false)
}

func (s *Source) planned() (*source.Plan, error) {
	plan := &source.Plan{Snapshot: s.cut.at}
	for _, name := range s.coll.PartitionsToRead() {
		for number, pieces := range s.chunks[name] {
			c := model.Chunk{Partition: name, Number: number, Scattered: true}
			for _, p := range pieces {
				c.Rows += s.segments[p.segment].alive.count(p.from, p.to)
			}
			plan.Chunks = append(plan.Chunks, c)
			plan.Rows += c.Rows
		}
	}
	plan.Bytes = int64(float64(plan.Rows) * s.rowBytes(func(*segment) bool { return true }))
	if !s.paused && float64(plan.Bytes)/slowest > s.keptFor().Seconds() {
		s.tell(s.mayGo("it may take longer than"))
	}
	if s.cut.loaded && !s.counted {
		s.tell("the rows were not held against count(*), since somebody wrote meanwhile, or segments were compacted: every segment's were, against what the server says of it")
	}
	var err error
	plan.Pin, err = s.pin()
	return plan, err
}

// piece is rows of a segment.
type piece struct {
	segment  int
	from, to int64
}

// cutChunks cuts the segments of each partition one after the other.
func (s *Source) cutChunks() {
	s.chunks = map[string][][]piece{}
	for _, name := range s.coll.PartitionsToRead() {
		var chunk []piece
		room := s.chunkRows[name]
		for _, g := range s.segments {
			if g.readAs != name {
				continue
			}
			for at := int64(0); at < g.Rows; {
				to := min(g.Rows, at+room)
				chunk = append(chunk, piece{g.number, at, to})
				if room -= to - at; room == 0 {
					s.chunks[name], chunk, room = append(s.chunks[name], chunk), nil, s.chunkRows[name]
				}
				at = to
			}
		}
		if len(chunk) > 0 || len(s.chunks[name]) == 0 {
			s.chunks[name] = append(s.chunks[name], chunk)
		}
	}
}

// leastChunkBytes is what a chunk holds at least, where it may hold so much: a few large parts import faster than many small ones.
const leastChunkBytes = 16 << 20

// rowsOfChunk is how many rows of a partition are aimed at for a chunk: every worker should have one.
func (s *Source) rowsOfChunk(name string, size source.Size) int64 {
	var total int64
	in := func(g *segment) bool { return g.readAs == name }
	for _, g := range s.segments {
		if in(g) {
			total += g.Rows
		}
	}
	rows, rowBytes := int64(math.MaxInt64), s.rowBytes(in)
	if size.Bytes > 0 {
		bytes := max(float64(total)*rowBytes/float64(max(size.Workers, 1)), leastChunkBytes)
		rows = max(int64(math.Ceil(min(bytes, float64(size.Bytes))/rowBytes)), 1)
	}
	if size.Rows > 0 {
		rows = min(rows, size.Rows)
	}
	return rows
}

// rowBytes is the size of a row, as it is known from the columns of fixed width and from what the logs take.
func (s *Source) rowBytes(in func(*segment) bool) float64 {
	var bytes, rows int64
	for _, g := range s.segments {
		if in(g) {
			bytes, rows = bytes+g.bytes, rows+g.Rows
		}
	}
	return max(float64(s.layout.RowBytes()), float64(bytes)/float64(max(rows, 1)), 1)
}

// Read reads the rows of a chunk of the plan.
func (s *Source) Read(ctx context.Context, chunk model.Chunk, names ...string) (source.Stream, error) {
	layout := s.layout
	if len(names) > 0 {
		for _, name := range names {
			if !slices.Contains(layout.Names(), name) {
				return nil, fmt.Errorf("reading %q: it has no column %q", s.coll.Name, name)
			}
		}
		layout = layout.Only(func(name string) bool { return slices.Contains(names, name) })
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	chunks := s.chunks[chunk.Partition]
	if chunk.Number < 0 || chunk.Number >= len(chunks) {
		return nil, fmt.Errorf("reading %q from the storage: partition %q has no chunk %d", s.coll.Name, chunk.Partition, chunk.Number)
	}
	return newStream(ctx, s, layout, chunks[chunk.Number]), nil
}
