package storage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"pgregory.net/rapid"

	"migrate/internal/labtest"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/sourcetest"
	"migrate/internal/source/storage"
	"migrate/internal/source/storage/binlog"
	"migrate/internal/source/storage/binlog/binlogtest"
)

// TestContract holds the storage way against what every source keeps.
func TestContract(t *testing.T) {
	f := newFake(sourcetest.Collection())
	for id, name := range f.partitions {
		rows := sourcetest.Rows(name)
		if rows.N == 0 {
			continue
		}
		g := &sealed{}
		g.ID, g.Partition, g.Rows, g.Flushed = int64(f.tick()), id, int64(rows.N), true
		f.segments = append(f.segments, g)
		times := labtest.Column(labtest.IntKey("t"), make([]int64, rows.N))
		of := binlog.Owner{Collection: f.coll.ID, Partition: id, Segment: g.ID}
		for i, d := range append([]*schemapb.FieldData{times, times}, rows.Columns...) {
			field := &schemapb.FieldSchema{FieldID: int64(i), DataType: schemapb.DataType_Int64}
			if i > 1 {
				field = f.coll.Schema.Fields[i-2]
			}
			of.Field = field.FieldID
			f.put(logName(of, int64(f.tick())), binlogtest.Insert(of, field, d))
		}
	}
	sourcetest.Run(t, func(t *testing.T, pin json.RawMessage) source.Source {
		s, err := storage.Opener(f, &f.bucket, storage.Options{})(t.Context(), f.coll, pin)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// TestAnyHistory reads what any writes, deletes, flushes and compactions have left, while others write: the rows of the instant, of each key
// the newest, and the others told.
func TestAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFake(historyCollection(rapid.Bool().Draw(t, "text keys")))
		f.level, f.columns = rapid.Bool().Draw(t, "level 0"), rapid.Bool().Draw(t, "columns")
		f.coll.Loaded = rapid.Bool().Draw(t, "loaded")
		if f.level {
			f.version = "v2.5.10"
		}
		write := func(n int) {
			for range rapid.IntRange(0, n).Draw(t, "writes") {
				f.change(t)
			}
		}
		write(8)
		f.flushing = func(int) { write(3) }
		f.flushed = func(int) {
			if write(2); rapid.Bool().Draw(t, "synced") {
				f.sync()
			}
		}
		f.holds = func(r row) bool { return r.key%3 == 0 }
		compacted := f.compacted
		s, plan, err := planned(f, rapid.IntRange(2, 30).Draw(t, "entries"))
		if errors.Is(err, storage.ErrBusy) { // a compaction in the midst of each try
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		want := f.alive(plan.Snapshot, true)
		got, found := readAll(t, s, plan.Chunks)
		for name := range f.partitions {
			if name := f.partitions[name]; !slices.Equal(got[name], want[name]) {
				t.Fatalf("partition %s: %v are read, %v are there", name, got[name], want[name])
			}
		}
		if rows := count(f.alive(plan.Snapshot, false)) - count(want); found.Duplicates.Rows > rows || found.Duplicates.Rows < rows && compacted == f.compacted {
			t.Fatalf("%d rows are told as copies, and %d are", found.Duplicates.Rows, rows)
		}
		write(3)
		f.flush(nil)
		again, err := storage.Opener(f, &f.bucket, storage.Options{})(context.Background(), f.coll, plan.Pin)
		if err != nil {
			t.Fatal(err)
		}
		if resumed, _ := readAll(t, again, plan.Chunks); count(resumed) != count(got) || !slices.Equal(resumed["few"], got["few"]) {
			t.Fatalf("a resumed run reads %v, and the first %v", resumed, got)
		}
	})
}

// TestGrowing reads while rows are written and deleted whose segment grows, and has logs all the same since a flush came upon it.
func TestGrowing(t *testing.T) {
	f := newFake(sourcetest.Collection())
	f.insert(10, 1, 2, 3)
	f.flushed = func(int) {
		f.insert(10, 4)
		f.upsert(10, 4)
		f.remove(2)
		f.sync()
	}
	s, plan, err := planned(f, 10)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := readAll(t, s, plan.Chunks)
	if want := f.alive(plan.Snapshot, true); count(want) != 3 || !slices.Equal(got[f.partitions[10]], want[f.partitions[10]]) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestCompactionEnds reads once a compaction is over under which the server may have lost deletes.
func TestCompactionEnds(t *testing.T) {
	f := newFake(sourcetest.Collection())
	f.insert(10, 1, 2, 3)
	f.flush(nil)
	f.compactMeanwhile(2)
	s, plan, err := planned(f, 10)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := readAll(t, s, plan.Chunks)
	if want := f.alive(plan.Snapshot, true); count(want) != 2 || !slices.Equal(got[f.partitions[10]], want[f.partitions[10]]) {
		t.Errorf("%v, want %v", got, want)
	}
}

func historyCollection(text bool) *model.Collection {
	c := sourcetest.Collection()
	if text {
		c.Schema.Fields[0] = labtest.TextKey("id")
	}
	return c
}

// change is any write. Partitions that are dropped are not written to.
func (f *fake) change(t *rapid.T) {
	var partitions []int64
	for id := range f.partitions {
		partitions = append(partitions, id)
	}
	slices.Sort(partitions)
	partition, key := rapid.SampledFrom(partitions).Draw(t, "partition"), rapid.Int64Range(0, 9).Draw(t, "key")
	switch rapid.SampledFrom([]string{"insert", "insert", "insert", "remove", "upsert", "flush", "compact"}).Draw(t, "write") {
	case "insert":
		f.insert(partition, rapid.SliceOfN(rapid.Int64Range(0, 9), 1, 8).Draw(t, "keys")...)
	case "remove":
		f.remove(key)
	case "upsert":
		f.upsert(partition, key)
	case "flush":
		f.flush(nil)
	case "compact":
		f.storeDeletes()
		f.compact(partition)
	}
}

func count(rows map[string][]string) (n int64) {
	for _, some := range rows {
		n += int64(len(some))
	}
	return n
}

type failer interface {
	Helper()
	Fatal(...any)
}

func planned(f *fake, entries int) (source.Source, *source.Plan, error) {
	s, err := storage.Opener(f, &f.bucket, storage.Options{Entries: entries, AskEvery: time.Microsecond})(context.Background(), f.coll, nil)
	if err != nil {
		return nil, nil, err
	}
	plan, err := s.Plan(context.Background(), source.Size{Rows: 5, Workers: 2})
	return s, plan, err
}

// readAll reads the texts of all rows, by partition.
func readAll(t failer, s source.Source, chunks []model.Chunk) (map[string][]string, model.Findings) {
	t.Helper()
	all, found := map[string][]string{}, model.Findings{}
	for _, c := range chunks {
		stream, err := s.Read(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		var rows int64
		for rec, err := range source.Rows(stream) {
			if err != nil {
				t.Fatal(err)
			}
			texts := rec.Column(1).(*array.String)
			for i := range texts.Len() {
				all[c.Partition] = append(all[c.Partition], strings.Clone(texts.Value(i)))
			}
			rows += rec.NumRows()
		}
		if rows != c.Rows {
			t.Fatal("a chunk of ", c.Rows, " rows has ", rows)
		}
		found.Add(stream.Findings())
	}
	for _, rows := range all {
		slices.Sort(rows)
	}
	return all, found
}

func logName(of binlog.Owner, log int64) string {
	return "insert_log/" + strings.Join([]string{text(of.Collection), text(of.Partition), text(of.Segment), text(of.Field), text(log)}, "/")
}

// TestRefused refuses by name what does not add up.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(t *testing.T, f *fake)
		want   error
		says   string
	}{
		"a log missing":    {func(t *testing.T, f *fake) { f.lose(t, "insert_log/7/10/", "/100/") }, storage.ErrContradiction, "field 100 has 1 logs"},
		"a row of logs":    {func(t *testing.T, f *fake) { f.loseRow(t) }, storage.ErrContradiction, "the server says 4"},
		"a log too many":   {func(t *testing.T, f *fake) { f.twice(t, "/1/") }, storage.ErrContradiction, "field 0 has 2 logs"},
		"all of a segment": {func(t *testing.T, f *fake) { f.lose(t, "insert_log/7/10/", "") }, nil, "has 4 rows, and"},
		"a truncated log":  {func(t *testing.T, f *fake) { f.alter(t, "/1/", func(b []byte) []byte { return b[:len(b)-9] }) }, binlog.ErrDamaged, "memory:"},
		"a flipped bit":    {func(t *testing.T, f *fake) { f.alter(t, "/100/", flipped) }, binlog.ErrDamaged, "/100/"},
		"a flipped vector": {func(t *testing.T, f *fake) { f.alter(t, "/102/", flipped) }, binlog.ErrDamaged, "/102/"},
		"another's log":    {func(t *testing.T, f *fake) { f.swap(t) }, binlog.ErrDamaged, "it says that it is of"},
		"a name of v2": {func(_ *testing.T, f *fake) {
			f.put("insert_log/7/10/"+text(f.segments[0].ID)+"/_metadata/manifest-1.avro", nil)
		}, binlog.ErrLayout, "manifest"},
		"a segment of v2":      {func(_ *testing.T, f *fake) { f.segments[0].Storage = 2 }, binlog.ErrLayout, "segment"},
		"another server":       {func(_ *testing.T, f *fake) { f.version = "v2.6.1" }, storage.ErrUnsupported, `"v2.6.1"`},
		"rows that expire":     {func(_ *testing.T, f *fake) { f.coll.Properties = ttl }, storage.ErrUnsupported, "collection.ttl.seconds"},
		"an import under way":  {func(_ *testing.T, f *fake) { f.importing = true }, storage.ErrBusy, "bulk insert"},
		"lost deletes":         {func(_ *testing.T, f *fake) { f.loseDelete() }, storage.ErrLostDeletes, "such as key 1"},
		"compacted meanwhile":  {func(_ *testing.T, f *fake) { f.compactMeanwhile(100) }, storage.ErrLostDeletes, "or may have"},
		"a delta log missing":  {func(t *testing.T, f *fake) { f.lose(t, "delta_log/7/10/", "") }, storage.ErrContradiction, "4 rows are there, and 3 are counted"},
		"a delta log of v2":    {func(_ *testing.T, f *fake) { f.put("delta_log/7/10/x/1", nil) }, binlog.ErrLayout, "delta_log/7/10/x/1"},
		"a delta that is none": {func(t *testing.T, f *fake) { f.alter(t, "delta_log/", func(b []byte) []byte { return b[:40] }) }, binlog.ErrDamaged, "delta_log"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(sourcetest.Collection())
			f.coll.Loaded = true
			f.insert(10, 1, 2, 3, 4)
			f.flush(nil)
			f.remove(2)
			f.flush(nil)
			c.damage(t, f)
			err := tryAll(f)
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %v that says %q", err, c.want, c.says)
			}
		})
	}
}

