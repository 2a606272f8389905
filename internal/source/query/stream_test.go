package query_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"pgregory.net/rapid"

	"migrate/internal/columns"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/query"
)

// kind is an INT64 or a VARCHAR as the key of a collection.
type kind struct {
	field *schemapb.FieldSchema
	key   func(i int) model.Key
	data  func(keys []model.Key) *schemapb.FieldData
}

var kinds = map[string]kind{
	"integers": {labtest.IntKey("id"), func(i int) model.Key { return model.IntKey(int64(i)) }, func(keys []model.Key) *schemapb.FieldData {
		return labtest.Column(labtest.IntKey("id"), labtest.Each(len(keys), func(i int) int64 { return keys[i].Int }))
	}},
	"texts": {labtest.TextKey("id"), func(i int) model.Key { return model.TextKey(fmt.Sprintf("k%06d \"x\"", i)) }, func(keys []model.Key) *schemapb.FieldData {
		return labtest.Column(labtest.TextKey("id"), labtest.Each(len(keys), func(i int) string { return keys[i].Text }))
	}},
}

func (k kind) keys(from, to int) []model.Key {
	return labtest.Each(to-from, func(i int) model.Key { return k.key(from + i) })
}

func (k kind) rows(keys []model.Key) labtest.Rows {
	return labtest.Rows{N: len(keys), Columns: []*schemapb.FieldData{k.data(keys), labtest.Vectors("v", 2, len(keys), 1)}}
}

