package milvus_test

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

func TestWithin(t *testing.T) {
	id := milvus.KeyOf(labtest.Schema(labtest.IntKey("id")))
	name := milvus.KeyOf(labtest.Schema(labtest.TextKey("name")))
	ints := func(after, upTo int64) model.Range { return within(model.IntKey(after), model.IntKey(upTo)) }
	texts := func(after, upTo string) model.Range { return within(model.TextKey(after), model.TextKey(upTo)) }
	for _, test := range []struct {
		key  milvus.KeyField
		rng  model.Range
		want string
	}{
		{id, model.Range{}, `id <= 9223372036854775807`},
		{id, ints(-1, 7), `id > -1 and id <= 7`},
		{id, model.Range{After: ints(7, 7).After}, `id > 7`},
		{id, model.Range{UpTo: ints(7, 7).UpTo}, `id <= 7`},
		{id, ints(math.MinInt64, math.MaxInt64), `id > (-9223372036854775807 - 1) and id <= 9223372036854775807`},
		{id, ints(math.MinInt64+1, 0), `id > -9223372036854775807 and id <= 0`},
		{name, model.Range{}, `name >= ""`},
		{name, texts("", "b"), `name > "" and name <= "b"`},
		{name, model.Range{After: texts("ä", "").After}, `name > "ä"`},
		{name, model.Range{UpTo: texts("", `a"b\c`).UpTo}, `name <= "a\"b\\c"`},
		{name, texts("a\nb\r", "a\tb' or true"), `name > "a\nb\r" and name <= "a\tb' or true"`},
		{name, texts(`\`, `\n`), `name > "\\" and name <= "\\n"`},
	} {
		if got := test.key.Within(test.rng); got != test.want {
			t.Errorf("%v: %s, want %s", test.rng, got, test.want)
		}
	}
}

// A text in a filter is one literal, whatever it holds: Milvus reads it as Go reads its own.
func TestLiteralsAreQuoted(t *testing.T) {

	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`[\\"'\n\r\ta-c鍵𠮷🗝]*`)).Draw(t, "s")
		literal, ok := strings.CutPrefix(milvus.Filters{}.Is("name", model.TextKey(s)), "name == ")
		if got, err := strconv.Unquote(literal); !ok || err != nil || got != s {
			t.Errorf("%q became %s, which reads %q, %v", s, literal, got, err)
		}
		if i := strings.IndexFunc(literal, func(r rune) bool { return r > 0xFFFF && unicode.Is(unicode.Han, r) }); i >= 0 {
			t.Errorf("%s has a Han character that newer servers take for another one", literal)
		}
	})
}

// TestIn filters by keys, and has a literal for the smallest.
func TestIn(t *testing.T) {
	ints, texts := milvus.KeyField{Name: "id", Int: true}, milvus.KeyField{Name: "id"}
	for want, got := range map[string]string{
		`id in [7]`:                             ints.In([]model.Key{model.IntKey(7)}),
		`id in [(-9223372036854775807 - 1), 0]`: ints.In([]model.Key{model.IntKey(-1 << 63), model.IntKey(0)}),
		`id in ["", "a\"\n"]`:                   texts.In([]model.Key{model.TextKey(""), model.TextKey("a\"\n")}),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func within(after, upTo model.Key) model.Range { return model.Range{After: &after, UpTo: &upTo} }
