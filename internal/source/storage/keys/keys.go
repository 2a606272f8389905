// Package keys tells which keys of a collection were written, deleted ones too, without comparing rows. The key and the time of each row
// of a sealed segment are kept in a file on the sink, and those of each delete of a delta log in another; neither ever changes. A set names
// the files that a collection is made of at an instant, and what changed from one set to the next is a merge of the files that they do
// not share.
package keys

import (
	"cmp"
	"errors"
	"fmt"

	"migrate/internal/model"
)

// ErrDamaged: a file is not what was written, or not all of it.
var ErrDamaged = errors.New("file of keys is damaged")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, args...))
}

// stamp is the key of a row or of a delete, and when it was written.
type stamp struct {
	key model.Key
	ts  uint64
}

func (s stamp) compare(other stamp) int {
	return cmp.Or(s.key.Compare(other.key), cmp.Compare(s.ts, other.ts))
}
