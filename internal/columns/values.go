package columns

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// ByValue is a record batch with the same spelling of all documents of the same value, in the columns of JSON that are named: for
// servers that spell them anew. Where none is named it is the same batch.
func ByValue(rec arrow.Record, documents []string) arrow.Record {
	if len(documents) == 0 {
		return rec
	}
	cols := slices.Clone(rec.Columns())
	for i := range cols {
		if slices.Contains(documents, rec.ColumnName(i)) {
			cols[i] = respelled(cols[i].(*array.String))
		}
	}
	return array.NewRecord(rec.Schema(), cols, rec.NumRows())
}

// respelled spells documents of the same value in the same way, and leaves what is none as it is.
func respelled(col *array.String) arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.Reserve(col.Len())
	b.ReserveData(len(col.ValueBytes()))
	var spelled []byte
	for i := range col.Len() {
		if col.IsNull(i) {
			b.AppendNull()
			continue
		}
		spelled = appendDocument(spelled[:0], col.Value(i))
		b.BinaryBuilder.Append(spelled)
	}
	return b.NewArray()
}

// appendDocument appends a document with its names in order, nothing between the values, and each number and text spelled in one way.
// Of names that an object has twice the last counts, as for those who spell documents anew.
func appendDocument(out []byte, text string) []byte {
	v, ok := parsed(text)
	if !ok {
		return append(out, text...)
	}
	return appendValue(out, v)
}

// parsed reads a document. It refuses what encoding/json would mend in silence: bytes that are no UTF-8, and halves of a character.
func parsed(text string) (v any, ok bool) {
	if !utf8.ValidString(text) {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil, false
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, false
	}
	mended := strings.Contains(strings.ToLower(text), `\ud`) && strings.ContainsRune(string(appendValue(nil, v)), utf8.RuneError)
	return v, !mended
}

func appendValue(out []byte, v any) []byte {
	switch v := v.(type) {
	case map[string]any:
		out = append(out, '{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(strconv.AppendQuote(out, name), ':')
			out = appendValue(out, v[name])
		}
		return append(out, '}')
	case []any:
		out = append(out, '[')
		for i, e := range v {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendValue(out, e)
		}
		return append(out, ']')
	case string:
		return strconv.AppendQuote(out, v)
	case json.Number:
		return appendNumber(out, v.String())
	case bool:
		return strconv.AppendBool(out, v)
	}
	return append(out, "null"...)
}

// appendNumber spells whole numbers by their digits, however many, and those with a point or an exponent by the float64 that they are:
// 1 and 1.0 are two values, 1.0 and 1e0 are one. A number that no float64 holds is left as it is.
func appendNumber(out []byte, text string) []byte {
	if !strings.ContainsAny(text, ".eE") {
		if text == "-0" {
			text = "0"
		}
		return append(out, text...)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return append(out, text...)
	}
	return strconv.AppendFloat(out, f, 'e', -1, 64)
}
