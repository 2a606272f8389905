package milvus

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
)

// Filters are how a server has the values in its filters written. The zero value is that of Milvus; Lite differs.
type Filters struct {
	rawBreaks  bool // no line break can be written: a value that has one is refused by the server
	rawHan     bool // no character beyond U+FFFF is written as an escape
	plainLeast bool // -2^63 is a number as any other
}

// KeyField is a primary key's field as filters name it.
type KeyField struct {
	Name string
	Int  bool // an INT64; otherwise a VARCHAR

	filters Filters
}

// KeyOf is the key field of a schema, in filters of Milvus.
func KeyOf(schema *schemapb.CollectionSchema) KeyField { return Filters{}.KeyOf(schema) }

// KeyOf is the key field of a schema.
func (f Filters) KeyOf(schema *schemapb.CollectionSchema) KeyField {
	key := model.PrimaryKey(schema)
	return KeyField{key.GetName(), key.GetDataType() == schemapb.DataType_Int64, f}
}

// CanWrite reports whether a filter can name a key.
func (k KeyField) CanWrite(key model.Key) bool {
	return !k.filters.rawBreaks || !strings.ContainsAny(key.Text, "\n\r")
}

// Within is a filter for a range of keys; never empty, since a query without a filter needs a limit.
func (k KeyField) Within(r model.Range) string {
	var terms []string
	if r.After != nil {
		terms = append(terms, k.Name+" > "+k.filters.literal(*r.After))
	}
	if r.UpTo != nil {
		terms = append(terms, k.Name+" <= "+k.filters.literal(*r.UpTo))
	}
	switch {
	case len(terms) > 0:
		return strings.Join(terms, " and ")
	case k.Int:
		return k.Name + " <= 9223372036854775807"
	}
	return k.Name + ` >= ""`
}

// In is a filter for some keys, of which there has to be one.
func (k KeyField) In(keys []model.Key) string { return k.Name + " in " + k.filters.listed(keys) }

// NotIn is a filter for all keys but some, of which there has to be one.
func (k KeyField) NotIn(keys []model.Key) string { return k.Name + " not in " + k.filters.listed(keys) }

func (f Filters) listed(keys []model.Key) string {
	literals := make([]string, len(keys))
	for i, k := range keys {
		literals[i] = f.literal(k)
	}
	return "[" + strings.Join(literals, ", ") + "]"
}

// Is, From and Above are filters for the values of any INT64 or VARCHAR field: one value, those from one on, and those above one.
func (f Filters) Is(field string, value model.Key) string    { return field + " == " + f.literal(value) }
func (f Filters) From(field string, value model.Key) string  { return field + " >= " + f.literal(value) }
func (f Filters) Above(field string, value model.Key) string { return field + " > " + f.literal(value) }

// literal writes a key into a filter expression. Milvus has no literal for -2^63.
func (f Filters) literal(k model.Key) string {
	switch {
	case k.IsText():
		return f.quote(k.Text)
	case k.Int == math.MinInt64 && !f.plainLeast:
		return "(-9223372036854775807 - 1)"
	}
	return strconv.FormatInt(k.Int, 10)
}

var (
	escapes    = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`)
	fewEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
)

// quote writes a string for a filter expression. From 2.4.13 on Milvus writes Han characters as escapes of four digits by itself,
// also those beyond U+FFFF, which then are others (convertHanToASCII, milvus-io/milvus#36675): these are given as escapes already.
func (f Filters) quote(s string) string {
	if f.rawBreaks {
		return `"` + fewEscapes.Replace(s) + `"`
	}
	s = escapes.Replace(s)
	if f.rawHan || !strings.ContainsFunc(s, longHan) {
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
