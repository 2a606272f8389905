package verify_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"pgregory.net/rapid"

	"migrate/internal/labtest"
	"migrate/internal/model"
	"migrate/internal/source/memory"
	"migrate/internal/verify"
)

// Any rows in any order, in any number of scattered chunks, are told from others as those of ranges are.
func TestScattered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfNDistinct(rapid.Int64Range(-50, 50), 0, 60, rapid.ID[int64])
		drawn := func(name string) *side {
			s := of(map[string]rows{"p": {}, "q": {}}, 0, 20)
			for _, k := range keys.Draw(t, name+" keys") {
				p := rapid.SampledFrom([]string{"p", "p", "p", "q"}).Draw(t, "partition")
				s.insert(p, rows{k: rapid.SampledFrom([]string{"text", "text", "other"}).Draw(t, "text")})
			}
			return s
		}
		left, right := drawn("left"), drawn("right")
		if rapid.Bool().Draw(t, "equal") {
			right = left
		}
		want, err := verify.Compare(t.Context(), left, right, verify.Options{})
		if err != nil {
			t.Fatal(err)
		}
		scattered := memory.Scattered{Of: left.Source, Chunks: rapid.IntRange(1, 7).Draw(t, "chunks")}
		got, err := verify.Compare(t.Context(), scattered, right, verify.Options{Held: rapid.Int64Range(1, 80).Draw(t, "held")})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, %v; by ranges %+v", got, err, want)
		}
	})
}

// Duplicate keys are found across chunks, and named. The right side may have any row of each.
func TestScatteredDuplicates(t *testing.T) {
	for name, test := range map[string]struct {
		fifth string // of the right side
		equal bool
	}{
		"the first":  {"text", true},
		"the second": {"second", true},
		"the third":  {"third", true},
		"another":    {"fourth", false},
	} {
		left, right := of(map[string]rows{"p": numbered(1, 9)}), of(map[string]rows{"p": numbered(1, 9)})
		left.insert("p", rows{5: "second"})
		left.insert("p", rows{5: "third"})
		left.insert("p", rows{7: "text"})
		right.Delete(model.IntKey(5))
		right.insert("p", rows{5: test.fifth})
		for chunks := range 3 {
			r := compare(t, memory.Scattered{Of: left.Source, Chunks: 1 + chunks}, right, verify.Options{})
			want := model.Duplicates{Keys: 2, Rows: 3, Sample: []model.Copies{{Key: model.IntKey(5), Copies: 3}, {Key: model.IntKey(7), Copies: 2}}}
			found := r.LeftFound.Duplicates
			if r.Equal != test.equal || r.Left.Rows != 9 || found.Keys != want.Keys || found.Rows != want.Rows || len(found.Sample) != 2 {
				t.Errorf("%s, %d chunks: equal %t, %d rows, %+v", name, 1+chunks, r.Equal, r.Left.Rows, found)
			}
			if but := r.But(); !strings.Contains(but, "2 duplicate keys (3 rows beyond one of each; such as ") {
				t.Errorf("%s: %q", name, but)
			}
		}
	}
}

// Of texts as keys the rows that differ are named too, whichever pass they fall into.
func TestScatteredTexts(t *testing.T) {
	filled := func(from, to int) *memory.Source {
		key, text := labtest.TextKey("id"), labtest.Field("text", schemapb.DataType_VarChar)
		s, err := memory.New(&model.Collection{Schema: labtest.Schema(key, text), Partitions: []string{"p"}})
		if err != nil {
			t.Fatal(err)
		}
		names := labtest.Each(to-from, func(i int) string { return fmt.Sprintf("key %03d", from+i) })
		if err := s.Insert("p", []*schemapb.FieldData{labtest.Column(key, names), labtest.Column(text, names)}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	r := compare(t, memory.Scattered{Of: filled(0, 300), Chunks: 3}, filled(2, 303), verify.Options{Held: 2})
	name := func(names ...string) (all []model.Key) {
		for _, n := range names {
			all = append(all, model.TextKey("key "+n))
		}
		return all
	}
	want := verify.Differences{Missing: 2, Extra: 3, MissingKeys: name("000", "001"), ExtraKeys: name("300", "301", "302")}
	if !reflect.DeepEqual(r.Rows, want) || r.Equal {
		t.Errorf("%+v, want %+v", r.Rows, want)
	}
}
