package labtest

import (
	"iter"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"migrate/internal/source"
)

// Batches are the batches of a stream, if it could be opened. An error of either is the test's.
func Batches(t testing.TB, s source.Stream, err error) iter.Seq[arrow.Record] {
	return func(yield func(arrow.Record) bool) {
		t.Helper()
		if err != nil {
			t.Error(err)
			return
		}
		for rec, err := range source.Rows(s) {
			if err != nil {
				t.Error(err)
				return
			}
			if !yield(rec) {
				return
			}
		}
	}
}
