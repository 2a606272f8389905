package columns

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// Key is a primary key: an INT64 or a VARCHAR. Keys are comparable, and in JSON they are numbers or strings.
type Key struct {
	Int  int64
	Text string
	text bool
}

// IntKey and TextKey make keys of the two kinds.
func IntKey(v int64) Key   { return Key{Int: v} }
func TextKey(v string) Key { return Key{Text: v, text: true} }

// Compare orders keys as Milvus does: integers by value, strings by their bytes.
func (k Key) Compare(other Key) int {
	return cmp.Or(cmp.Compare(k.Int, other.Int), strings.Compare(k.Text, other.Text))
}

// Clone is the key with memory of its own: a key read from a batch holds on to the batch.
func (k Key) Clone() Key {
	k.Text = strings.Clone(k.Text)
	return k
}

func (k Key) String() string {
	if k.text {
		return strconv.Quote(k.Text)
	}
	return strconv.FormatInt(k.Int, 10)
}

// MarshalJSON writes a number or a string.
func (k Key) MarshalJSON() ([]byte, error) {
	if k.text {
		return json.Marshal(k.Text)
	}
	return strconv.AppendInt(nil, k.Int, 10), nil
}

// UnmarshalJSON reads a whole number or a string.
func (k *Key) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*k = Key{text: true}
		return json.Unmarshal(b, &k.Text)
	}
	v, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return fmt.Errorf("primary key %s: neither a string nor a whole number of 64 bits", b)
	}
	*k = IntKey(v)
	return nil
}

// literal writes a key into a filter expression. Milvus has no literal for -2^63.
func (k Key) literal() string {
	switch {
	case k.text:
		return quote(k.Text)
	case k.Int == math.MinInt64:
		return "(-9223372036854775807 - 1)"
	}
	return strconv.FormatInt(k.Int, 10)
}

var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`)

// quote writes a string for a filter expression. From 2.4.13 on Milvus writes Han characters as escapes of four digits by itself,
// also those beyond U+FFFF, which then are others (convertHanToASCII, milvus-io/milvus#36675): these are given as escapes already.
func quote(s string) string {
	s = escapes.Replace(s)
	if !strings.ContainsFunc(s, longHan) {
		return `"` + s + `"`
	}
	var b strings.Builder
	for _, r := range s {
		if longHan(r) {
			fmt.Fprintf(&b, `\U%08x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}

func longHan(r rune) bool { return r > 0xFFFF && unicode.Is(unicode.Han, r) }

// Range is the keys above After and up to and including UpTo; a missing bound is open. The zero Range is all keys.
// Ranges that follow each other share a bound, so that they cover every key exactly once.
type Range struct {
	After *Key `json:"after,omitempty"`
	UpTo  *Key `json:"up_to,omitempty"`
}

// Equal reports whether two ranges have the same bounds.
func (r Range) Equal(other Range) bool {
	return sameBound(r.After, other.After) && sameBound(r.UpTo, other.UpTo)
}

func sameBound(a, b *Key) bool { return (a == nil && b == nil) || (a != nil && b != nil && *a == *b) }

func (r Range) String() string {
	lower, upper := "(-∞", "+∞)"
	if r.After != nil {
		lower = "(" + r.After.String()
	}
	if r.UpTo != nil {
		upper = r.UpTo.String() + "]"
	}
	return lower + ", " + upper
}

// Expr is the range as a Milvus filter on the primary key; never empty, since a query without a filter needs a limit.
func (l *Layout) Expr(r Range) string {
	pk := l.KeyName()
	var terms []string
	if r.After != nil {
		terms = append(terms, pk+" > "+r.After.literal())
	}
	if r.UpTo != nil {
		terms = append(terms, pk+" <= "+r.UpTo.literal())
	}
	if len(terms) > 0 {
		return strings.Join(terms, " and ")
	}
	if l.IntKey() {
		return pk + " <= 9223372036854775807"
	}
	return pk + ` >= ""`
}

// Equals is a filter for one key.
func (l *Layout) Equals(k Key) string { return l.KeyName() + " == " + k.literal() }

// In is a filter for some keys, of which there has to be one.
func (l *Layout) In(keys []Key) string { return l.KeyName() + " in " + listed(keys) }

// NotIn is a filter for all keys but some, of which there has to be one.
func (l *Layout) NotIn(keys []Key) string { return l.KeyName() + " not in " + listed(keys) }

func listed(keys []Key) string {
	literals := make([]string, len(keys))
	for i, k := range keys {
		literals[i] = k.literal()
	}
	return "[" + strings.Join(literals, ", ") + "]"
}

// Is, From and Above are filters for the values of any INT64 or VARCHAR field: one value, those from one on, and those above one.
func Is(field string, value Key) string    { return field + " == " + value.literal() }
func From(field string, value Key) string  { return field + " >= " + value.literal() }
func Above(field string, value Key) string { return field + " > " + value.literal() }

// Keys reads the keys of a record batch of this layout.
func (l *Layout) Keys(rec arrow.Record) []Key { return keysOf(rec.Column(l.Key)) }

// KeysOf reads the keys of any record batch from the column of that name.
func KeysOf(rec arrow.Record, name string) []Key {
	for _, i := range rec.Schema().FieldIndices(name) {
		return keysOf(rec.Column(i))
	}
	return nil
}

func keysOf(col arrow.Array) []Key {
	keys := make([]Key, col.Len())
	switch c := col.(type) {
	case *array.Int64:
		for i, v := range c.Int64Values() {
			keys[i] = IntKey(v)
		}
	case *array.String:
		for i := range keys {
			keys[i] = TextKey(c.Value(i))
		}
	}
	return keys
}
