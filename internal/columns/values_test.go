package columns_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"migrate/internal/columns"
)

// documents makes a record batch of a text and a document in each row; NULL where it is "NULL".
func documents(texts ...string) arrow.Record {
	fields := []arrow.Field{{Name: "text", Type: arrow.BinaryTypes.String}, {Name: "doc", Type: arrow.BinaryTypes.String, Nullable: true}}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	for _, text := range texts {
		b.Field(0).(*array.StringBuilder).Append("{ }")
		if text == "NULL" {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.StringBuilder).Append(text)
		}
	}
	return b.NewRecord()
}

func hashOf(t rapid.TB, text string) uint64 {
	t.Helper()
	hashes, err := columns.Hash(columns.ByValue(documents(text), []string{"doc"}))
	if err != nil {
		t.Fatal(err)
	}
	return hashes[0]
}

// TestByValue: documents count by their values, whichever way they are spelled, and nothing else counts otherwise than before.
func TestByValue(t *testing.T) {
	for _, same := range [][]string{
		{`{"b":1,"a":[true,null]}`, ` { "a" : [ true , null ] , "b" : 1 } `},
		{`{"ä":"\u00fc\n"}`, `{"\u00e4":"ü\u000a"}`, "{\"\\u00e4\":\"\u00fc\\n\"}"},
		{`"\ud83d\ude00"`, `"😀"`},
		{`{"a":1e2}`, `{"a":100.0}`, `{"a":1E+2}`},
		{`[1.10,-0.5e0]`, `[1.1,-0.5]`},
		{`0.1234567890123456789`, `0.12345678901234568`},
		{`-0`, `0`},
		{`{"a":1,"a":2}`, `{"a":2}`},
		{`{}`, `{ }`},
		{`"<&>"`, `"\u003c\u0026\u003e"`},
		{`not a document`}, {`not a  document`}, {`{"a":1} {}`}, {``}, {"NULL"}, {`null`},
		{`1`}, {`1.0`, `1e0`}, {`-0.0`}, {`0.0`}, {`9007199254740993`}, {`9007199254740992`}, {`1e400`}, {`2e400`}, {`1e-400`, `0e5`, `0.0`},
		{`"1"`}, {`true`}, {`"true"`}, {`[1]`}, {`[[1]]`}, {`{"a":[1]}`}, {`{"a":1}`}, {`{"A":1}`}, {`[2,1]`}, {`[1,2]`},
		{`"\ud800"`}, {`"\udc00"`}, {"\"\xff\""}, {`"\ufffd"`, `"` + "\ufffd" + `"`}, {`"\\ud800"`},
		{`9` + strings.Repeat("0", 400)}, {`8` + strings.Repeat("0", 400)},
	} {
		for _, other := range same[1:] {
			if hashOf(t, same[0]) != hashOf(t, other) {
				t.Errorf("%s and %s are not the same", same[0], other)
			}
		}
	}
	different := []string{
		`1`, `1.0`, `"1"`, `true`, `"true"`, `null`, `"null"`, "NULL", ``, `{}`, `[]`, `""`, `{"a":1}`, `{"A":1}`, `{"a":1.5}`, `{"a":"1"}`, `[1,2]`, `[2,1]`, `[12]`, `["1,2"]`,
		`[1,[2]]`, `9007199254740993`, `9007199254740992`, `1e400`, `2e400`, `-0.0`, `0.0`, `0`, `not a document`, `not a  document`, `{"a":1} {}`,
		`"\ud800"`, `"\udc00"`, "\"\xff\"", "\"\xfe\"", `"\ufffd"`, `"\\ud800"`, `{"a":{"b":1}}`, `{"a":"{\"b\":1}"}`, `{"a,b":1}`,
	}
	seen := map[uint64]string{}
	for _, text := range different {
		h := hashOf(t, text)
		if other, is := seen[h]; is {
			t.Errorf("%q and %q count as the same", text, other)
		}
		seen[h] = text
	}
	rec := documents(`{"b":1,"a":2}`, "NULL", `x`)
	plain, err := columns.Hash(rec)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := columns.Hash(columns.ByValue(rec, nil)); err != nil || fmt.Sprint(same) != fmt.Sprint(plain) {
		t.Errorf("without documents: %x, %v; want %x", same, err, plain)
	}
	if less, err := columns.Hash(columns.ByValue(rec, []string{"doc"}), "text"); err != nil || less[1] == plain[1] {
		t.Errorf("a column that is left out counts: %x, %v", less, err)
	}
}

// TestByValueOfAnySpelling: whatever a document is, it is the same once it is spelled anew, with its names in another order.
func TestByValueOfAnySpelling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyDocument(3).Draw(t, "document")
		once, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		again, err := json.MarshalIndent(v, " ", "\t")
		if err != nil {
			t.Fatal(err)
		}
		ascii := asciiOnly(string(again))
		if a, b, c := hashOf(t, string(once)), hashOf(t, string(again)), hashOf(t, ascii); a != b || b != c {
			t.Fatalf("%s, %s and %s count as %x, %x and %x", once, again, ascii, a, b, c)
		}
	})
}

// asciiOnly has each other character written as escapes, as Python's json does.
func asciiOnly(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r < 128:
			b.WriteRune(r)
		case r > 0xFFFF:
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xD800+(r-0x10000)>>10, 0xDC00+(r-0x10000)&0x3FF)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func anyDocument(depth int) *rapid.Generator[any] {
	text := rapid.StringOf(rapid.RuneFrom([]rune("abÄ漢😀\"\\\n\u2028 ")))
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), text.AsAny(), rapid.Int64().AsAny(), rapid.Float64().AsAny(),
	}
	if depth > 0 {
		leaves = append(leaves, rapid.SliceOfN(anyDocument(depth-1), 0, 3).AsAny(), rapid.MapOfN(text, anyDocument(depth-1), 0, 3).AsAny())
	}
	return rapid.OneOf(leaves...)
}

// FuzzByValue: no document panics, and one that is none counts by its bytes.
func FuzzByValue(f *testing.F) {
	for _, text := range []string{`{"a":[1,2.5e3,"\ud800"]}`, `[[[[`, "\xff", `1e999999999`, `"\u12"`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		plain, err := columns.Hash(documents(text), "text")
		if err != nil {
			t.Fatal(err)
		}
		value, err := columns.Hash(columns.ByValue(documents(text), []string{"doc"}), "text")
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid([]byte(text)) && text != "NULL" && plain[0] != value[0] {
			t.Errorf("%q is no document, and does not count by its bytes", text)
		}
	})
}
