package query_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/query"
)

// TestDisorder reads all rows where pages come in no order, whatever order was asked for: as many as there are, by a number of queries
// that is bounded by that of the pages.
func TestDisorder(t *testing.T) {
	const rows, page = 2400, 200
	backwards := func(n int, swap func(i, j int)) {
		for i := range n / 2 {
			swap(i, n-1-i)
		}
	}
	for _, disorder := range []struct {
		name    string
		of      string
		shuffle func(int, func(i, j int))
	}{{"none", "integers", rand.Shuffle}, {"none", "texts", rand.Shuffle}, {"backwards", "texts", backwards}} {
		t.Run(disorder.name+"/"+disorder.of, func(t *testing.T) {
			k := kinds[disorder.of]
			t.Parallel()
			s, c := memory.Start(t, memory.Lite3), k.collection()
			s.Disorder, s.MostRows = disorder.shuffle, page
			s.Add(t, c)
			for from := 0; from < rows; from += 800 {
				s.Sealed(t, c.Name, k.rows(k.keys(from, from+800)))
			}
			r := open(t, s, c.Name)
			s.Asked()
			keys, found := read(t, r, model.Range{})
			if !slices.Equal(keys, k.keys(0, rows)) || found.Duplicates.Rows != 0 || len(found.Unreadable) > 0 {
				t.Errorf("%d rows of %d, %+v", len(keys), rows, found)
			}
			queries, counts := s.Asked()
			t.Logf("%d queries and %d counts", queries, counts)
			if queries+counts > 20*rows/page+300 {
				t.Errorf("%d queries and %d counts for %d pages", queries, counts, rows/page)
			}
			plan, err := r.Plan(t.Context(), source.Size{Rows: 2 * page, Workers: 1})
			if err != nil || plan.Rows != rows || len(plan.Chunks) < rows/page/2 {
				t.Errorf("planned %d rows in %d chunks, %v", plan.Rows, len(plan.Chunks), err)
			}
			for _, chunk := range plan.Chunks {
				if chunk.Rows > 5*page {
					t.Errorf("a chunk of %d rows: %s", chunk.Rows, chunk.Range)
				}
			}
			planQueries, planCounts := s.Asked()
			t.Logf("%d queries and %d counts to plan %d chunks", planQueries, planCounts, len(plan.Chunks))
			if planQueries+planCounts > 20*rows/page+300 {
				t.Errorf("%d queries and %d counts for a plan", planQueries, planCounts)
			}
		})
	}
}

// TestLineBreaks reads keys with line breaks from a server whose filters can't hold any: ranges end at others. Where there are but such
// keys they come as long as one answer has them all.
func TestLineBreaks(t *testing.T) {
	text := kinds["texts"]
	for name, key := range map[string]func(i int) string{
		"some": func(i int) string { return fmt.Sprintf("k%05d%s", i, []string{"", "\n", "\nx", "\r"}[i%4]) },
		"last": func(i int) string {
			return fmt.Sprintf("%s%05d", map[bool]string{true: "a", false: "z\n"}[i < 1000], i)
		},
		"all": func(i int) string { return fmt.Sprintf("z\n%05d", i) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := memory.Start(t, memory.Lite25), text.collection()
			s.MostRows = 700
			s.Add(t, c)
			n := map[string]int{"some": 3000, "last": 1500, "all": 500}[name]
			keys := labtest.Each(n, func(i int) model.Key { return model.TextKey(key(i)) })
			slices.SortFunc(keys, model.Key.Compare)
			s.Sealed(t, c.Name, text.rows(keys))
			r := open(t, s, c.Name)
			got, found := read(t, r, model.Range{})
			if !slices.Equal(got, keys) || len(found.Unreadable) > 0 || found.Duplicates.Rows > 0 {
				t.Errorf("%d rows of %d, %+v", len(got), n, found)
			}
			plan, err := r.Plan(t.Context(), source.Size{Rows: 100, Workers: 1})
			if err != nil || plan.Rows != int64(n) {
				t.Errorf("planned %d rows of %d, %v", plan.Rows, n, err)
			}
		})
	}
}

// TestUnfiltered reads a collection on which a server takes no filter, as long as one answer has all of it.
func TestUnfiltered(t *testing.T) {
	for name, k := range kinds {
		for n, want := range map[int]error{0: nil, 3000: nil, 16_384: nil, 16_385: model.ErrNoFilters} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				t.Parallel()
				s, c := memory.Start(t, memory.Lite25), k.tenants()
				s.Add(t, c)
				s.Sealed(t, c.Name, k.ofTenants(k.keys(0, n)))
				server := s.Client(t)
				r, err := query.Open(t.Context(), server, labtest.Describe(t, server, c.Name))
				if !errors.Is(err, want) {
					t.Fatalf("opened with %v, want %v", err, want)
				}
				if err != nil {
					return
				}
				plan, err := r.Plan(t.Context(), source.Size{Bytes: 1, Workers: 4})
				if err != nil || len(plan.Chunks) != 1 || plan.Rows != int64(n) || !plan.Chunks[0].Range.Equal(model.Range{}) {
					t.Fatalf("planned %+v, %v", plan, err)
				}
				if got, found := read(t, r, model.Range{}); !slices.Equal(got, k.keys(0, n)) || len(found.Unreadable) > 0 {
					t.Errorf("%d rows of %d, %+v", len(got), n, found)
				}
			})
		}
	}
}

// TestUnfilteredAndTwice: there, nothing tells a duplicate key from a row that is left out.
func TestUnfilteredAndTwice(t *testing.T) {
	k := kinds["integers"]
	s, c := memory.Start(t, memory.Lite25), k.tenants()
	s.Add(t, c)
	s.Sealed(t, c.Name, k.ofTenants(slices.Concat(k.keys(0, 10), k.keys(0, 1))))
	stream, err := open(t, s, c.Name).Read(t.Context(), model.Chunk{})
	if err != nil {
		t.Fatal(err)
	}
	for _, err = range source.Rows(stream) {
	}
	if !errors.Is(err, source.ErrIncomplete) {
		t.Errorf("read with %v", err)
	}
}

// tenants is a collection with a partition key, and ofTenants its rows.
func (k kind) tenants() *model.Collection {
	c := k.collection()
	c.Schema.Fields = append(c.Schema.Fields, &schemapb.FieldSchema{Name: "tenant", DataType: schemapb.DataType_Int64, IsPartitionKey: true})
	return c
}

func (k kind) ofTenants(keys []model.Key) labtest.Rows {
	rows := k.rows(keys)
	rows.Columns = append(rows.Columns, labtest.Column(labtest.Field("tenant", schemapb.DataType_Int64), make([]int64, len(keys))))
	return rows
}
