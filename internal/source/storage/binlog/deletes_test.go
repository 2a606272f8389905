package binlog_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"migrate/internal/model"
	"migrate/internal/source/storage/binlog"
	"migrate/internal/source/storage/binlog/binlogtest"
)

// TestDeletes reads deletes in each of the ways in which servers have written them.
func TestDeletes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Map(rapid.Int64(), model.IntKey)
		text := rapid.Map(rapid.String(), model.TextKey)
		c := rapid.SampledFrom([]struct {
			write func(binlog.Owner, ...binlogtest.Delete) []byte
			key   *rapid.Generator[model.Key]
		}{
			{binlogtest.Deletes, number}, {binlogtest.Deletes, text}, {binlogtest.EarlyDeletes, number},
			{binlogtest.ColumnDeletes, number}, {binlogtest.ColumnDeletes, text},
		}).Draw(t, "way")
		want := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) binlogtest.Delete {
			return binlogtest.Delete{Key: c.key.Draw(t, "key"), TS: rapid.Uint64().Draw(t, "ts")}
		}), 1, 20).Draw(t, "deletes")
		got, err := deletesOf(c.write(owner, want...), want[0].Key.IsText())
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%v, %v, want %v", got, err, want)
		}
	})
}

func deletesOf(log []byte, text bool) (all []binlogtest.Delete, err error) {
	err = binlog.ReadDeletes(bytes.NewReader(log), owner.Collection, text, func(k model.Key, ts uint64) error {
		all = append(all, binlogtest.Delete{Key: k, TS: ts})
		return nil
	})
	return all, err
}

// TestDeletesRefused refuses keys of another kind, and logs of others.
func TestDeletesRefused(t *testing.T) {
	number, text := binlogtest.Delete{Key: model.IntKey(1), TS: 5}, binlogtest.Delete{Key: model.TextKey("1"), TS: 5}
	other := owner
	other.Collection++
	for name, err := range map[string]error{
		"texts":              second(deletesOf(binlogtest.Deletes(owner, text), false)),
		"numbers":            second(deletesOf(binlogtest.Deletes(owner, number), true)),
		"early numbers":      second(deletesOf(binlogtest.EarlyDeletes(owner, number), true)),
		"column of texts":    second(deletesOf(binlogtest.ColumnDeletes(owner, text), false)),
		"another collection": second(deletesOf(binlogtest.Deletes(other, number), false)),
	} {
		if !errors.Is(err, binlog.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second(_ []binlogtest.Delete, err error) error { return err }

// TestDeletesFlipped refuses a delta log of which any bit is another, or its deletes are the same.
func TestDeletesFlipped(t *testing.T) {
	deletes := []binlogtest.Delete{{Key: model.IntKey(1), TS: 5}, {Key: model.IntKey(-70000), TS: 6}, {Key: model.IntKey(1), TS: 1 << 60}}
	for name, log := range map[string][]byte{"texts": binlogtest.Deletes(owner, deletes...), "columns": binlogtest.ColumnDeletes(owner, deletes...)} {
		for bit := range 8 * len(log) {
			flipped := slices.Clone(log)
			flipped[bit/8] ^= 1 << (bit % 8)
			if got, err := deletesOf(flipped, false); err == nil && !slices.Equal(got, deletes) {
				t.Errorf("%s: bit %d of %d changes deletes in silence: %v", name, bit, 8*len(log), got)
			}
		}
	}
}
