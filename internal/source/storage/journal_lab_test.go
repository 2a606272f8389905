//go:build lab

package storage_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"golang.org/x/sync/errgroup"

	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/source"
	"migrate/internal/source/storage"
)

// TestJournal reads a collection while rows are inserted, upserted and deleted: what comes is what the writers' journal holds at the instant
// that the plan names, by the times that the server gave to each write. Once nobody writes, a partition was dropped, and the collection
// compacted and released, all of it comes.
func TestJournal(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	refused := j.whileWriting(t, func() {})
	if refused > 0 {
		t.Errorf("%d of %d were refused, though nothing was compacted", refused, snapshots())
	}
	ctx := t.Context()
	if err := j.server.ReleasePartitions(ctx, j.name, []string{"gone"}); err != nil {
		t.Fatal(err)
	}
	if _, err := j.protocol.DropPartition(ctx, &milvuspb.DropPartitionRequest{CollectionName: j.name, PartitionName: "gone"}); err != nil {
		t.Fatal(err)
	}
	j.dropped()
	labtest.Compact(t, j.protocol, labtest.Describe(t, j.server, j.name).ID)
	if err := j.server.Release(ctx, j.name); err != nil {
		t.Fatal(err)
	}
	at, got, err := j.read(t)
	if err != nil {
		t.Fatal(err)
	}
	j.wantAt(t, at, got)
}

// TestJournalCompacted has the server compact at any instant while rows are written, by which it may lose deletes: what the journal holds comes,
// or nothing.
func TestJournalCompacted(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	id := labtest.Describe(t, j.server, j.name).ID
	refused := j.whileWriting(t, func() {
		started, err := j.protocol.ManualCompaction(t.Context(), &milvuspb.ManualCompactionRequest{CollectionID: id})
		if err != nil {
			t.Fatal(err)
		}
		wait := rand.N(3 * time.Second)
		time.Sleep(wait)
		state, err := j.protocol.GetCompactionState(t.Context(), &milvuspb.GetCompactionStateRequest{CompactionID: started.GetCompactionID()})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%v later: %d compactions under way, %d done", wait, state.GetExecutingPlanNo(), state.GetCompletedPlanNo())
	})
	t.Logf("%d of %d were refused", refused, snapshots())
}

