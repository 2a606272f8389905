package syncer

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"migrate/internal/clock"
	"migrate/internal/columns"
	"migrate/internal/ingest"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
)

// mostKeys is how many keys are looked up or deleted at once.
const mostKeys = 2000

// deal looks at keys again, once what a write or a compaction under way made of them has passed, and applies to the target what still
// differs. What left a partition is deleted there before
// anything is upserted: a key that moved to another partition would be there twice otherwise.
func (c *cycle) deal(ctx context.Context, suspects Suspects) (Outcome, error) {
	if !suspects.Written {
		if err := clock.Sleep(ctx, c.opts.SecondLook); err != nil {
			return Outcome{}, err
		}
	}
	if sw := c.pos.Switch; sw != nil && sw.Left != nil { // what is applied now can't be told from what others write
		applied := *sw
		applied.Left, c.pos.Switch = nil, &applied
	}
	if err := c.save(ctx); err != nil { // nothing is written by a late owner
		return Outcome{}, err
	}
	now, err := c.sides.asOfNow(ctx)
	if err != nil {
		return Outcome{}, err
	}
	a := &applying{cycle: c, now: now, suspects: suspects, wrote: map[string]map[model.Key]uint64{}}
	left := suspects.Keys
	if !suspects.Written { // the counts tell of what is gone of these, and that is looked at twice
		left, err = a.deleteGone(ctx)
	}
	if err == nil {
		err = a.upsert(ctx, left)
	}
	if suspects.Written {
		a.done.Passed = 0
	}
	c.report.add(a.done)
	c.pos.Upserted += a.done.Inserted + a.done.Changed
	c.pos.Deleted += a.done.Deleted
	c.pos.Passed += a.done.Passed
	if err != nil {
		return a.done, err
	}
	if c.sides.target, err = now.target.Now(ctx); err != nil { // which sees what was written
		return a.done, err
	}
	return a.done, a.see(ctx, c.sides.target)
}

// applying is the application of some suspects.
type applying struct {
	*cycle
	now      sides
	suspects Suspects
	done     Outcome
	wrote    map[string]map[model.Key]uint64 // by partition, the hashes of rows that nothing else would look at again
}

// deleteGone deletes the keys that only the target has, and returns those that the source has.
func (a *applying) deleteGone(ctx context.Context) (there map[string][]model.Key, err error) {
	there, gone := map[string][]model.Key{}, map[string][]model.Key{}
	var n int64
	for _, p := range slices.Sorted(maps.Keys(a.suspects.Keys)) {
		for keys := range slices.Chunk(a.suspects.Keys[p], mostKeys) {
			absent, err := a.absent(ctx, a.now.source, p, keys)
			if err != nil {
				return nil, err
			}
			there[p] = append(there[p], except(keys, absent)...)
			on, err := a.absent(ctx, a.now.target, p, absent)
			if err != nil {
				return nil, err
			}
			extra := except(absent, on)
			a.done.Passed += int64(len(on))
			gone[p], n = append(gone[p], extra...), n+int64(len(extra))
		}
	}
	if n == 0 {
		return there, nil
	}
	if err := a.mayDelete(ctx, n); err != nil {
		return nil, err
	}
	return there, a.delete(ctx, gone)
}

// noteDuplicates counts the rows of keys beyond those that came, one each, where the keys are said to have been written: a row that was written is
// not a key that was, then.
func (a *applying) noteDuplicates(ctx context.Context, partition string, keys []model.Key, came int64) error {
	if !a.suspects.Written {
		return nil
	}
	n, err := a.now.source.CountKeys(ctx, partition, keys)
	a.done.Unsure += max(n-came, 0)
	return err
}

// see looks once more at rows that were written because they were said to be: their ranges are not compared again, and what
// the target does not have as it should be proves nothing.
func (a *applying) see(ctx context.Context, target source.Ranged) error {
	for p, rows := range a.wrote {
		keys := slices.SortedFunc(maps.Keys(rows), model.Key.Compare)
		for some := range slices.Chunk(keys, a.atOnce()) {
			found, err := target.Lookup(ctx, p, some)
			if err != nil {
				return err
			}
			have, err := a.now.hash(found.Record)
			if err != nil {
				return err
			}
			for i, k := range columns.KeysOf(found.Record, a.now.key()) {
				if rows[k] == have[i] {
					delete(rows, k)
				}
			}
		}
		a.done.Unsure += int64(len(rows))
	}
	return nil
}

// absent are the keys that a side has no row of in a partition. Those that it counts and does not return are left alone.
func (a *applying) absent(ctx context.Context, r source.Ranged, partition string, keys []model.Key) ([]model.Key, error) {
	if len(keys) == 0 || !slices.Contains(r.Collection().PartitionsToRead(), partition) {
		return keys, nil
	}
	found, err := r.Lookup(ctx, partition, keys, a.now.key())
	return found.Absent, err
}

// except are the keys that are not among others.
func except(keys, others []model.Key) []model.Key {
	left := make([]model.Key, 0, len(keys))
	for _, k := range keys {
		if _, found := slices.BinarySearchFunc(others, k, model.Key.Compare); !found {
			left = append(left, k)
		}
	}
	return left
}

