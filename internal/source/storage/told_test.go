package storage_test

import (
	"errors"
	"strings"
	"testing"

	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/sourcetest"
	"migrate/internal/source/storage"
	"migrate/internal/source/storage/binlog"
	"migrate/internal/source/storage/binlog/binlogtest"
)

// of25 is a server of 2.5 that has rows and deletes, to which somebody writes while it is read.
func of25() *fake {
	f := newFake(sourcetest.Collection())
	f.version, f.level = "v2.5.10", true
	f.insert(10, 1, 2, 3, 4)
	f.insert(11, 5, 6)
	f.flush(nil)
	f.remove(2)
	f.flush(nil)
	f.flushing = func(int) {
		f.insert(10, 100+int64(f.tick()))
		f.remove(3)
	}
	return f
}

// level0 is the first segment of level 0.
func (f *fake) level0() *sealed {
	for _, g := range f.segments {
		if g.Deletes {
			return g
		}
	}
	panic("nothing was deleted")
}

// strayDeletes are those of a log that the server knows nothing of.
func (f *fake) strayDeletes() {
	g := f.level0()
	of := binlog.Owner{Collection: f.coll.ID, Partition: g.Partition, Segment: g.ID, Field: -1}
	f.put(deltaName(of, 999), binlogtest.Deletes(of, binlogtest.Delete{Key: model.IntKey(77), TS: f.tick()}))
}

// tellsLate has a log of deletes that is in the storage before the server tells of it.
func (f *fake) tellsLate() {
	f.strayDeletes()
	f.level0().stray, f.level0().untold = 999, 3
}

func deltaName(of binlog.Owner, log int64) string {
	return "delta_log/" + strings.Join([]string{text(of.Collection), text(of.Partition), text(of.Segment), text(log)}, "/")
}

// TestTold holds the logs against those that a server of 2.5.7 or later tells of, and the rows against count(*) at the cut, while others write.
func TestTold(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(t *testing.T, f *fake)
		want   error
		says   string
		loaded bool
	}{
		"all is well":                    {func(*testing.T, *fake) {}, nil, "", false},
		"all is well, and counted":       {func(*testing.T, *fake) {}, nil, "", true},
		"rows are seen late":             {func(_ *testing.T, f *fake) { f.late = 20 }, nil, "", true},
		"a delta log missing":            {func(t *testing.T, f *fake) { f.lose(t, "delta_log/7/", "/") }, storage.ErrContradiction, "the server tells of a log that is not there: memory:///delta_log/7/", false},
		"a delta log too many":           {func(_ *testing.T, f *fake) { f.strayDeletes() }, storage.ErrContradiction, "the server tells of no such log: memory:///delta_log/7/", false},
		"the k-th logs of all fields":    {func(t *testing.T, f *fake) { f.loseRow(t) }, storage.ErrContradiction, "the server tells of a log that is not there: memory:///insert_log/7/10/", false},
		"a log that replaces another":    {func(t *testing.T, f *fake) { f.twice(t, "/1/"); f.lose(t, "insert_log/7/10/", "/1/") }, storage.ErrContradiction, "insert_log/7/10/", false},
		"a log that is told a bit later": {func(_ *testing.T, f *fake) { f.tellsLate() }, nil, "", false},
		"rows that are not stored":       {func(_ *testing.T, f *fake) { f.journal = append(f.journal, row{10, 50, f.tick()}) }, storage.ErrContradiction, "are counted", true},
		"no REST at this address":        {func(_ *testing.T, f *fake) { f.secret = milvus.ErrNoREST }, nil, "", false},
		"the server is away":             {func(_ *testing.T, f *fake) { f.secret = milvus.ErrUnreachable }, milvus.ErrUnreachable, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			f := of25()
			f.coll.Loaded = c.loaded
			c.spoil(t, f)
			s, plan, err := planned(f, 100)
			if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v, want %v that says %q", err, c.want, c.says)
			}
			if err != nil {
				return
			}
			want := f.alive(plan.Snapshot, true)
			if got, _ := readAll(t, s, plan.Chunks); count(got) != count(want) {
				t.Errorf("%v are read, %v are there", got, want)
			}
		})
	}
}

// TestNotTold says so where the logs could not be held against anything.
func TestNotTold(t *testing.T) {
	f := of25()
	f.secret = milvus.ErrPrivilege
	var told []string
	s, err := storage.Opener(f, &f.bucket, storage.Options{Told: func(what string) { told = append(told, what) }})(t.Context(), f.coll, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	if _, err := s.Plan(t.Context(), source.Size{}); err != nil {
		t.Fatal(err)
	}
	if len(told) == 0 || !strings.Contains(told[0], "are not held against what the server says of them") {
		t.Errorf("told: %q", told)
	}
}