func (k kind) collection() *model.Collection {
	return labtest.Collection(labtest.Schema(k.field, labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
}

func open(t testing.TB, s *memory.Server, name string) *query.Source {
	t.Helper()
	server := s.Client(t)
	r, err := query.Open(t.Context(), server, labtest.Describe(t, server, name))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// read reads a range, and returns its keys in order.
func read(t testing.TB, r source.Ranged, rng model.Range, columns ...string) ([]model.Key, model.Findings) {
	t.Helper()
	stream, err := r.Read(t.Context(), model.Chunk{Range: rng}, columns...)
	if err != nil {
		t.Fatal(err)
	}
	var keys []model.Key
	for rec, err := range source.Rows(stream) {
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keysOf(rec) {
			keys = append(keys, k.Clone())
		}
	}
	slices.SortFunc(keys, model.Key.Compare)
	return keys, stream.Findings()
}

func keysOf(rec arrow.Record) []model.Key { return columns.KeysOf(rec, "id") }

// TestShortPages reads all rows of a 2.5 whose answers end where the first growing segment is through, by pages and not row
// by row.
func TestShortPages(t *testing.T) {
	for name, k := range kinds {
		t.Run(name, func(t *testing.T) {
			s, c := memory.Start(t, "v2.5.10"), k.collection()
			s.Add(t, c)
			s.Sealed(t, c.Name, k.rows(k.keys(0, 3000)))
			s.Growing(t, c.Name, k.rows(slices.Concat(k.keys(3000, 3010), k.keys(5000, 5001))))
			s.Sealed(t, c.Name, k.rows(k.keys(5001, 5100)))
			r := open(t, s, c.Name)
			if r.Snapshot() == 0 {
				t.Fatal("no snapshot")
			}
			s.Asked()
			keys, found := read(t, r, model.Range{})
			want := slices.Concat(k.keys(0, 3010), k.keys(5000, 5100))
			if !slices.Equal(keys, want) || found.Duplicates.Rows != 0 || len(found.Unreadable) > 0 {
				t.Errorf("%d rows of %d, %+v", len(keys), len(want), found)
			}
			if rows, counts := s.Asked(); rows > 4 || counts > 4 {
				t.Errorf("%d queries and %d counts for one page", rows, counts)
			}
		})
	}
}

// TestSealedOnly leaves growing segments out, also where answers are short.
func TestSealedOnly(t *testing.T) {
	k := kinds["integers"]
	s, c := memory.Start(t, "v2.5.10"), k.collection()
	s.Add(t, c)
	s.Sealed(t, c.Name, k.rows(k.keys(0, 100)))
	s.Growing(t, c.Name, k.rows(k.keys(100, 120)))
	r := open(t, s, c.Name)
	if keys, _ := read(t, r, model.Range{}, "id"); len(keys) != 120 {
		t.Errorf("%d rows of all segments", len(keys))
	}
	if keys, _ := read(t, r.Sealed(), model.Range{}, "id"); len(keys) != 100 {
		t.Errorf("%d rows of sealed segments", len(keys))
	}
}

// TestDuplicateKeys reads one row of each key, however many of them are there more than once, for a few counts a page.
func TestDuplicateKeys(t *testing.T) {
	for _, version := range []string{"v2.3.5", "v2.5.10"} {
		for name, k := range kinds {
			t.Run(version+" "+name, func(t *testing.T) {
				s, c := memory.Start(t, version), k.collection()
				s.LeavesOut = version == "v2.3.5"
				s.Add(t, c)
				s.Sealed(t, c.Name, k.rows(k.keys(0, 2000)))
				s.Growing(t, c.Name, k.rows(k.keys(300, 1400)))
				r := open(t, s, c.Name)
				s.Asked()
				keys, found := read(t, r, model.Range{})
				if !slices.Equal(keys, k.keys(0, 2000)) || len(found.Unreadable) > 0 {
					t.Errorf("%d rows of 2,000, unreadable %v", len(keys), found.Unreadable)
				}
				d := found.Duplicates
				if d.Rows != 1100 || d.Keys < 1100 || len(d.Sample) != model.Sampled || d.Sample[0] != (model.Copies{Key: k.key(300), Copies: 2}) {
					t.Errorf("duplicates: %+v", d)
				}
				if rows, counts := s.Asked(); rows > 6 || counts > 50 {
					t.Errorf("%d queries and %d counts for one page", rows, counts)
				}
			})
		}
	}
}

// TestReadIsWhole reads what is there of any collection: each key once, and each surplus explained.
func TestReadIsWhole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := kinds[rapid.SampledFrom([]string{"integers", "texts"}).Draw(rt, "key")]
		s, c := memory.Start(t, rapid.SampledFrom([]string{"v2.3.5", "v2.5.10", "v2.6.1"}).Draw(rt, "version")), k.collection()
		s.LeavesOut = rapid.Bool().Draw(rt, "leaves out")
		s.Add(t, c)
		copies := map[model.Key]int64{}
		for range rapid.IntRange(1, 4).Draw(rt, "segments") {
			insert := s.Sealed
			if rapid.Bool().Draw(rt, "growing") {
				insert = s.Growing
			}
			var keys []model.Key
			for _, i := range rapid.SliceOfN(rapid.IntRange(0, 60), 1, 40).Draw(rt, "keys") {
				keys = append(keys, k.key(i))
				copies[k.key(i)]++
			}
			insert(t, c.Name, k.rows(keys))
		}
		if rapid.Bool().Draw(rt, "hidden") {
			s.Hide = []model.Key{k.key(30)}
		}
		var want []model.Key
		var surplus, hidden int64
		for key, n := range copies {
			if slices.Contains(s.Hide, key) {
				hidden += n
				continue
			}
			want = append(want, key)
			surplus += n - 1
		}
		slices.SortFunc(want, model.Key.Compare)
		keys, found := read(t, open(t, s, c.Name), model.Range{})
		if !slices.Equal(keys, want) {
			rt.Errorf("read %v, want %v", keys, want)
		}
		if found.Duplicates.Rows != surplus || found.UnreadableRows() != hidden {
			rt.Errorf("found %+v, want %d further rows and %d unreadable", found, surplus, hidden)
		}
		for _, d := range found.Duplicates.Sample {
			if copies[d.Key] != d.Copies {
				rt.Errorf("%v has %d rows, not %d", d.Key, copies[d.Key], d.Copies)
			}
		}
	})
}

// TestUnreadable names the narrowest range of a row that is counted and never returned.
func TestUnreadable(t *testing.T) {
	k := kinds["integers"]
	s, c := memory.Start(t, "v2.3.5"), k.collection()
	s.Add(t, c)
	s.Sealed(t, c.Name, k.rows(k.keys(0, 100)))
	s.Hide = []model.Key{k.key(42)}
	keys, found := read(t, open(t, s, c.Name), model.Range{})
	after, upTo := k.key(41), k.key(43)
	want := model.Unreadable{Range: model.Range{After: &after, UpTo: &upTo}, Rows: 1}
	if len(keys) != 99 || len(found.Unreadable) != 1 || !found.Unreadable[0].Equal(want.Range) || found.Unreadable[0].Rows != 1 {
		t.Errorf("%d rows, unreadable: %+v", len(keys), found.Unreadable)
	}
}

