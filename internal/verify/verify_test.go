package verify_test

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/memory"
	"migrate/internal/verify"
)

// rows are those of one partition: a text for each key.
type rows map[int64]string

// side is a collection in memory, cut at some bounds.
type side struct {
	*memory.Source
	partitions map[string]rows
	bounds     []int64                                     // between the chunks of each partition
	found      model.Findings                              // by the first read
	read       func(ctx context.Context, call int64) error // called before each read, from 1 on

	calls atomic.Int64
}

func of(partitions map[string]rows, bounds ...int64) *side {
	coll := &model.Collection{
		Schema:     labtest.Schema(labtest.IntKey("id"), labtest.Field("text", schemapb.DataType_VarChar)),
		Partitions: slices.Sorted(maps.Keys(partitions)),
	}
	held, err := memory.New(coll)
	if err != nil {
		panic(err)
	}
	held.BatchRows = 2
	s := &side{Source: held, partitions: partitions, bounds: bounds, read: func(context.Context, int64) error { return nil }}
	held.Reading = func(ctx context.Context, _ model.Chunk) error { return s.read(ctx, s.calls.Load()) }
	for name, rows := range partitions {
		s.insert(name, rows)
	}
	return s
}

func (s *side) insert(partition string, r rows) {
	fields, keys := s.Collection().Schema.Fields, slices.Collect(maps.Keys(r))
	texts := labtest.Each(len(keys), func(i int) string { return r[keys[i]] })
	if err := s.Insert(partition, []*schemapb.FieldData{labtest.Column(fields[0], keys), labtest.Column(fields[1], texts)}); err != nil {
		panic(err)
	}
}

// Plan cuts each partition at the bounds.
func (s *side) Plan(context.Context, source.Size) (*source.Plan, error) {
	plan := &source.Plan{}
	for _, p := range s.Collection().Partitions {
		chunk := model.Chunk{Partition: p}
		for _, b := range s.bounds {
			key := model.IntKey(b)
			chunk.UpTo = &key
			plan.Chunks = append(plan.Chunks, chunk)
			chunk = model.Chunk{Partition: p, Range: model.Range{After: &key}, Number: chunk.Number + 1}
		}
		plan.Chunks = append(plan.Chunks, chunk)
	}
	return plan, nil
}

// Read has findings where it is the first.
func (s *side) Read(ctx context.Context, chunk model.Chunk, columns ...string) (source.Stream, error) {
	call := s.calls.Add(1)
	stream, err := s.Source.Read(ctx, chunk, columns...)
	if err != nil || call > 1 {
		return stream, err
	}
	return foundBy{stream, s.found}, nil
}

type foundBy struct {
	source.Stream
	found model.Findings
}

func (f foundBy) Findings() model.Findings { return f.found }

