package model_test

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"migrate/internal/model"
)

func intKeys() *rapid.Generator[model.Key]  { return rapid.Map(ints(), model.IntKey) }
func textKeys() *rapid.Generator[model.Key] { return rapid.Map(rapid.String(), model.TextKey) }

// ints are any integers, extremes and neighbours among them.
func ints() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 3),
		rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64 - 1, math.MaxInt64}))
}

func TestKeyInJSON(t *testing.T) {
	for text, key := range map[string]model.Key{
		`9223372036854775807`:  model.IntKey(math.MaxInt64),
		`-9223372036854775808`: model.IntKey(math.MinInt64),
		`0`:                    model.IntKey(0),
		`""`:                   model.TextKey(""),
		`"0"`:                  model.TextKey("0"),
		`"\"a\\\n"`:            model.TextKey("\"a\\\n"),
	} {
		got, err := json.Marshal(key)
		if err != nil || string(got) != text {
			t.Errorf("key %v: %s, %v; want %s", key, got, err, text)
		}
	}
}

// Keys are what they were after JSON: also an empty text, which is not the integer 0.
func TestKeyComesBackFromJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOf(rapid.OneOf(intKeys(), textKeys())).Draw(t, "keys")
		text, err := json.Marshal(keys)
		if err != nil {
			t.Fatal(err)
		}
		var got []model.Key
		if err := json.Unmarshal(text, &got); err != nil || !slices.Equal(got, keys) {
			t.Errorf("%s: %v, %v; want %v", text, got, err, keys)
		}
	})
}

func TestKeyRefusesOtherJSON(t *testing.T) {
	for _, text := range []string{`null`, `true`, `1.5`, `1e3`, `9223372036854775808`, `-9223372036854775809`, `[1]`, `{}`, `"\ud8`} {
		var k model.Key
		if err := json.Unmarshal([]byte(text), &k); err == nil {
			t.Errorf("%s became %v", text, k)
		}
	}
}

// Integers are ordered by value, and texts by their bytes.
func TestKeyCompare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := ints().Draw(t, "a"), ints().Draw(t, "b")
		if got := model.IntKey(a).Compare(model.IntKey(b)); got != cmp.Compare(a, b) {
			t.Errorf("%d with %d: %d", a, b, got)
		}
		s, u := rapid.String().Draw(t, "s"), rapid.String().Draw(t, "u")
		if got := model.TextKey(s).Compare(model.TextKey(u)); got != strings.Compare(s, u) {
			t.Errorf("%q with %q: %d", s, u, got)
		}
		if model.TextKey(s).Clone() != model.TextKey(s) {
			t.Errorf("the clone of %q is another key", s)
		}
	})
}

func between(after, upTo model.Key) model.Range { return model.Range{After: &after, UpTo: &upTo} }

func TestRange(t *testing.T) {
	one, seven := model.IntKey(1), model.IntKey(7)
	ranges := []struct {
		rng  model.Range
		name string
		json string
	}{
		{model.Range{}, "(-∞, +∞)", `{}`},
		{model.Range{After: &one}, "(1, +∞)", `{"after":1}`},
		{model.Range{UpTo: &one}, "(-∞, 1]", `{"up_to":1}`},
		{between(one, seven), "(1, 7]", `{"after":1,"up_to":7}`},
		{between(model.TextKey(""), model.TextKey(`"`)), `("", "\""]`, `{"after":"","up_to":"\""}`},
	}
	for i, a := range ranges {
		if got := a.rng.String(); got != a.name {
			t.Errorf("%s is called %s", a.name, got)
		}
		var back model.Range
		if text, err := json.Marshal(a.rng); err != nil || string(text) != a.json || json.Unmarshal(text, &back) != nil || !back.Equal(a.rng) {
			t.Errorf("%s in JSON: %s, %v, and back %v", a.name, text, err, back)
		}
		for j, b := range ranges {
			if got := a.rng.Equal(b.rng); got != (i == j) {
				t.Errorf("%s equals %s: %t", a.name, b.name, got)
			}
		}
	}
}