// TestTooLarge reads pages in smaller pieces where an answer would be too large to send.
func TestTooLarge(t *testing.T) {
	for name, k := range kinds {
		s, c := memory.Start(t, "v2.3.5"), k.collection()
		s.MostRows = 100
		s.Add(t, c)
		s.Sealed(t, c.Name, k.rows(k.keys(0, 1500)))
		s.Growing(t, c.Name, k.rows(k.keys(10, 30)))
		r := open(t, s, c.Name)
		keys, found := read(t, r, model.Range{})
		if !slices.Equal(keys, k.keys(0, 1500)) || found.Duplicates.Rows != 20 || len(found.Unreadable) > 0 {
			t.Errorf("%s: %d rows of 1,500, %+v", name, len(keys), found)
		}
		s.Asked()
		if read(t, r, model.Range{}); name == "integers" {
			if rows, _ := s.Asked(); rows > 40 {
				t.Errorf("%d queries for 1,500 rows, 100 at once at most", rows)
			}
		}
	}
}

// TestLookup finds rows by their keys, though answers leave some out.
func TestLookup(t *testing.T) {
	for _, version := range []string{"v2.3.5", "v2.5.10"} {
		k := kinds["integers"]
		s, c := memory.Start(t, version), k.collection()
		s.LeavesOut = version == "v2.3.5"
		s.Add(t, c)
		s.Sealed(t, c.Name, k.rows(k.keys(0, 500)))
		s.Growing(t, c.Name, k.rows(slices.Concat(k.keys(100, 110), k.keys(600, 610))))
		s.Hide = []model.Key{k.key(499)}
		r := open(t, s, c.Name)
		found, err := r.Lookup(t.Context(), model.AllPartitions, k.keys(90, 120))
		if err != nil || found.Record.NumRows() != 30 || len(found.Absent) > 0 {
			t.Fatalf("%s: %v, %v", version, found, err)
		}
		found, err = r.Lookup(t.Context(), model.AllPartitions, k.keys(480, 520)[:19])
		if err != nil || found.Record.NumRows() != 19 {
			t.Errorf("%s: %v, %v", version, found, err)
		}
		found, err = r.Lookup(t.Context(), model.AllPartitions, k.keys(590, 620))
		if err != nil || found.Record.NumRows() != 10 || !slices.Equal(found.Absent, slices.Concat(k.keys(590, 600), k.keys(610, 620))) {
			t.Errorf("%s: %v, %v", version, found, err)
		}
		found, err = r.Lookup(t.Context(), model.AllPartitions, k.keys(498, 502))
		if err != nil || !slices.Equal(found.Hidden, k.keys(499, 500)) || !slices.Equal(found.Absent, k.keys(500, 502)) {
			t.Errorf("%s: a key that is counted and never returned: %+v, %v", version, found, err)
		}
	}
}

// TestThrottle reads no more rows a second than it may, in all readers together, and stops waiting when its context ends.
func TestThrottle(t *testing.T) {
	k := kinds["integers"]
	s, c := memory.Start(t, "v2.3.5"), k.collection()
	s.Add(t, c)
	s.Sealed(t, c.Name, k.rows(k.keys(0, 300)))
	throttled := func(rate int) *query.Source {
		server := s.Client(t)
		r, err := query.OpenAt(t.Context(), server, labtest.Describe(t, server, c.Name), nil, query.Options{MaxRate: rate})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	began, r := time.Now(), throttled(200) // and so many at once in the beginning
	if keys, _ := read(t, r, model.Range{}, "id"); len(keys) != 300 || time.Since(began) < 400*time.Millisecond {
		t.Errorf("%d rows in %v at 200 rows/s", len(keys), time.Since(began))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := throttled(1).Read(ctx, model.Chunk{})
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(10*time.Millisecond, cancel)
	for _, err = range source.Rows(stream) {
	}
	if err == nil {
		t.Error("300 rows at once at 1 row/s")
	}
}
