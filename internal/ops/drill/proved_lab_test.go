//go:build lab

package drill

import (
	"context"
	"reflect"
	"testing"

	"migrate/deploy/lab"
	"migrate/internal/milvus"
	"migrate/internal/ops/bench"
)

// TestProved tells rows that are lost, doubled and doubtful apart, also where as many are lost as are doubled.
func TestProved(t *testing.T) {
	cfg, vectors := milvus.Config{Address: lab.Proxy1}, bench.Vectors{Dim: 8}
	base, err := bench.Plan{
		Insertion: bench.Insertion{Vectors: vectors, Rows: 100, Batch: 100, Inserters: 1},
		Searches:  &bench.Searches{Vectors: vectors, Index: bench.Index{Type: "FLAT"}, Top: 1, Threads: 1, Queries: 1},
		Keep:      true,
	}.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bench.Drop(context.WithoutCancel(t.Context()), cfg, base.Collection); err != nil {
			t.Error(err)
		}
	})
	server, err := milvus.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for _, batch := range [][2]int{{95, 10}, {1000, 10}, {2000, 10}} { // 95 to 99 are doubled
		if err := bench.InsertBatch(t.Context(), server, base.Collection, vectors, int64(batch[0]), batch[1]); err != nil {
			t.Fatal(err)
		}
	}
	for title, c := range map[string]struct {
		acked, doubt []stretch
		want         Rows
	}{
		"some are lost":      {acked: []stretch{{0, 105}, {1000, 20}, {2000, 10}}, want: Rows{Acknowledged: 135, Lost: 10, Doubled: 5}},
		"none is":            {acked: []stretch{{0, 105}, {1000, 10}, {2000, 10}}, want: Rows{Acknowledged: 125, Doubled: 5}},
		"some are doubtful":  {acked: []stretch{{0, 105}}, doubt: []stretch{{1000, 10}, {2000, 20}}, want: Rows{Acknowledged: 105, Doubled: 5, Doubtful: 20, Unanswered: 2}},
		"nobody's":           {acked: []stretch{{0, 105}, {1000, 10}}, want: Rows{Acknowledged: 115, Doubled: 15}},
		"as many as doubled": {acked: []stretch{{0, 110}, {1000, 10}, {2000, 10}}, want: Rows{Acknowledged: 130, Lost: 5, Doubled: 5}},
	} {
		l := &load{collection: base.Collection, acked: c.acked, doubt: c.doubt}
		if got, err := l.proved(t.Context(), cfg); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v; want %+v", title, got, err, c.want)
		}
	}
}
