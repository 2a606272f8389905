package query

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"pgregory.net/rapid"

	"migrate/internal/columns"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/model"
	"migrate/internal/source"
)

// TestEmptyPages keeps an empty page from who would look for its lowest key.
func TestEmptyPages(t *testing.T) {
	layout, err := columns.NewLayout(labtest.Schema(labtest.IntKey("id")))
	if err != nil {
		t.Fatal(err)
	}
	var pages []arrow.Record
	for _, keys := range [][]int64{{}, {1, 2}, {}} {
		rec, err := layout.Decode([]*schemapb.FieldData{labtest.Column(labtest.IntKey("id"), keys)})
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, rec)
	}
	p := &stream{nextPage: func() ([]arrow.Record, error) {
		if len(pages) == 0 {
			return nil, io.EOF
		}
		page := pages[:1]
		pages = pages[1:]
		return page, nil
	}}
	rec, err := p.Next()
	if err != nil || rec.NumRows() != 2 {
		t.Errorf("handed on %v, %v", rec, err)
	}
	if rec, err := p.Next(); err != io.EOF {
		t.Errorf("handed on %v, %v", rec, err)
	}
}

// TestForward ends a read that a server leads back.
func TestForward(t *testing.T) {
	r := &Source{coll: &model.Collection{Name: "c"}}
	after := model.TextKey("b")
	for last, want := range map[string]error{"c": nil, "b": source.ErrIncomplete, "a": source.ErrIncomplete} {
		if err := r.checkForward(model.Range{After: &after}, model.TextKey(last)); !errors.Is(err, want) {
			t.Errorf("from b to %s: %v", last, err)
		}
	}
	if err := r.checkForward(model.Range{}, model.TextKey("")); err != nil {
		t.Errorf("from the beginning: %v", err)
	}
}

// TestLowerPages takes the smallest page that anybody asked for, and not a half of it for each.
func TestLowerPages(t *testing.T) {
	r := new(Source)
	r.pageRows.Store(1000)
	for _, c := range []struct{ most, want int64 }{{500, 500}, {500, 500}, {700, 500}, {250, 250}} {
		if r.lowerPages(c.most); r.pageRows.Load() != c.want {
			t.Errorf("lowered to %d: %d, want %d", c.most, r.pageRows.Load(), c.want)
		}
	}
}

// TestPages tells the ranges that a read asks for: as many, of the same rows.
func TestPages(t *testing.T) {
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id")))
	s := memory.Start(t, "v2.3.5")
	s.Add(t, c)
	s.Sealed(t, c.Name, labtest.Rows{N: 1000, Columns: []*schemapb.FieldData{
		labtest.Column(labtest.IntKey("id"), labtest.Each(1000, func(i int) int64 { return int64(i * i) })),
	}})
	server := s.Client(t)
	r, err := Open(t.Context(), server, labtest.Describe(t, server, c.Name))
	if err != nil {
		t.Fatal(err)
	}
	r.pageRows.Store(100)
	chunk := model.Chunk{Partition: model.DefaultPartition}
	pages, err := r.Pages(t.Context(), chunk)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := r.Read(t.Context(), chunk)
	for rec := range labtest.Batches(t, stream, err) {
		if len(pages) == 0 || pages[0].Rows != rec.NumRows() {
			t.Fatalf("%d rows were read, and the pages left are %v", rec.NumRows(), pages)
		}
		for _, k := range columns.KeysOf(rec, "id") {
			if p := pages[0]; p.After != nil && k.Compare(*p.After) <= 0 || p.UpTo != nil && k.Compare(*p.UpTo) > 0 {
				t.Errorf("key %v was read with page %v", k, pages[0])
			}
		}
		pages = pages[1:]
	}
	if len(pages) > 0 {
		t.Errorf("pages that were not read: %v", pages)
	}
}

