package syncer

import (
	"context"
	"maps"
	"slices"

	"migrate/internal/model"
)

// mostWritten is how many keys are remembered as written: they stand in the position, and are looked up again in a cycle.
const mostWritten = 2000

// Written are keys that were found to be written since a time when the two sides were proved equal, by partition, each once. They outlast
// later such times: 2.5 sorts what was flushed into other segments, and what is in these is told by the keys.
type Written struct {
	Since    *model.Mark `json:"since"` // what the source held then
	Keys     keysFound   `json:"keys,omitempty"`
	Inserted int64       `json:"inserted,omitempty"` // of them: the others were there before
	Deleted  int64       `json:"deleted,omitempty"`  // keys that are gone since
}

// rows is how many rows the segments since then have of these keys, if none was written twice.
func (w *Written) rows() (n int64) {
	if w == nil {
		return 0
	}
	for _, keys := range w.Keys {
		n += int64(len(keys))
	}
	return n
}

// and are these keys and those that a cycle found; nil where they are too many, or one of them was written again.
func (w *Written) and(found Outcome) *Written {
	if found.Applied() == 0 || w == nil {
		return w
	}
	if found.Unsure > 0 || w.rows()+found.Inserted+found.Changed > mostWritten {
		return nil
	}
	all := &Written{Since: w.Since, Keys: maps.Clone(w.Keys), Inserted: w.Inserted + found.Inserted, Deleted: w.Deleted + found.Deleted}
	if found.written == nil {
		return all
	}
	if all.Keys == nil {
		all.Keys = keysFound{}
	}
	for p, keys := range *found.written {
		all.Keys[p] = slices.SortedFunc(slices.Values(slices.Concat(all.Keys[p], keys)), model.Key.Compare)
		if len(slices.Compact(slices.Clone(all.Keys[p]))) < len(all.Keys[p]) {
			return nil
		}
	}
	return all
}

// remember adds what this cycle has found to what is known to be written, or begins with it where that is not known any more.
func (c *comparison) remember() {
	w := c.pos.Written.and(c.found)
	if w == nil && c.pos.Base != nil {
		w = (&Written{Since: c.pos.Base}).and(c.found)
	}
	c.pos.Written = w
}

// lookAgain looks once more at the keys that earlier cycles found to be written, where they and what this one has found are as many as
// the rows of segments that are new since then. Where each of them is there and is the same on both sides, they explain these rows, whichever
// segments they are in by now.
func (c *comparison) lookAgain(ctx context.Context) error {
	w := c.pos.Written
	if w == nil || !c.fresh || c.before != nil || c.explained() {
		return nil
	}
	rows, kept := c.newSince(w.Since)
	if kept && rows != w.rows()+c.found.Inserted+c.found.Changed {
		return nil
	}
	if c.pos.Written = nil; !kept || w.and(c.found) == nil { // or a key of these was found again
		return nil
	}
	for _, p := range slices.Sorted(maps.Keys(w.Keys)) {
		before := c.found
		if err := c.dealWritten(ctx, p, slices.Clone(w.Keys[p])); err != nil {
			return err
		}
		there, err := c.sides.source.CountKeys(ctx, p, w.Keys[p])
		if err != nil || there != int64(len(w.Keys[p])) || c.found.Applied() > before.Applied() || c.found.Unsure > before.Unsure {
			return err
		}
	}
	c.pos.Written, c.before = w, w
	return nil
}

// newSince is how many rows the segments have that are new since a mark, and whether all of then are as they were.
func (c *comparison) newSince(then *model.Mark) (rows int64, kept bool) {
	same := 0
	for id, n := range c.pos.Mark.Segments {
		if before, there := then.Segments[id]; !there {
			rows += n
		} else if before == n {
			same++
		}
	}
	return rows, same == len(then.Segments)
}

// explained reports whether the rows that were written since the two sides were last proved equal are as many as the differences that
// this cycle has found; or those since an earlier such time as many as all that were found since then, and looked at again. Each key that was
// written since and is there has a row in a segment that was not there then; so when as many such keys have been found as those segments
// have rows, none is left. Of the keys that were there, so many are gone as the count lacks. It holds where no segment of then was compacted
// away, and only if nothing was written while this cycle looked, which the next one tells.
func (c *comparison) explained() bool {
	if !c.fresh || c.found.Unsure > 0 {
		return false
	}
	return c.pos.Base != nil && c.explainedSince(&Written{Since: c.pos.Base}) || c.before != nil && c.explainedSince(c.before)
}

func (c *comparison) explainedSince(w *Written) bool {
	rows, kept := c.newSince(w.Since)
	return kept && rows == w.rows()+c.found.Inserted+c.found.Changed &&
		c.pos.Mark.Rows == w.Since.Rows+w.Inserted+c.found.Inserted-w.Deleted-c.found.Deleted
}
