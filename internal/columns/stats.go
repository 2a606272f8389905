package columns

import (
	"github.com/apache/arrow/go/v15/arrow"

	"migrate/internal/model"
)

// Stats is what of a column's values decides whether a target takes them. The keys are those of first rows, by the order of keys.
// The zero Stats is of no rows, or of a column that any target takes.
type Stats struct {
	Longest   *Most      `json:"longest,omitempty"`    // bytes of a text, of a JSON document, or of a text that is an element
	Elements  *Most      `json:"elements,omitempty"`   // of an ARRAY
	NotFinite *model.Key `json:"not_finite,omitempty"` // a row with NaN or an infinity in a FLOAT or DOUBLE
	NotUTF8   *model.Key `json:"not_utf8,omitempty"`   // a row with JSON that is not UTF-8
}

// Most is the greatest number in a column, and a row that has it.
type Most struct {
	N   int64     `json:"n"`
	Key model.Key `json:"key"`
}

// Add adds those of other rows.
func (s *Stats) Add(other Stats) {
	s.Longest, s.Elements = greater(s.Longest, other.Longest), greater(s.Elements, other.Elements)
	s.NotFinite, s.NotUTF8 = earlier(s.NotFinite, other.NotFinite), earlier(s.NotUTF8, other.NotUTF8)
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
func (l *Layout) Measure(rec arrow.Record) map[string]Stats {
	keys, all := l.Keys(rec), map[string]Stats{}
	for i, f := range l.fields {
		if s := f.family.measure(rec.Column(i), keys); s != (Stats{}) {
			all[f.name] = s
		}
	}
	return all
}

// longest is the greatest number of the rows; nil where none is above 0.
func longest(keys []model.Key, of func(row int) int64) *Most {
	var most *Most
	for i, k := range keys {
		if n := of(i); n > 0 && (most == nil || n > most.N || n == most.N && k.Compare(most.Key) < 0) {
			most = &Most{n, k}
		}
	}
	if most != nil {
		most.Key = most.Key.Clone()
	}
	return most
}

// first is the key of the first row that is so.
func first(keys []model.Key, is func(row int) bool) *model.Key {
	i := -1
	for row, k := range keys {
		if is(row) && (i < 0 || k.Compare(keys[i]) < 0) {
			i = row
		}
	}
	if i < 0 {
		return nil
	}
	k := keys[i].Clone()
	return &k
}