// whileWriting reads so many times as snapshots says while three writers go on, and does something else just before. It tells how many were
// refused for what the server did.
func (j *journal) whileWriting(t *testing.T, and func()) (refused int) {
	t.Helper()
	writing, stop := context.WithCancel(t.Context())
	g, ctx := errgroup.WithContext(writing)
	for w := range int64(3) {
		g.Go(func() error { return j.write(ctx, w) })
	}
	for range snapshots() {
		j.await(t)
		and()
		at, got, err := j.read(t)
		switch {
		case errors.Is(err, storage.ErrLostDeletes), errors.Is(err, storage.ErrBusy):
			refused++
			t.Log(err)
		case err != nil:
			t.Error(err)
		default:
			j.wantAt(t, at, got)
		}
	}
	stop()
	if err := g.Wait(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	return refused
}

// snapshots is how often a collection is read under writers: $SNAPSHOTS.
func snapshots() int {
	n, err := strconv.Atoi(os.Getenv("SNAPSHOTS"))
	if err != nil {
		return 3
	}
	return n
}

// journal is a collection and all that was written to it, by the times that its server gave.
type journal struct {
	server   *milvus.Server
	protocol milvuspb.MilvusServiceClient
	name     string

	mu     sync.Mutex
	writes []written
	next   [3]int64 // what each writer goes on with
	begun  int      // writes, when they were last waited for
}

// written is one write: of a key in a partition, whose version is 0 where it was deleted. The server tells no time of a delete, so that
// two are known that it came between.
type written struct {
	after, at uint64
	partition string
	key       int64
	version   int64
}

func newJournal(t *testing.T) *journal {
	server := labtest.Source(t)
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Field("version", schemapb.DataType_Int64), labtest.Vector("v", schemapb.DataType_FloatVector, 2)), "gone")
	labtest.Create(t, server, c)
	j := &journal{server: server, protocol: labtest.Protocol(t, server), name: c.Name}
	_, err := j.protocol.AlterCollection(t.Context(), &milvuspb.AlterCollectionRequest{ // 2.3 loses deletes that are written during a compaction
		CollectionName: c.Name, Properties: []*commonpb.KeyValuePair{{Key: "collection.autocompaction.enabled", Value: "false"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// write inserts, upserts and deletes keys of one writer until the context ends. Every tenth key goes into the other partition.
func (j *journal) write(ctx context.Context, writer int64) error {
	for ctx.Err() == nil {
		n := j.next[writer]
		j.next[writer]++
		key := n*3 + writer
		partition := "_default"
		if n%10 == 0 {
			partition = "gone"
		}
		ctx := context.WithoutCancel(ctx) // a write without an answer would be in no journal
		if err := j.put(ctx, "insert", partition, key, 1); err != nil {
			return err
		}
		if old := key - 15; n%2 == 0 && old >= 0 && (n-5)%10 != 0 {
			if err := j.put(ctx, "upsert", "_default", old, n); err != nil {
				return err
			}
		}
		if old := key - 21; n%3 == 0 && old >= 0 && (n-7)%10 != 0 {
			if err := j.delete(ctx, old); err != nil {
				return err
			}
		}
	}
	return context.Cause(ctx)
}

func (j *journal) put(ctx context.Context, how, partition string, key, version int64) error {
	rows := []*schemapb.FieldData{
		labtest.Column(labtest.IntKey("id"), []int64{key}), labtest.Column(labtest.Field("version", schemapb.DataType_Int64), []int64{version}), labtest.Vectors("v", 2, 1, uint64(version)),
	}
	var result *milvuspb.MutationResult
	var err error
	if how == "insert" {
		result, err = j.protocol.Insert(ctx, &milvuspb.InsertRequest{CollectionName: j.name, PartitionName: partition, FieldsData: rows, NumRows: 1})
	} else {
		result, err = j.protocol.Upsert(ctx, &milvuspb.UpsertRequest{CollectionName: j.name, PartitionName: partition, FieldsData: rows, NumRows: 1})
	}
	j.note(written{result.GetTimestamp(), result.GetTimestamp(), partition, key, version})
	return err
}

func (j *journal) delete(ctx context.Context, key int64) error {
	after, err := j.server.Now(ctx)
	if err != nil {
		return err
	}
	_, err = j.protocol.Delete(ctx, &milvuspb.DeleteRequest{CollectionName: j.name, PartitionName: "_default", Expr: "id in [" + strconv.FormatInt(key, 10) + "]"})
	if err != nil {
		return err
	}
	at, err := j.server.Now(ctx)
	j.note(written{after, at, "_default", key, 0})
	return err
}

func (j *journal) note(w written) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.writes = append(j.writes, w)
}

// await waits until a hundred more writes are done.
func (j *journal) await(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		j.mu.Lock()
		n := len(j.writes)
		j.mu.Unlock()
		if n >= j.begun+100 {
			j.begun = n
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d writes, and no more come", n)
		}
	}
}

// dropped forgets the partition that is no more.
func (j *journal) dropped() {
	j.writes = slices.DeleteFunc(j.writes, func(w written) bool { return w.partition == "gone" })
}

// read reads the version of each key from the storage.
func (j *journal) read(t *testing.T) (at uint64, versions map[int64]int64, err error) {
	t.Helper()
	s, err := storage.Opener(j.server, labtest.SourceStorage(t), storage.Options{})(t.Context(), labtest.Describe(t, j.server, j.name), nil)
	if err != nil {
		return 0, nil, err
	}
	plan, err := s.Plan(t.Context(), source.Size{Rows: 100, Workers: 2})
	if err != nil {
		return 0, nil, err
	}
	versions = map[int64]int64{}
	for _, chunk := range plan.Chunks {
		stream, err := s.Read(t.Context(), chunk, "id", "version")
		if err != nil {
			return 0, nil, err
		}
		for rec, err := range source.Rows(stream) {
			if err != nil {
				return 0, nil, err
			}
			keys, values := rec.Column(0).(*array.Int64), rec.Column(1).(*array.Int64)
			for i := range int(rec.NumRows()) {
				if _, twice := versions[keys.Value(i)]; twice {
					t.Errorf("key %d came twice", keys.Value(i))
				}
				versions[keys.Value(i)] = values.Value(i)
			}
		}
	}
	return plan.Snapshot, versions, nil
}

// wantAt wants the versions that the journal holds at an instant.
func (j *journal) wantAt(t *testing.T, at uint64, got map[int64]int64) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	slices.SortStableFunc(j.writes, func(a, b written) int { return cmp.Compare(a.at, b.at) })
	want, later := map[int64]int64{}, 0
	for _, w := range j.writes {
		switch {
		case w.after > at:
			later++
		case w.at > at: // a delete just then: both is right
			if want[w.key] = got[w.key]; got[w.key] == 0 {
				delete(want, w.key)
			}
		case w.version == 0:
			delete(want, w.key)
		default:
			want[w.key] = w.version
		}
	}
	t.Logf("%d rows, of %d writes, %d of them later", len(got), len(j.writes), later)
	if len(got) == 0 || !maps.Equal(got, want) {
		wrong := 0
		for key := range maps.Keys(want) {
			if got[key] != want[key] && wrong < 5 {
				wrong++
				t.Errorf("key %d has version %d, and %d in the journal", key, got[key], want[key])
			}
		}
		t.Errorf("%d rows, and %d in the journal", len(got), len(want))
	}
}