var ttl = []*commonpb.KeyValuePair{{Key: "collection.ttl.seconds", Value: "60"}}

// tryAll plans and reads everything.
func tryAll(f *fake) error {
	s, err := storage.Opener(f, &f.bucket, storage.Options{AskEvery: time.Microsecond})(context.Background(), f.coll, nil)
	if err != nil {
		return err
	}
	plan, err := s.Plan(context.Background(), source.Size{})
	if err != nil {
		return err
	}
	for _, c := range plan.Chunks {
		stream, err := s.Read(context.Background(), c)
		if err != nil {
			return err
		}
		for _, err := range source.Rows(stream) {
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// named is an object, the first whose name has both.
func (f *fake) named(t *testing.T, prefix, within string) string {
	t.Helper()
	for info, err := range f.bucket.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(info.Name, within) {
			return info.Name
		}
	}
	t.Fatalf("no object %s…%s", prefix, within)
	return ""
}

// lose takes one log away, or all where within is empty.
func (f *fake) lose(t *testing.T, prefix, within string) {
	t.Helper()
	for {
		if err := f.bucket.Delete(t.Context(), f.named(t, prefix, within)); err != nil {
			t.Fatal(err)
		}
		left := false
		for range f.bucket.List(t.Context(), prefix) {
			left = true
		}
		if within != "" || !left {
			return
		}
	}
}

// loseRow takes the second log of each field away.
func (f *fake) loseRow(t *testing.T) {
	t.Helper()
	for _, field := range []string{"/0/", "/1/", "/100/", "/101/", "/102/"} {
		f.lose(t, "insert_log/7/10/", field)
	}
}

func (f *fake) twice(t *testing.T, within string) {
	t.Helper()
	name := f.named(t, "insert_log/7/10/", within)
	f.put(name+"9", f.object(t, name))
}

func (f *fake) alter(t *testing.T, within string, change func([]byte) []byte) {
	t.Helper()
	name := f.named(t, "", within)
	f.put(name, change(f.object(t, name)))
}

// flipped changes a bit of what is compressed.
func flipped(b []byte) []byte {
	b[bytes.Index(b, []byte{0x28, 0xB5, 0x2F, 0xFD})+14] ^= 8
	return b
}

// swap puts the log of one field in the place of another's.
func (f *fake) swap(t *testing.T) {
	t.Helper()
	f.put(f.named(t, "insert_log/7/10/", "/1/"), f.object(t, f.named(t, "insert_log/7/10/", "/100/")))
}

func (f *fake) object(t *testing.T, name string) []byte {
	t.Helper()
	o, err := f.bucket.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	var all bytes.Buffer
	if _, err := io.Copy(&all, o); err != nil {
		t.Fatal(err)
	}
	return all.Bytes()
}

// compactMeanwhile compacts between the flushes of the first so many cuts, while somebody deletes, as a server that may lose deletes then.
func (f *fake) compactMeanwhile(cuts int) {
	f.loses = true
	f.flushing = func(nth int) {
		if f.remove(3); nth%2 == 0 && nth <= 2*cuts {
			f.compact(10)
		}
	}
}

// loseDelete compacts as 2.3.5 does while deletes are flushed: they stay with a segment that is no more.
func (f *fake) loseDelete() {
	old := f.segments[0]
	f.compact(10)
	f.putDeletes(old, []kill{{key: 1, ts: f.tick()}})
	f.flush(nil)
}

func text(n int64) string { return strconv.FormatInt(n, 10) }
