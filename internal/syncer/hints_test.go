package syncer

import (
	"context"
	"slices"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/labtest"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/memory"
)

// onlyRanged hides a source's hints.
type onlyRanged struct{ source.Ranged }

// found is the comparison of a source that has 1,000 rows of version 1, upserted 3 of them as version 2, and a target that has not.
func found(t *testing.T, side func(*memory.Source) source.Ranged, opts Options, pos *Position) []model.Key {
	t.Helper()
	version := labtest.Field("version", schemapb.DataType_Int64)
	coll := labtest.Collection(labtest.Schema(labtest.IntKey("id"), version))
	coll.Partitions = []string{model.DefaultPartition}
	rows := func(v int64, keys ...int64) []*schemapb.FieldData {
		versions := labtest.Each(len(keys), func(int) int64 { return v })
		return []*schemapb.FieldData{labtest.Column(labtest.IntKey("id"), keys), labtest.Column(version, versions)}
	}
	all := labtest.Each(1000, func(i int) int64 { return int64(i) })
	ends := make([]*memory.Source, 2)
	for i := range ends {
		var err error
		if ends[i], err = memory.New(coll); err != nil {
			t.Fatal(err)
		}
		if err := ends[i].Insert(model.DefaultPartition, rows(1, all...)); err != nil {
			t.Fatal(err)
		}
		if _, err := ends[i].Mark(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := ends[0].Upsert(model.DefaultPartition, rows(2, 7, 400, 999)); err != nil {
		t.Fatal(err)
	}
	layout, err := columns.NewLayout(coll.Schema)
	if err != nil {
		t.Fatal(err)
	}
	s := sides{source: side(ends[0]), target: ends[1], layout: layout, limit: newLimiter(0), read: new(int64)}
	c := &comparison{sides: &s, rows: counts{1000, 1000}, opts: opts.withDefaults(), report: &Report{}, pos: pos}
	var keys []model.Key
	c.deal = func(_ context.Context, suspects Suspects) (Outcome, error) {
		keys = append(keys, suspects.Keys[model.DefaultPartition]...)
		return Outcome{Changed: suspects.number()}, nil
	}
	if err := c.split(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, step := range []func(context.Context) error{c.followCursor, c.followGrowing} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	slices.SortFunc(keys, model.Key.Compare)
	return keys
}

// TestHints finds what was written by growing rows and by a cursor, and does without where the source gives no hints.
func TestHints(t *testing.T) {
	written := []model.Key{model.IntKey(7), model.IntKey(400), model.IntKey(999)}
	whole := func(s *memory.Source) source.Ranged { return s }
	two := model.IntKey(2)
	for name, test := range map[string]struct {
		side func(*memory.Source) source.Ranged
		opts Options
		pos  Position
		want []model.Key
	}{
		"growing":  {whole, Options{}, Position{}, written},
		"cursor":   {whole, Options{CursorField: "version"}, Position{CursorField: "version", Overlap: &two}, written},
		"no hints": {func(s *memory.Source) source.Ranged { return onlyRanged{s} }, Options{CursorField: "version"}, Position{}, nil},
	} {
		if keys := found(t, test.side, test.opts, &test.pos); !slices.Equal(keys, test.want) {
			t.Errorf("%s: found %v, want %v", name, keys, test.want)
		}
	}
}