// mayDelete asks once more whether the source is what it was and loaded, and whether so much may be deleted.
func (a *applying) mayDelete(ctx context.Context, n int64) error {
	if err := a.allow(a.report.Deleted + n); err != nil {
		return err
	}
	coll, err := a.describe(ctx, a.source, a.opts.Collection, ErrSource, a.pos.Source)
	if err != nil {
		return err
	}
	if !coll.Loaded {
		return fmt.Errorf("deleting rows that %q on %s has no more: %w as a whole", coll.Name, a.source.Address, milvus.ErrNotLoaded)
	}
	return nil
}

func (a *applying) delete(ctx context.Context, gone map[string][]model.Key) error {
	for _, p := range slices.Sorted(maps.Keys(gone)) {
		for keys := range slices.Chunk(gone[p], mostKeys) {
			if err := a.writer().Delete(ctx, p, keys); err != nil {
				return err
			}
			a.done.Deleted += int64(len(keys))
		}
	}
	return nil
}

// upsert brings rows to the target that it has not or has otherwise, in batches.
func (a *applying) upsert(ctx context.Context, there map[string][]model.Key) error {
	for _, p := range slices.Sorted(maps.Keys(there)) {
		if !slices.Contains(a.now.source.Collection().PartitionsToRead(), p) { // it was made since the cycle began
			a.done.Unsure += int64(len(there[p]))
			continue
		}
		for keys := range slices.Chunk(there[p], a.atOnce()) {
			if err := a.upsertBatch(ctx, p, keys); err != nil {
				return err
			}
		}
	}
	return nil
}

// atOnce is how many rows are looked up or written at once.
func (a *applying) atOnce() int {
	return int(min(max(ingest.BatchBytes/max(a.now.source.RowBytes(), 1), 1), mostKeys))
}

// upsertBatch brings the rows of some keys to the target.
func (a *applying) upsertBatch(ctx context.Context, partition string, keys []model.Key) error {
	var from, to source.Found
	err := both(ctx, func(ctx context.Context) (err error) {
		from, err = a.now.source.Lookup(ctx, partition, keys)
		return err
	}, func(ctx context.Context) (err error) {
		to, err = a.now.target.Lookup(ctx, partition, keys)
		return err
	})
	if err != nil {
		return err
	}
	if err := a.noteDuplicates(ctx, partition, keys, from.Record.NumRows()); err != nil {
		return err
	}
	if err := a.now.paced(ctx, from.Record.NumRows()); err != nil {
		return err
	}
	missing, changed, done, err := a.differing(partition, from.Record, to.Record, to.Hidden)
	if err != nil {
		return err
	}
	done.Passed = int64(len(keys)) - done.Inserted - done.Changed
	if len(missing)+len(changed) > 0 {
		err = a.sameSource(ctx)
	}
	if err == nil {
		err = a.write(ctx, partition, from.Record, missing, changed)
	}
	if err == nil {
		a.done.add(done)
	}
	return err
}

// write brings rows that the target has not, and others that it has otherwise. An upsert takes both, but where the target gives the keys: of
// rows that it has not nothing need be deleted there.
func (a *applying) write(ctx context.Context, partition string, rec arrow.Record, missing, changed []int) error {
	w := a.writer()
	if !w.AutoIDs {
		changed, missing = slices.Concat(missing, changed), nil
	}
	if err := w.InsertAll(ctx, partition, rec, missing); err != nil {
		return err
	}
	return w.Upsert(ctx, partition, rec, changed)
}

// writer writes to the target while the job is still this process's, each call once: the next cycle finds what was not written.
func (a *applying) writer() *ingest.Writer {
	schema := a.now.target.Collection().Schema
	return &ingest.Writer{
		Rows: a.opts.Writer, Collection: a.opts.As, Layout: a.now.layout, Key: a.target.Filters().KeyOf(schema),
		AutoIDs: model.AutoID(schema), May: a.job.StillOwner,
	}
}

// sameSource refuses rows that may be those of a collection which was made anew.
func (a *applying) sameSource(ctx context.Context) error {
	coll, err := a.source.Definition(ctx, a.opts.Collection)
	return theOne(coll, err, a.source, a.opts.Collection, ErrSource, a.pos.Source)
}

// differing are the numbers of the source's rows, one a key, that are missing on the target, or that it has otherwise. Keys whose rows the
// target hides can't be said to differ.
func (a *applying) differing(partition string, from, to arrow.Record, hidden []model.Key) (missing, changed []int, done Outcome, err error) {
	want, err := a.now.hash(from)
	if err != nil {
		return nil, nil, done, err
	}
	have, err := a.now.hash(to)
	if err != nil {
		return nil, nil, done, err
	}
	there, seen := map[model.Key]uint64{}, map[model.Key]bool{}
	for _, k := range hidden {
		seen[k] = true
	}
	for i, k := range columns.KeysOf(to, a.now.key()) {
		there[k] = have[i]
	}
	for i, k := range columns.KeysOf(from, a.now.key()) {
		hash, ok := there[k]
		if seen[k] || ok && hash == want[i] && !a.suspects.Twice[k] {
			continue
		}
		seen[k] = true
		if a.suspects.Written {
			if a.wrote[partition] == nil {
				a.wrote[partition] = map[model.Key]uint64{}
			}
			a.wrote[partition][k.Clone()] = want[i]
		}
		if ok {
			changed, done.Changed = append(changed, i), done.Changed+1
		} else {
			missing, done.Inserted = append(missing, i), done.Inserted+1
		}
		done.note(partition, k.Clone())
	}
	return missing, changed, done, nil
}
