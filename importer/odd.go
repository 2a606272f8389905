package importer

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/ingest"
	"migrate/internal/source"
)

// odd are the rows of an export that bulk insert refuses and an insert takes: with NaN or an infinity in a FLOAT or DOUBLE. So are those with
// an empty list that it would make NULL, where auto ids are kept. They are left out of what is staged, and upserted once all jobs are done. What
// is left out is told by the export alone, so nothing of it is recorded.
type odd struct {
	fields []string         // that may have such numbers
	lists  []string         // that may have such lists
	rows   map[string]int64 // of each part, by its object; nil until they were counted
}

// broughtOdd counts odd rows that were brought, each for the first reason that there is.
type broughtOdd struct{ notFinite, emptyLists int64 }

func (o odd) none() bool { return len(o.fields)+len(o.lists) == 0 }

// of are the numbers of a batch's odd rows, and how many are so for a list.
func (o odd) of(rec arrow.Record) (numbers []int, lists int64) {
	numbers = columns.NotFinite(rec, o.fields)
	if len(o.lists) == 0 {
		return numbers, 0
	}
	all := slices.Concat(numbers, rowsWithEmpty(rec, o.lists))
	slices.Sort(all)
	all = slices.Compact(all)
	return all, int64(len(all) - len(numbers))
}

// OddFields are the fields in which an export has such values.
func OddFields(m *export.Manifest) (fields []string) {
	for _, name := range slices.Sorted(maps.Keys(m.Columns)) {
		if m.Columns[name].NotFinite != nil {
			fields = append(fields, name)
		}
	}
	return fields
}

// countOdd counts the odd rows of each part, where the export has any.
func (im *bulk) countOdd(ctx context.Context) error {
	im.odd.fields = OddFields(im.manifest)
	if im.givesIDs() {
		im.odd.lists = im.madeNull()
	}
	if im.odd.rows != nil || im.odd.none() {
		return nil
	}
	im.opts.Step("look for odd rows", im.manifest.Total.Rows)
	counted := map[string]int64{}
	for _, p := range im.manifest.Parts {
		stream, err := im.manifest.ReadPart(ctx, im.export, p, slices.Concat(im.odd.fields, im.odd.lists)...)
		if err != nil {
			return err
		}
		for rec, err := range source.Rows(stream) {
			if err != nil {
				return err
			}
			numbers, _ := im.odd.of(rec)
			counted[p.Object] += int64(len(numbers))
			im.opts.Progress(rec.NumRows(), 0)
		}
	}
	im.odd.rows = counted
	return nil
}

// rowsOf is how many rows of some parts bulk insert brings.
func (im *bulk) rowsOf(parts []export.Part) int64 {
	n := tallyOf(parts).Rows
	for _, p := range parts {
		n -= im.odd.rows[p.Object]
	}
	return n
}

// others are the numbers below n that are not among some, which ascend.
func others(some []int, n int) []int {
	left := make([]int, 0, n)
	for i := range n {
		if len(some) > 0 && some[0] == i {
			some = some[1:]
			continue
		}
		left = append(left, i)
	}
	return left
}

// bringOdd upserts the odd rows, all of them: what an earlier run has brought is as it was.
func (im *bulk) bringOdd(ctx context.Context) error {
	if err := im.fence.begin(ctx, im.importing); err != nil {
		return err
	}
	for _, p := range im.manifest.Parts {
		if im.odd.rows[p.Object] == 0 {
			continue
		}
		if err := im.bringOddOf(ctx, p); err != nil {
			return fmt.Errorf("bringing the rows of part %s that bulk insert does not take: %w", p.Object, err)
		}
	}
	if im.brought != (broughtOdd{}) {
		slog.InfoContext(ctx, "rows that bulk insert does not take were upserted after it",
			"not_finite", im.brought.notFinite, "in", im.odd.fields, "empty_lists", im.brought.emptyLists, "of", im.odd.lists)
	}
	return nil
}

func (im *bulk) bringOddOf(ctx context.Context, p export.Part) error {
	stream, err := im.manifest.ReadPart(ctx, im.export, p)
	if err != nil {
		return err
	}
	for rec, err := range source.Rows(stream) {
		if err != nil {
			return err
		}
		numbers, lists := im.odd.of(rec)
		err := im.fence.write(ctx, func(w *ingest.Writer) error { return w.Upsert(ctx, p.Partition, rec, numbers) })
		if err != nil {
			return err
		}
		im.brought.notFinite += int64(len(numbers)) - lists
		im.brought.emptyLists += lists
	}
	return nil
}
