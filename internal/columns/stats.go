package columns

import (
	"cmp"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
)

// Stats is what of a column's values decides whether a target takes them. The keys are those of first rows, by the order of keys.
// The zero Stats is of no rows, or of a column that any target takes.
type Stats struct {
	Longest   *Most      `json:"longest,omitempty"`    // bytes of a text, of a JSON document, or of a text that is an element
	Elements  *Most      `json:"elements,omitempty"`   // of an ARRAY
	NotFinite *model.Key `json:"not_finite,omitempty"` // a row with NaN or an infinity in a FLOAT or DOUBLE
	NotUTF8   *model.Key `json:"not_utf8,omitempty"`   // a row with JSON that is not UTF-8
	Nulls     *Count     `json:"nulls,omitempty"`      // rows that are NULL
	Empty     *Count     `json:"empty,omitempty"`      // rows of a nullable ARRAY that have no element, and are not NULL
}

// Most is the greatest number in a column, and a row that has it.
type Most struct {
	N   int64     `json:"n"`
	Key model.Key `json:"key"`
}

// Count is how many rows are so, and the first that is.
type Count struct {
	Rows int64     `json:"rows"`
	Key  model.Key `json:"key"`
}

// Add adds those of other rows.
func (s *Stats) Add(other Stats) {
	s.Longest, s.Elements = greater(s.Longest, other.Longest), greater(s.Elements, other.Elements)
	s.NotFinite, s.NotUTF8 = earlier(s.NotFinite, other.NotFinite), earlier(s.NotUTF8, other.NotUTF8)
	s.Nulls, s.Empty = both(s.Nulls, other.Nulls), both(s.Empty, other.Empty)
}

func greater(a, b *Most) *Most {
	if b == nil || a != nil && (a.N > b.N || a.N == b.N && a.Key.Compare(b.Key) <= 0) {
		return a
	}
	return b
}

func earlier(a, b *model.Key) *model.Key {
	if b == nil || a != nil && a.Compare(*b) <= 0 {
		return a
	}
	return b
}

func both(a, b *Count) *Count {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	return &Count{a.Rows + b.Rows, *earlier(&a.Key, &b.Key)}
}

// AddStats adds the stats of other rows, by columns, and returns all.
func AddStats(all, more map[string]Stats) map[string]Stats {
	for name, s := range more {
		if all == nil {
			all = map[string]Stats{}
		}
		sum := all[name]
		sum.Add(s)
		all[name] = sum
	}
	return all
}

// Measure takes the stats of a record batch of this layout, of the columns that have any.
func (l *Layout) Measure(rec arrow.Record) map[string]Stats { return l.MeasureAt(rec, l.Keys(rec)) }

// MeasureAt takes them of a record batch whose rows are told by other keys: it may have none of its own.
func (l *Layout) MeasureAt(rec arrow.Record, keys []model.Key) map[string]Stats {
	all := map[string]Stats{}
	for i, f := range l.fields {
		if s := f.measure(rec.Column(i), keys); s != (Stats{}) {
			all[f.name] = s
		}
	}
	return all
}

func (f field) measure(col arrow.Array, keys []model.Key) Stats {
	s := f.family.measure(col, keys)
	if !f.nullable {
		return s
	}
	s.Nulls = count(keys, col.IsNull)
	if lists, ok := col.(*array.List); ok && f.kind == schemapb.DataType_Array {
		s.Empty = count(keys, func(i int) bool {
			from, to := lists.ValueOffsets(i)
			return from == to && lists.IsValid(i)
		})
	}
	return s
}

// longest is the greatest number of the rows that are not NULL; nil where none is above 0.
func longest(col arrow.Array, keys []model.Key, of func(row int) int64) *Most {
	var most *Most
	for i, k := range keys {
		if col.IsNull(i) {
			continue
		}
		if n := of(i); n > 0 && (most == nil || n > most.N || n == most.N && k.Compare(most.Key) < 0) {
			most = &Most{n, k}
		}
	}
	if most != nil {
		most.Key = most.Key.Clone()
	}
	return most
}

// count counts the rows that are so; nil where none is.
func count(keys []model.Key, is func(row int) bool) *Count {
	var c Count
	for row, k := range keys {
		if !is(row) {
			continue
		}
		if c.Rows++; c.Rows == 1 || k.Compare(c.Key) < 0 {
			c.Key = k
		}
	}
	if c.Rows == 0 {
		return nil
	}
	c.Key = c.Key.Clone()
	return &c
}

// first is the key of the first row that is so and not NULL.
func first(col arrow.Array, keys []model.Key, is func(row int) bool) *model.Key {
	i := -1
	for row, k := range keys {
		if col.IsValid(row) && is(row) && (i < 0 || k.Compare(keys[i]) < 0) {
			i = row
		}
	}
	if i < 0 {
		return nil
	}
	k := keys[i].Clone()
	return &k
}
