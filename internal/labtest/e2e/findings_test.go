//go:build lab

package e2e

import (
	"errors"
	"math"
	"slices"
	"testing"

	"migrate/exporter"
	"migrate/internal/labtest"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/sinks"
)

// TestDoubledKeys finds the keys that were inserted twice, and carries each once.
func TestDoubledKeys(t *testing.T) {
	t.Parallel()
	from := labtest.Source(t)
	c := labtest.Collection(narrow())
	labtest.Create(t, from, c)
	sequence := labtest.Each(3000, func(i int) int64 { return int64(i) })
	labtest.Insert(t, from, c.Name, "", narrowRows(sequence))
	labtest.Flush(t, from, c.Name)
	labtest.Insert(t, from, c.Name, "", narrowRows([]int64{5, 1234}))
	labtest.Flush(t, from, c.Name)
	sink := labtest.Local(t)
	m, err := exporter.Export(t.Context(), from, c.Name, sink, exporter.Options{Job: "doubled"})
	if err != nil {
		t.Fatal(err)
	}
	want := []model.Copies{{Key: model.IntKey(5), Copies: 2}, {Key: model.IntKey(1234), Copies: 2}}
	if got := m.Findings.Duplicates; got.Keys != 2 || got.Rows != 2 || !slices.Equal(got.Sample, want) {
		t.Errorf("duplicate keys: %+v, want %v", got, want)
	}
	if m.Total.Rows != 3000 {
		t.Errorf("%d rows exported, 3000 different keys", m.Total.Rows)
	}
}

// TestOneKeyManyTimes tells of a key of which there are more copies than a page holds, and carries it once.
func TestOneKeyManyTimes(t *testing.T) {
	t.Parallel()
	from := labtest.Source(t)
	c := labtest.Collection(narrow())
	labtest.Create(t, from, c)
	const copies = 21_000
	labtest.Insert(t, from, c.Name, "", narrowRows(make([]int64, copies)))
	m, err := exporter.Export(t.Context(), from, c.Name, labtest.Local(t), exporter.Options{Job: "one"})
	if err != nil {
		t.Fatal(err)
	}
	want := model.Copies{Key: model.IntKey(0), Copies: copies}
	if got := m.Findings.Duplicates; m.Total.Rows != 1 || got.Keys != 1 || got.Rows != copies-1 || !slices.Equal(got.Sample, []model.Copies{want}) {
		t.Errorf("%d rows, duplicate keys: %+v", m.Total.Rows, got)
	}
}

// TestHighestKey names the row that Milvus 2.3 counts and never returns, and leaves it out only when told to.
func TestHighestKey(t *testing.T) {
	t.Parallel()
	from := labtest.Source(t)
	c := labtest.Collection(narrow())
	labtest.Create(t, from, c)
	labtest.Insert(t, from, c.Name, "", narrowRows([]int64{1, 2, math.MaxInt64}))
	sink := labtest.Local(t)
	_, err := exporter.Export(t.Context(), from, c.Name, sink, exporter.Options{Job: "highest"})
	if !errors.Is(err, source.ErrIncomplete) {
		t.Fatalf("an export that would lose a row: %v", err)
	}
	wantNothing(t, sink)
	m, err := exporter.Export(t.Context(), from, c.Name, sink, exporter.Options{Job: "highest", AllowUnreadable: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Findings.Unreadable; m.Total.Rows != 2 || len(got) != 1 || got[0].Rows != 1 {
		t.Errorf("%d rows, unreadable: %+v", m.Total.Rows, got)
	}
}

// wantNothing fails where anything is left on a sink.
func wantNothing(t *testing.T, sink sinks.Sink) {
	t.Helper()
	for info, err := range sink.List(t.Context(), "") {
		t.Errorf("left behind: %v %v", info, err)
	}
}