// TestCutCoversEveryKey cuts any range of keys into pieces that follow each other from its one end to the other.
func TestCutCoversEveryKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lo := rapid.OneOf(rapid.Int64Max(1<<63-2), rapid.Just[int64](-1<<63)).Draw(t, "lo")
		hi := rapid.OneOf(rapid.Int64Min(lo+1), rapid.SampledFrom([]int64{lo + 1, 1<<63 - 1})).Draw(t, "hi")
		count := rapid.OneOf(rapid.Int64Min(1), rapid.Int64Range(1, 40))
		most, rows := count.Draw(t, "most"), count.Draw(t, "rows")
		var whole model.Range
		if lo > -1<<63 && rapid.Bool().Draw(t, "closed below") {
			bound := model.IntKey(lo - 1)
			whole.After = &bound
		}
		if rapid.Bool().Draw(t, "closed above") {
			bound := model.IntKey(hi)
			whole.UpTo = &bound
		}
		pieces := cut(whole, lo, hi, rows, most)
		if len(pieces) < 2 || len(pieces) > mostCuts+1 {
			t.Fatalf("%d pieces", len(pieces))
		}
		for i, p := range pieces[1:] {
			before := pieces[i].UpTo
			if before == nil || p.After != before || before.Int < lo || before.Int >= hi {
				t.Fatalf("piece %d is %v after one that ends at %v, keys are in [%d, %d]", i+1, p, before, lo, hi)
			}
			if i > 0 && before.Compare(*pieces[i].After) <= 0 {
				t.Fatalf("piece %d is empty: %v", i, pieces[i])
			}
		}
		if pieces[0].After != whole.After || pieces[len(pieces)-1].UpTo != whole.UpTo {
			t.Fatalf("the pieces run from %v to %v", pieces[0].After, pieces[len(pieces)-1].UpTo)
		}
	})
}

// TestJoinKeepsTheRows joins neighbours while they are small, and loses nothing.
func TestJoinKeepsTheRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.Int64Range(1, 100).Draw(t, "most")
		counts := rapid.SliceOfN(rapid.Int64Range(0, 150), 1, 30).Draw(t, "counts")
		var pieces []counted
		var total int64
		for i, n := range counts {
			after, upTo := model.IntKey(int64(i)), model.IntKey(int64(i+1))
			pieces = append(pieces, counted{model.Range{After: &after, UpTo: &upTo}, n})
			total += n
		}
		joined := join(pieces, most)
		var rows int64
		next := int64(0)
		for _, p := range joined {
			if p.After.Int != next {
				t.Fatalf("%v does not follow key %d", p.Range, next)
			}
			if p.Rows > most && p.UpTo.Int-p.After.Int > 1 {
				t.Fatalf("%v was joined to %d rows, at most %d", p.Range, p.Rows, most)
			}
			next, rows = p.UpTo.Int, rows+p.Rows
		}
		if rows != total || next != int64(len(counts)) {
			t.Fatalf("%d rows up to key %d, of %d up to %d", rows, next, total, len(counts))
		}
	})
}

// TestAbove finds the end of a power of two, unless it is beyond the keys.
func TestAbove(t *testing.T) {
	for _, c := range []struct {
		lo   int64
		exp  int
		want int64
		ok   bool
	}{
		{0, 0, 0, true},
		{10, 3, 17, true},
		{-1 << 63, 63, -1, true},
		{-1 << 63, 64, 0, false},
		{1, 63, 0, false},
		{0, 63, 1<<63 - 1, true},
	} {
		got, ok := above(c.lo, c.exp)
		if ok != c.ok || got.Int != c.want {
			t.Errorf("above(%d, %d) = %v, %t, want %d, %t", c.lo, c.exp, got, ok, c.want, c.ok)
		}
	}
}

// TestNameable names no more keys in a filter than a server takes of one request, and one at least.
func TestNameable(t *testing.T) {
	long := model.TextKey(strings.Repeat("k", 3<<20))
	short := slices.Repeat([]model.Key{model.IntKey(1)}, mostNamed+1)
	for _, c := range []struct {
		keys []model.Key
		want int
	}{{nil, 0}, {short[:5], 5}, {short[:mostNamed], mostNamed}, {short, mostNamed}, {[]model.Key{long, long}, 1}, {[]model.Key{short[0], long, long}, 2}} {
		if got := nameable(c.keys); got != c.want {
			t.Errorf("%d of %d keys", got, len(c.keys))
		}
	}
}
