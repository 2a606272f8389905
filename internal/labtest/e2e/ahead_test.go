//go:build lab

package e2e

import (
	"math"
	"testing"

	"migrate/internal/columns"
	"migrate/internal/labtest"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/query"
)

// TestCutAhead reads a range by pages that were cut before its rows changed: every page's count is out of date, and the rows
// are those that are there when it is read.
func TestCutAhead(t *testing.T) {
	server, c := labtest.Source(t), labtest.Collection(narrow())
	labtest.Create(t, server, c)
	even := labtest.Each(5000, func(i int) int64 { return int64(2 * i) })
	labtest.Insert(t, server, c.Name, "", narrowRows(even))
	reader, err := query.Open(t.Context(), server, labtest.Describe(t, server, c.Name))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := reader.Plan(t.Context(), source.Size{Rows: 2000, Workers: 5})
	if err != nil {
		t.Fatal(err)
	}

	labtest.Insert(t, server, c.Name, "", narrowRows([]int64{1, 3, 5001, 9999, math.MaxInt64}))
	labtest.Delete(t, server, c.Name, "id in [0, 2, 4, 8000]")
	want := map[int64]bool{1: true, 3: true, 5001: true, 9999: true}
	for _, key := range even {
		want[key] = key > 4 && key != 8000
	}
	now, err := reader.Now(t.Context()) // the first reader is from before these writes, and does not wait for them
	if err != nil {
		t.Fatal(err)
	}
	if n, err := now.Count(t.Context(), model.AllPartitions, model.Range{}); err != nil || n != 5001 {
		t.Fatalf("%d rows are counted, and error %v; want 5001", n, err)
	}

	seen, unreadable := map[int64]int{}, 0
	for _, chunk := range plan.Chunks {
		stream, err := reader.Read(t.Context(), chunk)
		for rec := range labtest.Batches(t, stream, err) {
			for _, key := range columns.KeysOf(rec, "id") {
				seen[key.Int]++
			}
		}
		unreadable += len(stream.Findings().Unreadable)
	}
	if unreadable != 1 {
		t.Errorf("%d ranges have rows that no query returns, want that of the greatest key", unreadable)
	}
	for key, there := range want {
		if there && seen[key] != 1 || !there && seen[key] != 0 {
			t.Errorf("key %d was read %d times; is it there: %t", key, seen[key], there)
		}
	}
}
