package columns

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"migrate/internal/model"
)

// Keys reads the keys of a record batch of this layout.
func (l *Layout) Keys(rec arrow.Record) []model.Key { return keysOf(rec.Column(l.Key)) }

// KeysOf reads the keys of any record batch from the column of that name.
func KeysOf(rec arrow.Record, name string) []model.Key {
	for _, i := range rec.Schema().FieldIndices(name) {
		return keysOf(rec.Column(i))
	}
	return nil
}

func keysOf(col arrow.Array) []model.Key {
	keys := make([]model.Key, col.Len())
	switch c := col.(type) {
	case *array.Int64:
		for i, v := range c.Int64Values() {
			keys[i] = model.IntKey(v)
		}
	case *array.String:
		for i := range keys {
			keys[i] = model.TextKey(c.Value(i))
		}
	}
	return keys
}