func compare(t *testing.T, left source.Source, right source.Ranged, opts verify.Options) *verify.Report {
	t.Helper()
	report, err := verify.Compare(t.Context(), left, right, opts)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func keys(ints ...int64) []model.Key {
	var all []model.Key
	for _, i := range ints {
		all = append(all, model.IntKey(i))
	}
	return all
}

// numbered are rows with the keys from first to last.
func numbered(first, last int64) rows {
	r := rows{}
	for k := first; k <= last; k++ {
		r[k] = "text"
	}
	return r
}

func TestCompare(t *testing.T) {
	for name, test := range map[string]struct {
		left, right map[string]rows
		want        verify.Differences
	}{
		"equal":                        {map[string]rows{"p": numbered(1, 9), "q": {4: "d"}}, map[string]rows{"p": numbered(1, 9), "q": {4: "d"}}, verify.Differences{}},
		"none":                         {nil, nil, verify.Differences{}},
		"no rows":                      {map[string]rows{"p": {}}, map[string]rows{"p": {}}, verify.Differences{}},
		"missing":                      {map[string]rows{"p": numbered(1, 9)}, map[string]rows{"p": numbered(2, 8)}, verify.Differences{Missing: 2, MissingKeys: keys(1, 9)}},
		"extra":                        {map[string]rows{"p": numbered(2, 8)}, map[string]rows{"p": numbered(1, 9)}, verify.Differences{Extra: 2, ExtraKeys: keys(1, 9)}},
		"differing":                    {map[string]rows{"p": {1: "a", 5: "b"}}, map[string]rows{"p": {1: "a", 5: "B"}}, verify.Differences{Differing: 1, DifferingKeys: keys(5)}},
		"exchanged":                    {map[string]rows{"p": {1: "a", 5: "b"}}, map[string]rows{"p": {1: "b", 5: "a"}}, verify.Differences{Differing: 2, DifferingKeys: keys(1, 5)}},
		"all moved":                    {map[string]rows{"p": {1: "a"}}, map[string]rows{"p": {2: "a"}}, verify.Differences{Missing: 1, Extra: 1, MissingKeys: keys(1), ExtraKeys: keys(2)}},
		"left only":                    {map[string]rows{"p": {1: "a"}, "q": {2: "b"}}, map[string]rows{"p": {1: "a"}}, verify.Differences{Missing: 1, MissingKeys: keys(2)}},
		"right only":                   {map[string]rows{"p": {1: "a"}}, map[string]rows{"p": {1: "a"}, "q": {2: "b"}}, verify.Differences{Extra: 1, ExtraKeys: keys(2)}},
		"empty partition on the right": {map[string]rows{"p": {1: "a"}}, map[string]rows{"p": {1: "a"}, "q": {}}, verify.Differences{}},
		"in another partition": {map[string]rows{"p": {1: "a"}, "q": {}}, map[string]rows{"p": {}, "q": {1: "a"}}, verify.Differences{
			Missing: 1, Extra: 1, MissingKeys: keys(1), ExtraKeys: keys(1)}},
		"the first ten are named": {map[string]rows{"p": numbered(-20, 5), "q": numbered(6, 9)}, map[string]rows{"p": {}}, verify.Differences{
			Missing: 30, MissingKeys: keys(-20, -19, -18, -17, -16, -15, -14, -13, -12, -11)}},
	} {
		left, right := of(test.left, 0, 3, 3, 6), of(test.right, 100)
		r := compare(t, left, right, verify.Options{Workers: 3})
		if !reflect.DeepEqual(r.Rows, test.want) || r.Equal != reflect.DeepEqual(test.want, verify.Differences{}) {
			t.Errorf("%s: equal %t, %+v; want %+v", name, r.Equal, r.Rows, test.want)
		}
		wantTotals(t, name, r, left, right)
		for chunks := range 4 {
			scattered := memory.Scattered{Of: left.Source, Chunks: 1 + chunks}
			r := compare(t, scattered, right, verify.Options{Workers: 3, Held: 2})
			if !reflect.DeepEqual(r.Rows, test.want) || r.Equal != reflect.DeepEqual(test.want, verify.Differences{}) {
				t.Errorf("%s, scattered over %d chunks: equal %t, %+v; want %+v", name, 1+chunks, r.Equal, r.Rows, test.want)
			}
			wantTotals(t, name, r, left, right)
		}
	}
}

// wantTotals checks the report's counts of rows, by partition and in all.
func wantTotals(t *testing.T, name string, r *verify.Report, left, right *side) {
	t.Helper()
	var l, rt int64
	for _, p := range r.Partitions {
		if p.Left.Rows != int64(len(left.partitions[p.Name])) || p.Right.Rows != int64(len(right.partitions[p.Name])) {
			t.Errorf("%s: partition %+v", name, p)
		}
		l, rt = l+p.Left.Rows, rt+p.Right.Rows
	}
	if r.Left.Rows != l || r.Right.Rows != rt {
		t.Errorf("%s: %d and %d rows, want %d and %d", name, r.Left.Rows, r.Right.Rows, l, rt)
	}
}

// Rows of other columns are other rows, and a schema that differs is said.
func TestSchemaDiffers(t *testing.T) {
	left, right := of(map[string]rows{"p": {1: "a"}}), of(map[string]rows{"p": {1: "a"}})
	right.Collection().Schema.Fields[1].TypeParams[0].Value = "9"
	r := compare(t, left, right, verify.Options{})
	if r.Equal || len(r.Schema) != 1 || !strings.Contains(r.Schema[0], `"text"`) {
		t.Errorf("equal %t, %q; want a difference of \"text\"", r.Equal, r.Schema)
	}
}

// What a server could not show, or shows twice, is not proved.
func TestFindings(t *testing.T) {
	doubled := model.Findings{Duplicates: model.Duplicates{Keys: 1, Rows: 2, Sample: []model.Copies{{Key: model.IntKey(1), Copies: 3}}}}
	unreadable := model.Findings{Unreadable: []model.Unreadable{{Rows: 2}}}
	for name, test := range map[string]struct {
		left, right model.Findings
		want        verify.Differences
	}{
		"doubled on the left":     {doubled, model.Findings{}, verify.Differences{}}, // one copy was carried, as it should be
		"doubled on the right":    {model.Findings{}, doubled, verify.Differences{Extra: 2, ExtraKeys: keys(1)}},
		"unreadable on the left":  {unreadable, model.Findings{}, verify.Differences{Uncheckable: 2}},
		"unreadable on the right": {model.Findings{}, unreadable, verify.Differences{Uncheckable: 2}},
	} {
		for _, withoutKeys := range []bool{false, true} {
			left, right := of(map[string]rows{"p": {1: "a", 7: "b"}}, 5), of(map[string]rows{"p": {1: "a", 7: "b"}}, 5)
			left.found, right.found = test.left, test.right
			r := compare(t, left, right, verify.Options{WithoutKeys: withoutKeys, Workers: 1})
			if !reflect.DeepEqual(r.Rows, test.want) || r.Equal != reflect.DeepEqual(test.want, verify.Differences{}) {
				t.Errorf("%s, without keys %t: equal %t, %+v; want %+v", name, withoutKeys, r.Equal, r.Rows, test.want)
			}
			if !reflect.DeepEqual(r.LeftFound, test.left) || !reflect.DeepEqual(r.RightFound, test.right) {
				t.Errorf("%s, without keys %t: found %+v and %+v", name, withoutKeys, r.LeftFound, r.RightFound)
			}
		}
	}
}

func TestWithoutKeys(t *testing.T) {
	left := map[string]rows{"p": {1: "a", 2: "b"}, "q": {3: "c"}}
	for name, test := range map[string]struct {
		right map[string]rows
		equal bool
	}{
		"other keys":         {map[string]rows{"p": {-9: "b", 400: "a"}, "q": {5: "c"}}, true},
		"another text":       {map[string]rows{"p": {1: "a", 2: "B"}, "q": {3: "c"}}, false},
		"a text twice":       {map[string]rows{"p": {1: "a", 2: "a"}, "q": {3: "c"}}, false},
		"in each other's":    {map[string]rows{"p": {1: "c"}, "q": {2: "a", 3: "b"}}, false},
		"a row less":         {map[string]rows{"p": {1: "a"}, "q": {3: "c"}}, false},
		"no partition":       {map[string]rows{"p": {1: "a", 2: "b"}}, false},
		"a partition more":   {map[string]rows{"p": {1: "a", 2: "b"}, "q": {3: "c"}, "r": {4: "d"}}, false},
		"an empty partition": {map[string]rows{"p": {1: "a", 2: "b"}, "q": {3: "c"}, "r": {}}, true},
	} {
		r := compare(t, of(left, 1), of(test.right, 0, 2), verify.Options{WithoutKeys: true})
		if r.Equal != test.equal || !reflect.DeepEqual(r.Rows, verify.Differences{}) {
			t.Errorf("%s: equal %t, %+v; want %t, and no keys", name, r.Equal, r.Rows, test.equal)
		}
	}
}

// A difference that is gone when the rows are read again was a write under way.
func TestPassingDifference(t *testing.T) {
	left, right := of(map[string]rows{"p": {1: "a"}}), of(map[string]rows{"p": {}})
	right.read = func(_ context.Context, call int64) error {
		if call == 2 {
			right.partitions["p"][1] = "a"
			right.insert("p", rows{1: "a"})
		}
		return nil
	}
	r := compare(t, left, right, verify.Options{})
	if !r.Equal || r.Right.Rows != 1 || right.calls.Load() != 2 {
		t.Errorf("equal %t, %d rows on the right after %d reads; want the second's", r.Equal, r.Right.Rows, right.calls.Load())
	}
}

var errBroken = errors.New("server on fire")

// unplanned is a side that can't be cut.
type unplanned struct{ *side }

func (unplanned) Plan(context.Context, source.Size) (*source.Plan, error) { return nil, errBroken }

func TestErrorsComeOut(t *testing.T) {
	differing := func() (left, right *side) {
		return of(map[string]rows{"p": {1: "a", 2: "b"}}, 1), of(map[string]rows{"p": {1: "a", 2: "B"}}, 1)
	}
	failing := func(from int64) func(context.Context, int64) error {
		return func(_ context.Context, call int64) error {
			if call >= from {
				return errBroken
			}
			return nil
		}
	}
	for _, withoutKeys := range []bool{false, true} {
		sides := map[string]func() (source.Source, source.Ranged){
			"left":  func() (source.Source, source.Ranged) { l, r := differing(); l.read = failing(1); return l, r },
			"right": func() (source.Source, source.Ranged) { l, r := differing(); r.read = failing(2); return l, r },
			"plan":  func() (source.Source, source.Ranged) { l, r := differing(); return unplanned{l}, r },
		}
		if withoutKeys {
			sides["right's plan"] = func() (source.Source, source.Ranged) { l, r := differing(); return l, unplanned{r} }
		} else {
			sides["left again"] = func() (source.Source, source.Ranged) { l, r := differing(); l.read = failing(3); return l, r }
			sides["right again"] = func() (source.Source, source.Ranged) { l, r := differing(); r.read = failing(3); return l, r }
		}
		for name, make := range sides {
			left, right := make()
			r, err := verify.Compare(t.Context(), left, right, verify.Options{WithoutKeys: withoutKeys, Workers: 1})
			planned := !strings.Contains(name, "plan")
			if r != nil || !errors.Is(err, errBroken) || planned && !strings.Contains(err.Error(), `partition "p"`) {
				t.Errorf("%s, without keys %t: %v, %v; want an error that names the partition", name, withoutKeys, r, err)
			}
		}
	}
}

// The end of the context is the end of the comparison, whatever is being read.
func TestCancel(t *testing.T) {
	for _, withoutKeys := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		left, right := of(map[string]rows{"p": numbered(1, 20)}, 5, 10, 15), of(map[string]rows{"p": numbered(1, 20)})
		left.read = func(ctx context.Context, call int64) error {
			if call == 2 {
				cancel()
			}
			if call >= 2 {
				<-ctx.Done()
			}
			return ctx.Err()
		}
		r, err := verify.Compare(ctx, left, right, verify.Options{WithoutKeys: withoutKeys, Workers: 2})
		if r != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("without keys %t: %v, %v", withoutKeys, r, err)
		}
		if _, err := verify.Compare(ctx, of(left.partitions), right, verify.Options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("begun after the end: %v", err)
		}
	}
}

// As many ranges are read at once as there are workers, and progress counts the rows of the left side.
func TestWorkersAndProgress(t *testing.T) {
	for _, withoutKeys := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			both := map[string]rows{"p": numbered(1, 30), "q": numbered(31, 40)}
			left, right := of(both, 5, 10, 15, 20, 25), of(both)
			var read, bytes atomic.Int64
			left.read = func(context.Context, int64) error {
				<-time.After(time.Second)
				return nil
			}
			started := time.Now()
			r := compare(t, left, right, verify.Options{Workers: 3, WithoutKeys: withoutKeys, Progress: func(rows, b int64) {
				read.Add(rows)
				bytes.Add(b)
			}})
			if took := time.Since(started); took != 4*time.Second { // 6 ranges of p by 3 at once, then 6 of q
				t.Errorf("without keys %t: took %v", withoutKeys, took)
			}
			if !r.Equal || read.Load() != 40 || bytes.Load() <= 0 {
				t.Errorf("without keys %t: equal %t, progress of %d rows and %d bytes", withoutKeys, r.Equal, read.Load(), bytes.Load())
			}
		})
	}
}
