package columns_test

import (
	"math"
	"migrate/internal/columns"
	"migrate/internal/labtest"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

func TestWithin(t *testing.T) {
	id := columns.KeyOf(labtest.Schema(labtest.IntKey("id")))
	name := columns.KeyOf(labtest.Schema(labtest.TextKey("name")))
	ints := func(after, upTo int64) columns.Range { return within(columns.IntKey(after), columns.IntKey(upTo)) }
	texts := func(after, upTo string) columns.Range { return within(columns.TextKey(after), columns.TextKey(upTo)) }
	for _, test := range []struct {
		key  columns.KeyField
		rng  columns.Range
		want string
	}{
		{id, columns.Range{}, `id <= 9223372036854775807`},
		{id, ints(-1, 7), `id > -1 and id <= 7`},
		{id, columns.Range{After: ints(7, 7).After}, `id > 7`},
		{id, columns.Range{UpTo: ints(7, 7).UpTo}, `id <= 7`},
		{id, ints(math.MinInt64, math.MaxInt64), `id > (-9223372036854775807 - 1) and id <= 9223372036854775807`},
		{id, ints(math.MinInt64+1, 0), `id > -9223372036854775807 and id <= 0`},
		{name, columns.Range{}, `name >= ""`},
		{name, texts("", "b"), `name > "" and name <= "b"`},
		{name, columns.Range{After: texts("ä", "").After}, `name > "ä"`},
		{name, columns.Range{UpTo: texts("", `a"b\c`).UpTo}, `name <= "a\"b\\c"`},
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
		literal, ok := strings.CutPrefix(columns.Is("name", columns.TextKey(s)), "name == ")
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
	ints, texts := columns.KeyField{Name: "id", Int: true}, columns.KeyField{Name: "id"}
	for want, got := range map[string]string{
		`id in [7]`:                             ints.In([]columns.Key{columns.IntKey(7)}),
		`id in [(-9223372036854775807 - 1), 0]`: ints.In([]columns.Key{columns.IntKey(-1 << 63), columns.IntKey(0)}),
		`id in ["", "a\"\n"]`:                   texts.In([]columns.Key{columns.TextKey(""), columns.TextKey("a\"\n")}),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func within(after, upTo columns.Key) columns.Range { return columns.Range{After: &after, UpTo: &upTo} }
